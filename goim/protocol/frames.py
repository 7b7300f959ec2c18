"""One encoded envelope, ready for any number of connections: encoded once, framed once."""

from __future__ import annotations

import msgspec

encode_json = msgspec.json.Encoder().encode
Frame = bytes
"""An envelope as a whole unmasked WebSocket text frame (RFC 6455 §5.2); whatever goes another way takes its body."""
_SHORT = 1024
_TWO_BYTES, _EIGHT_BYTES = 126, 127  # where the second byte says that the length follows in so many


def _head(size: int) -> bytes:
    """What comes before a body of so many bytes."""
    if size < _TWO_BYTES:
        return bytes((0x81, size))
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")


_HEADS = [_head(size) for size in range(_SHORT)]


def frame_of(envelope: msgspec.Struct) -> Frame:
    """Encode an envelope."""
    body = encode_json(envelope)  # the same as `framed` of it, without calling that for every message
    size = len(body)
    return (_HEADS[size] if size < _SHORT else _head(size)) + body


def framed(body: bytes) -> Frame:
    """An encoded envelope."""
    size = len(body)
    return (_HEADS[size] if size < _SHORT else _head(size)) + body


def body_of(frame: Frame) -> bytes:
    """The envelope itself."""
    return frame[2 if frame[1] < _TWO_BYTES else 4 if frame[1] < _EIGHT_BYTES else 10 :]


def line_of(frame: Frame) -> bytes:
    """The envelope as a line. Payloads are passed on as they came, and between its values JSON may have line ends."""
    return body_of(frame).replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"
