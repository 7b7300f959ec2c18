"""What a message of each type must carry: the server checks it and passes it on byte for byte."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from goim.errors import ErrorCode, GoimError, invalid

MAX_PAYLOAD_BYTES = 64 * 1024

Url = Annotated[str, Meta(min_length=1, max_length=2048)]
Seconds = Annotated[float, Meta(ge=0)]
Pixels = Annotated[int, Meta(ge=0)]
Bytes = Annotated[int, Meta(ge=0)]


class Text(Struct):
    text: str


class Image(Struct):
    url: Url
    width: Pixels | None = None
    height: Pixels | None = None
    thumbnail: str | None = None


class Voice(Struct):
    url: Url
    duration: Seconds


class Video(Struct):
    url: Url
    duration: Seconds
    thumbnail: str | None = None


class File(Struct):
    url: Url
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    size: Bytes


class Card(Struct, rename="camel"):
    user_id: Annotated[str, Meta(min_length=1, max_length=64)]
    nickname: str | None = None
    avatar: str | None = None


class Location(Struct):
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    address: str | None = None


class Custom(Struct):
    """Any JSON object."""


PAYLOADS: dict[str, type[Struct]] = {
    "text": Text,
    "image": Image,
    "voice": Voice,
    "video": Video,
    "file": File,
    "card": Card,
    "location": Location,
    "custom": Custom,
    "stream": Text,
}
_DECODERS = {kind: msgspec.json.Decoder(struct).decode for kind, struct in PAYLOADS.items()}


def checked_payload(kind: str, payload: Raw) -> str:
    """The payload as JSON text, exactly as the client wrote it; `INVALID` or `TOO_LARGE` if it is not what `kind`
    needs."""
    decode = _DECODERS.get(kind)
    if decode is None:
        raise invalid(f"type must be one of {', '.join(PAYLOADS)}")
    if memoryview(payload).nbytes > MAX_PAYLOAD_BYTES:
        raise GoimError(ErrorCode.TOO_LARGE, f"a payload has at most {MAX_PAYLOAD_BYTES} bytes")
    try:
        decode(payload)
        return str(payload, "utf-8")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid(f"payload of a {kind} message: {error}") from None
