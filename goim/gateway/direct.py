"""The fast way in and out of a WebSocket, and a small one: the connection itself reads whole messages, pings and pongs.

Everything else that may come (messages in fragments, closes, reserved bits, oversize, malformed) is given to the
websockets library, which is there only for as long as it is needed (`rare.py`). Outgoing frames of one loop iteration
leave in one `write`.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from websockets.speedups import apply_mask

from goim.gateway.cork import Cork
from goim.gateway.keepalive import Keepalive
from goim.gateway.rare import RareFrames
from goim.gateway.transport import Listener
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame

_TEXT, _BINARY = 0x81, 0x82  # whole messages
_CLOSE, _PING, _PONG = 0x88, 0x89, 0x8A
_LONGEST_CONTROL = 125
_MASKED = 128  # in the second byte, beside the length
_TWO_BYTES = _MASKED + 126  # a length in two bytes of its own; after this one in eight
_SHORTEST = 6  # two bytes and a mask
_head_of = struct.Struct(">BBH").unpack_from
_CLOSE_SECONDS = 5.0
_GIVEN_UP, _RESTART = 1011, 1012


class Sockets:
    """What all direct connections of a server share."""

    def __init__(self, cork: Cork, keepalive: Keepalive, max_frame_bytes: int, path: bytes) -> None:
        self.cork = cork
        self.keepalive = keepalive
        self.max_frame_bytes = max_frame_bytes
        self.path = path


class DirectProtocol(asyncio.Protocol):
    """A WebSocket from the upgrade on; it stands in uvicorn's `register` of what is to be shut down at the end.

    There may be very many: each byte here is one per connection.
    """

    __slots__ = (
        "_abort",
        "_close_when_open",
        "_is_waiting",
        "_listener",
        "_out",
        "_partial",
        "_rare",
        "_register",
        "_sockets",
        "asked",
        "is_open",
        "slot",
        "transport",
    )

    def __init__(self, sockets: Sockets, transport: asyncio.Transport, register: set[Any]) -> None:
        self.transport = transport
        self.is_open = False  # from the 101 to the first sign of an end
        self.slot, self.asked = -1, 0
        self._sockets = sockets
        self._register = register
        self._is_waiting = True  # for the 101
        self._listener: Listener | None = None
        self._out: list[bytes] | None = None
        self._partial = b""
        self._rare: RareFrames | None = None
        self._close_when_open: CloseCode | None = None
        self._abort: asyncio.TimerHandle | None = None
        register.add(self)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    # what a connection asks of its transport

    def start(self, listener: Listener) -> None:
        """Tell `listener` of every message from the 101 on, and of the end."""
        self._listener = listener

    def send_frame(self, frame: Frame) -> None:
        """Queue a frame; what is queued in one loop iteration leaves in one write."""
        out = self._out
        if out is None:
            self._out = [frame]
            self._sockets.cork.add(self)
        else:
            out.append(frame)

    def close(self, code: CloseCode) -> None:
        """Say what is queued, then why it ends; whoever does not answer in 5 s is cut off."""
        if self._is_waiting:
            self._close_when_open = self._close_when_open or code  # replaced or kicked before the 101
        elif self.is_open:
            self._say_close(code)

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    @property
    def queued_bytes(self) -> int:
        """What waits in the process for this reader."""
        return self.transport.get_write_buffer_size()

    def flush(self) -> None:
        """Write what is queued; a reader that leaves too much lying is closed."""
        if not self.is_open:
            return  # what was sent to a connection before its 101 leaves right after it
        transport = self.transport
        if transport.get_write_buffer_size() > self._sockets.cork.queue_bytes:
            return self.close(CloseCode.SLOW_CONSUMER)
        out, self._out = self._out, None
        if out and not transport.is_closing():
            transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _write_queued(self) -> None:
        out, self._out = self._out, None
        if out and self.is_open and not self.transport.is_closing():
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))

    # the beginning

    def opened(self, head: bytes) -> None:
        """The application accepts: from now on it is open."""
        assert self._listener is not None, "start() comes before the accept"
        self._is_waiting = False
        if self.transport.is_closing():
            return self._listener.ended()
        self.is_open = True
        self._out = [head, *(self._out or ())]
        self._write_queued()
        self._sockets.keepalive.add(self)
        if self._close_when_open is not None:
            return self.close(self._close_when_open)
        early, self._partial = self._partial, b""
        if early:
            self._parse(early)
            self.resume()

    def failed(self) -> None:
        self.give_up()

    def refused(self, response: bytes) -> None:
        self._is_waiting = False
        if not self.transport.is_closing():
            self.transport.write(response)
            self.transport.close()

    # the end

    def ping(self) -> None:
        self._write_control(_PING, b"")

    def give_up(self) -> None:
        """It has not answered a ping in time, or we cannot go on with it."""
        if self.is_open:
            self._say_close(_GIVEN_UP)
        self.transport.close()

    def shutdown(self) -> None:
        """uvicorn's last word."""
        if self.is_open:
            self._say_close(_RESTART)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 an end is an end
        self._end()
        self._register.discard(self)
        if self._abort is not None:
            self._abort.cancel()

    def _say_close(self, code: int) -> None:
        self._write_queued()
        self._sockets.cork.closes[int(code)] += 1
        self._write_control(_CLOSE, code.to_bytes(2, "big"))
        self._end()

    def _hang_up(self, *, is_answered: bool) -> None:
        """The last word is said. Who has not heard it yet may be talking still: a socket that closes on what it has not
        read is reset, and they would never read why it ended."""
        self._end()
        if is_answered or not self.transport.can_write_eof() or self.transport.is_closing():
            return self.transport.close()
        self.transport.set_protocol(Deaf(self))
        self.transport.write_eof()

    def _end(self) -> None:
        """The first sign of an end, whoever gave it: nobody is told of anything any more."""
        if self.is_open:
            self.is_open = False
            self._out, self._rare, self._partial = None, None, b""
            self._sockets.keepalive.drop(self)
            self._abort = self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)
            if self._listener is not None:
                self._listener.ended()
                self._listener = None

    # incoming

    def data_received(self, data: bytes) -> None:
        if self._partial:
            data = self._partial + data
            self._partial = b""
        if self._is_waiting:  # a client that talks before our 101 waits for it
            self._partial = data
            self.pause()
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Take whole frames off the front of `data` and keep the rest."""
        at, size, most = 0, len(data), self._sockets.max_frame_bytes
        while size - at >= _SHORTEST:
            first, second, length = _head_of(data, at)
            start = at + 4
            if second != _TWO_BYTES:
                start, length = _mask_and_length(data, at, second)
                if start < 0:
                    break
            if length > most:
                return self._give_to_library(data[at:])  # 1009
            body = start + 4
            end = body + length
            if end > size:
                break
            listener = self._listener
            if first == _TEXT and listener is not None and self._rare is None:
                listener.receive(apply_mask(data[body:end], data[start:body]), is_text=True)
            else:
                self._take(data[at:end], start - at)
            at = end
        if size - at >= 2 and data[at + 1] < _MASKED:
            return self._give_to_library(data[at:])  # 1002
        if not self.transport.is_closing():
            self._partial = data[at:]

    def _take(self, frame: bytes, start: int) -> None:
        """A whole frame that is not simply a text; its mask is at `start`."""
        first, listener, body = frame[0], self._listener, start + 4
        if listener is None:  # we have said that it is over, and wait for the other side to say so
            if first & 15 == _CLOSE & 15:
                self.transport.close()
        elif first == _BINARY and self._rare is None:
            listener.receive(apply_mask(frame[body:], frame[start:body]), is_text=False)
        elif first == _PONG and len(frame) - body <= _LONGEST_CONTROL:
            self.asked = 0
        elif first == _PING and len(frame) - body <= _LONGEST_CONTROL:
            self.flush()
            self._write_control(_PONG, apply_mask(frame[body:], frame[start:body]))
        else:
            self._give_to_library(frame)

    def _give_to_library(self, data: bytes) -> None:
        """A frame of a rarer kind, perhaps a close: what is queued goes out before the answer."""
        self.flush()
        if not self.is_open:
            return
        rare = self._rare or RareFrames(self._sockets.max_frame_bytes)
        outcome = rare.feed(data)
        if outcome.answer:
            self.transport.write(outcome.answer)
        if outcome.is_over:
            if outcome.failure is not None:
                self._sockets.cork.closes[outcome.failure] += 1
            return self._hang_up(is_answered=outcome.failure is None)
        self._rare = rare if rare.is_amid else None
        if outcome.message is not None and self._listener is not None:
            self._listener.receive(outcome.message, is_text=outcome.is_text)

    def _write_control(self, first: int, payload: bytes) -> None:
        if self.is_open and not self.transport.is_closing():
            self.transport.write(bytes((first, len(payload))) + payload)


def _mask_and_length(data: bytes, at: int, second: int) -> tuple[int, int]:
    """Where a frame's mask is and how long its body, where that is not said in two bytes; -1: not masked, or it is not
    all there."""
    if _MASKED <= second < _TWO_BYTES:
        return at + 2, second - _MASKED
    if second < _MASKED or len(data) < at + 10:
        return -1, 0
    return at + 10, int.from_bytes(data[at + 2 : at + 10], "big")


class Deaf(asyncio.Protocol):
    """Hears out a client that has been sent its last word, until it hangs up."""

    def __init__(self, protocol: DirectProtocol) -> None:
        self._protocol = protocol

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
