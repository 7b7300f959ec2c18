"""The opening handshake of a direct connection, on its two sides: HTTP's headers, and the ASGI application that says
yes or no."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

from uvicorn._types import HTTPScope

from goim.errors import ErrorCode
from goim.protocol.frames import encode_json
from goim.rest.errors import MEDIA_TYPE, Problem

Headers = Iterable[tuple[bytes, bytes]]
_ASKED = (b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
_VERSION = b"13"
_log = logging.getLogger("uvicorn.error")


def accepted_key(scope: HTTPScope) -> bytes | None:
    """What a 101 says for this request; None where it is not just what everybody sends, each header once: that is for
    the library to judge (RFC 6455 §4.2.1)."""
    found = [header for header in scope["headers"] if header[0] in _ASKED]
    asked = dict(found)
    if len(found) != len(_ASKED) or len(asked) != len(_ASKED):
        return None
    key, options = asked[b"sec-websocket-key"], asked[b"connection"].lower().split(b",")
    is_usual = (
        scope["method"] == "GET"
        and scope["http_version"] == "1.1"
        and asked[b"sec-websocket-version"] == _VERSION
        and asked[b"upgrade"].lower() == b"websocket"
        and b"upgrade" in [option.strip() for option in options]
        and _is_key(key)
    )
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()) if is_usual else None


def asks_for_another_version(headers: Headers) -> bool:
    """Whether this is a WebSocket of before, or after, the one there is."""
    versions = [value for name, value in headers if name == b"sec-websocket-version"]
    return bool(versions) and _VERSION not in versions


def wrong_version(default_headers: Headers) -> bytes:
    """What such a one is told (RFC 6455 §4.2.2)."""
    status, detail = HTTPStatus.UPGRADE_REQUIRED, "the version of WebSocket is 13"
    code = ErrorCode.UNSUPPORTED
    refusal = Problem(type="about:blank", title=status.phrase, status=status, detail=detail, code=code)
    told = [(b"content-type", MEDIA_TYPE.encode()), (b"upgrade", b"websocket"), (b"sec-websocket-version", _VERSION)]
    return _response(status, (*default_headers, *told), encode_json(refusal))


def _is_key(key: bytes) -> bool:
    try:
        return len(key) == 24 and len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except binascii.Error:
        return False


def websocket_scope(scope: HTTPScope, url: bytes, extensions: dict[str, Any]) -> dict[str, Any]:
    """The request as ASGI has it for WebSockets."""
    path, _, query = url.partition(b"?")
    root = scope["root_path"]
    return {
        "type": "websocket",
        "asgi": {"version": scope["asgi"]["version"], "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if scope["scheme"] == "https" else "ws",
        "server": scope["server"],
        "client": scope["client"],
        "root_path": root,
        "path": root + unquote(path.decode("ascii")),
        "raw_path": root.encode("ascii") + path,
        "query_string": query,
        "headers": scope["headers"],
        "subprotocols": _subprotocols(scope["headers"]),
        "state": scope["state"],
        "extensions": {"websocket.http.response": {}, **extensions},
    }


def _subprotocols(headers: Headers) -> list[str]:
    given = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [name.strip() for value in given for name in value.split(",")]


class Opened(Protocol):
    """A connection that waits for its handshake."""

    def opened(self, head: bytes) -> None:
        """It was accepted: `head` is the 101."""
        ...

    def refused(self, response: bytes) -> None:
        """It was not: `response` says so, and the connection is over."""
        ...

    def failed(self) -> None:
        """The application failed, having said yes."""
        ...


class Opening:
    """The application's side of a handshake. It ends with the application, and the connection lives on."""

    __slots__ = ("_body", "_connection", "_default_headers", "_is_answered", "_key", "_response")

    def __init__(self, connection: Opened, key: bytes, default_headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._connection = connection
        self._is_answered = False
        self._key = key
        self._default_headers = default_headers
        self._response: Any = None
        self._body = b""

    async def run(self, app: Any, scope: dict[str, Any]) -> None:
        """Ask the application. It must say something."""
        try:
            await app(scope, self._receive, self._send)
            if not self._is_answered:
                raise RuntimeError("the application said neither yes nor no")
        except Exception:  # noqa: BLE001 - whatever it is, the client is answered
            _log.exception("Exception in ASGI application")
            if self._is_answered:
                self._connection.failed()
            else:
                self._refuse(500, (), b"Internal Server Error")

    async def _receive(self) -> Any:
        return {"type": "websocket.connect"}

    async def _send(self, message: Any) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._accept(message.get("subprotocol"), message.get("headers") or ())
        elif kind == "websocket.close":
            self._refuse(403, (), b"")
        elif kind == "websocket.http.response.start":
            self._response = message
        elif kind == "websocket.http.response.body" and self._response is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self._refuse(self._response["status"], self._response.get("headers") or (), self._body)
        else:
            raise RuntimeError(f"a direct connection does not take {kind}")

    def _accept(self, subprotocol: str | None, headers: Headers) -> None:
        more = [*headers, (b"Sec-WebSocket-Protocol", subprotocol.encode("latin-1"))] if subprotocol else headers
        self._is_answered = True
        self._connection.opened(_SWITCH + self._key + b"\r\n" + _lines(more) + b"\r\n")

    def _refuse(self, status: int, headers: Headers, body: bytes) -> None:
        self._is_answered = True
        self._connection.refused(_response(status, (*self._default_headers, *headers), body))


def _response(status: int, headers: Headers, body: bytes) -> bytes:
    own = {b"connection": b"close", b"content-length": str(len(body)).encode()}
    given = {name.lower(): value for name, value in headers} | own
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return line + _lines(given.items()) + b"\r\n" + body


def _lines(headers: Headers) -> bytes:
    return b"".join([name + b": " + value + b"\r\n" for name, value in headers])
