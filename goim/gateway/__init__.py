"""Sockets: what turns bytes of a client into requests, and frames into bytes."""
