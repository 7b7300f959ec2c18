"""Requests over HTTP: one controller a noun, every route in `routes.py`, every error told by `errors.py`."""
