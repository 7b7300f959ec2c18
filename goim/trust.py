"""Whose certificates are believed where goim is the one that connects."""

from __future__ import annotations

import ssl

import certifi


def trusting() -> ssl.SSLContext:
    """Believe whom the machine, or the file in `SSL_CERT_FILE`, believes, and whom Mozilla does."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
