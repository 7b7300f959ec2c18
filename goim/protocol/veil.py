"""What a push tells those who may not see the message that it is about."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from goim.model.messages import wordless_data
from goim.protocol.frames import Frame, body_of, framed

_SAYING = ("message", "stream_chunk")


class _Envelope(Struct):
    action: str
    data: Raw


_decode = msgspec.json.Decoder(_Envelope).decode
_encode = msgspec.json.Encoder().encode


def veiled(frame: Frame) -> Frame | None:
    """A change keeps its number and says nothing of the message, as in a `sync`; what says only that is not told."""
    envelope = _decode(body_of(frame))
    if envelope.action in _SAYING:
        return None
    return framed(_encode(_Envelope(envelope.action, wordless_data(envelope.action, envelope.data))))
