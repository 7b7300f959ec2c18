"""Requests from sockets: one function an action, all of them in `table.py`."""
