"""Measures a real goim server over real sockets, and checks every message while it does."""
