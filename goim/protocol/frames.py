"""One encoded envelope, ready for any number of connections: encoded once, framed once per transport."""

from __future__ import annotations

import msgspec

encode_json = msgspec.json.Encoder().encode


_SHORT = 1024


class Frame(msgspec.Struct, frozen=True, gc=False):
    """The bytes of one envelope; `ws` is the same as a whole unmasked WebSocket text frame (RFC 6455 §5.2)."""

    body: bytes
    ws: bytes

    @property
    def line(self) -> bytes:
        """The same as a line. Payloads are passed on as they came, and between its values JSON may have line ends."""
        return self.body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"


def frame_of(envelope: msgspec.Struct) -> Frame:
    """Encode an envelope."""
    body = encode_json(envelope)  # the same as `framed` of it, without calling that for every message
    size = len(body)
    return Frame(body, _HEADS[size] + body if size < _SHORT else text_frame(body))


def framed(body: bytes) -> Frame:
    """An encoded envelope."""
    size = len(body)
    return Frame(body, _HEADS[size] + body if size < _SHORT else text_frame(body))


def text_frame(body: bytes) -> bytes:
    """A complete, unmasked text frame."""
    size = len(body)
    if size < 126:
        return bytes((0x81, size)) + body
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + body
    return b"\x81\x7f" + size.to_bytes(8, "big") + body


_HEADS = [text_frame(bytes(size)).removesuffix(bytes(size)) for size in range(_SHORT)]
"""What comes before a short body."""
