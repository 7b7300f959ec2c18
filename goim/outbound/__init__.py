"""Requests to other people's servers, and what may be asked of them."""
