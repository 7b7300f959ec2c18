"""Where the measured server is, read from its URL."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from msgspec import Struct

from loadtest.errors import Refused


class Target(Struct, frozen=True):
    """A server, by the address of its HTTP."""

    host: str
    port: int
    is_tls: bool = False
    path: str = ""

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """What `Host:` says."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """Certificates are checked as everywhere; `SSL_CERT_FILE` names one of your own."""
        return ssl.create_default_context() if self.is_tls else None


def target_of(url: str) -> Target:
    """`http://host[:port][/path]` or https."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        port = 0
    if not port or not parts.hostname or parts.query or parts.fragment:
        raise Refused(f"{url} is no URL of a server", hint="--url http://127.0.0.1:8080")
    return Target(parts.hostname, port, parts.scheme == "https", parts.path.rstrip("/"))
