"""What RFC 6455 has besides whole messages, pings and pongs, judged and answered by the websockets library."""

from __future__ import annotations

import logging

from msgspec import Struct
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

_quiet = logging.getLogger("goim.websocket")
_quiet.setLevel(logging.WARNING)


class Outcome(Struct):
    """What came of a frame: bytes to write, a message that is whole now, or the end, with a code if it is we who end
    it."""

    answer: bytes
    message: bytes | None = None
    is_text: bool = False
    is_over: bool = False
    failure: int | None = None


class RareFrames:
    """A library's protocol for as long as a connection needs one: it weighs more than the connection itself.

    It is fed whole frames, or the beginning of what is none; `is_amid` a message in fragments it has to be kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._library = ServerProtocol(state=OPEN, max_size=max_bytes, logger=_quiet)
        self._parts: list[bytes] = []
        self._is_text = False
        self.is_amid = False

    def feed(self, data: bytes) -> Outcome:
        """Take a frame."""
        library = self._library
        library.receive_data(data)
        message = None
        for frame in library.events_received():
            if isinstance(frame, Frame) and frame.opcode is not Opcode.CLOSE:
                message = self._piece(frame)
        outcome = Outcome(b"".join(library.data_to_send()), message, self._is_text)
        if library.close_sent is not None:
            outcome.is_over = True
            outcome.failure = library.close_sent.code if library.parser_exc is not None else None
        return outcome

    def _piece(self, frame: Frame) -> bytes | None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        self.is_amid = not frame.fin
        if self.is_amid:
            return None
        whole, self._parts = b"".join(self._parts), []
        return whole
