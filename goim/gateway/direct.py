"""The fast way in and out of a WebSocket: a path for whole data frames in front of uvicorn's own sans-I/O protocol.

Complete, unfragmented, uncompressed data frames are parsed here and go straight to the connection. Every other whole
frame (control, fragments, RSV bits, oversize, malformed) is handed to the parent, so that handshake, ping and pong,
close codes, fragmentation, limits and shutdown stay uvicorn's. Outgoing frames of one loop iteration leave in one
`write`. It leans on uvicorn's internals: the version is pinned and `tests/gateway/test_conformance.py` holds it to
that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as WsFrame
from websockets.http11 import Request
from websockets.speedups import apply_mask

from goim.gateway.cork import Cork
from goim.gateway.transport import EXTENSION, Receive
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, text_frame

_TEXT = 0x81
_DATA = (_TEXT, 0x82)  # whole text and binary messages
_CLOSE_SECONDS = 5.0
QUIET = "goim.websocket"
"""The logger of the protocol."""
_quiet = logging.getLogger(QUIET)
_quiet.setLevel(logging.WARNING)  # uvicorn tells every accept, with the URL: 100 µs each and nobody's business


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with a direct connection object (itself) in `scope["extensions"]`."""

    _receive: Receive | None = None
    _out: list[bytes] | None = None
    _partial = b""
    _close_when_open: CloseCode | None = None
    _is_fast = False
    _spoke_early = False
    _in_fragments = False
    is_open = False  # from the 101 to the first sign of an end

    def __init__(self, *args: Any, cork: Cork, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.conn.logger = _quiet
        self._cork = cork

    # what a connection asks of its transport

    def start(self, receive: Receive) -> None:
        """Hand every message to `receive` from now on."""
        self._receive = receive

    def send_frame(self, frame: Frame) -> None:
        """Queue a frame; what is queued in one loop iteration leaves in one write."""
        out = self._out
        if out is None:
            self._out = [frame.ws]
            self._cork.add(self)
        else:
            out.append(frame.ws)

    def close(self, code: CloseCode) -> None:
        """Say what is queued, then why it ends; whoever does not answer in 5 s is cut off."""
        if not self.handshake_complete:
            self._close_when_open = self._close_when_open or code  # replaced or kicked before the 101
        if not self.is_open:
            return
        self._write_queued()
        self.is_open = False
        self._cork.closes[int(code)] += 1
        self.stop_keepalive()
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": ""})
        self.close_timer = self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    @property
    def queued_bytes(self) -> int:
        """What waits in the process for this reader."""
        return int(self.transport.get_write_buffer_size())

    def flush(self) -> None:
        """Write what is queued; a reader that leaves too much lying is closed."""
        if not self.handshake_complete:
            return  # what was sent to a connection before its 101 leaves right after it
        if self.is_open and self.transport.get_write_buffer_size() > self._cork.queue_bytes:
            return self.close(CloseCode.SLOW_CONSUMER)
        self._write_queued()

    def _write_queued(self) -> None:
        out, self._out = self._out, None
        if out and self.is_open and not self.transport.is_closing():
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    # the parent's hooks

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self

    def handle_close(self, event: WsFrame) -> None:
        self.is_open = False
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        self.is_open = False
        super().handle_parser_exception()
        self._count_failure()

    def keepalive_timeout(self) -> None:
        was_over = self.close_sent
        self.is_open = False
        super().keepalive_timeout()
        if not was_over:
            self._count_failure()

    def _count_failure(self) -> None:
        """The parent has ended the connection with a code of its own."""
        if self.conn.close_sent is not None:
            self._cork.closes[self.conn.close_sent.code] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._receive = None
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self.is_open = False
        super().shutdown()

    def send_receive_event_to_app(self) -> None:
        """A message that came in fragments is whole."""
        self._in_fragments = False
        if self._receive is None or self.close_sent:
            return super().send_receive_event_to_app()
        data, self.frames = b"".join(self.frames), []
        self._receive(data, is_text=self.curr_msg_data_type == "text")

    async def send(self, message: ASGISendEvent) -> None:
        """An event from the ASGI application."""
        if message["type"] == "websocket.send" and self.is_open:
            if self.disconnected:
                raise ClientDisconnected
            return self.transport.write(text_frame((message.get("text") or "").encode()))
        if message["type"] == "websocket.close":
            self.is_open = False
        await super().send(message)
        if message["type"] == "websocket.accept":
            self.is_open = self.handshake_complete and not self.close_sent
            if self._close_when_open is not None:
                return self.close(self._close_when_open)
            if self._out is not None:
                self._cork.add(self)

    # incoming

    def data_received(self, data: bytes) -> None:
        if not self._is_fast:
            if not self.handshake_complete or self._spoke_early:
                # A client that talks before our 101 stays on the parent's parser for good: it may hold half a frame.
                self._spoke_early = self._spoke_early or self.handshake_initiated
                return super().data_received(data)
            self._is_fast = True
        if self._partial:
            data = self._partial + data
            self._partial = b""
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Take whole frames off the front of `data` and keep the rest."""
        at, size = 0, len(data)
        while size - at >= 2:
            second, start = data[at + 1], at + 2
            length = second & 127
            if second < 128:
                return self._give_to_parent(data[at:])  # not masked: the parent answers 1002
            if length == 126:
                if size < start + 2:
                    break
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif length == 127:
                if size < start + 8:
                    break
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if length > self.config.ws_max_size:
                return self._give_to_parent(data[at:])  # the parent answers 1009
            end = start + 4 + length
            if end > size:
                break
            self._take(data, at, start, end)
            if self.transport.is_closing():
                return
            at = end
        self._partial = data[at:] if at else data

    def _take(self, data: bytes, at: int, start: int, end: int) -> None:
        """One whole frame: header at `at`, mask at `start`, payload up to `end`."""
        first = data[at]
        receive = self._receive
        if first in _DATA and receive is not None and not (self._in_fragments or self.close_sent):
            receive(apply_mask(data[start + 4 : end], data[start : start + 4]), is_text=first == _TEXT)
        else:
            if not first & 8:
                self._in_fragments = not first & 0x80
            self._give_to_parent(data[at:end])

    def _give_to_parent(self, data: bytes) -> None:
        """Something uvicorn answers, perhaps with a close: what is queued goes out before it."""
        self.flush()
        super().data_received(data)


class DirectProtocolFactory:
    """What uvicorn calls for each upgraded connection: all connections of a server share one cork."""

    def __init__(self, queue_bytes: int, closes: Counter[int]) -> None:
        self._cork = Cork(queue_bytes, closes)

    def __call__(self, *args: Any, **kwargs: Any) -> asyncio.Protocol:
        return DirectProtocol(*args, cork=self._cork, **kwargs)
