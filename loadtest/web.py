"""HTTP on the generator's own loop: requests one after another on a connection that is kept."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from loadtest.sockets import Link, Loop
from loadtest.target import Target

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Answered = Callable[[int, bytes, float], None]
"""Told the status, the body, and when it came."""


class WebLink(Link):
    """One kept connection; `is_free` when nothing is under way on it."""

    def __init__(self, loop: Loop) -> None:
        self._request = b""
        self._answered: Answered | None = None
        self._rest = b""
        super().__init__(loop)

    @property
    def is_free(self) -> bool:
        return self._answered is None

    def ask(self, request: bytes, answered: Answered) -> None:
        """Send a request, at once or as soon as there is somebody at the other end."""
        self._answered = answered
        if self.is_connected:
            self.write(request)
        else:
            self._request = request

    def connected(self) -> None:
        if self._request:
            self.write(self._request)

    def feed(self, data: bytes, now: float) -> None:
        self._rest += data
        head, end, body = self._rest.partition(_HEAD_END)
        if not end:
            return
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(body) < size:
            return
        self._rest = body[size:]
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(int(head[9:12]), body[:size], now)

    def lost(self) -> None:
        if self._answered is not None:
            self._answered(0, b"", 0.0)


def request(target: Target, method: str, path: str, token: str = "", body: object = None) -> bytes:
    """A request with JSON in it, or with nothing."""
    payload = b"" if body is None else msgspec.json.encode(body)
    return request_with(target, method, path, token, payload, "application/json")


def request_with(target: Target, method: str, path: str, token: str, payload: bytes, kind: str) -> bytes:
    """A request with any body."""
    lines = [f"{method} {target.path}{path} HTTP/1.1", f"Host: {target.authority}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if payload:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(payload)}"]
    return "\r\n".join([*lines, "", ""]).encode() + payload
