"""As much of Matrix's client protocol as a client of a load test speaks: HTTP answers, and what `/sync` brings."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from msgspec import Struct

_END = b"\r\n\r\n"
_FILTER = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "ephemeral": {"types": []},
        "account_data": {"types": []},
        "state": {"lazy_load_members": True},
        "timeline": {"limit": 1000, "types": ["m.room.message"]},
    },
}
_FILTERED = quote(msgspec.json.encode(_FILTER).decode())


class Content(Struct, frozen=True, gc=False):
    """`number` is ours: an event does not tell other people the id that its sender gave it."""

    body: str = ""
    number: str = ""


class Event(Struct, frozen=True, gc=False):
    """A message, or something else with nothing in it for us."""

    content: Content = Content()


class Timeline(Struct, frozen=True, gc=False):
    """What is new in a room. If `limited`, there was more than was asked for."""

    events: list[Event] = []
    limited: bool = False


class Room(Struct, frozen=True, gc=False):
    """A room that one is in."""

    timeline: Timeline = Timeline()


class Rooms(Struct, frozen=True, gc=False):
    """The rooms in which something is new."""

    join: dict[str, Room] = {}


class Sync(Struct, frozen=True, gc=False):
    """An answer to `/sync`."""

    next_batch: str
    rooms: Rooms = Rooms()


read_sync = msgspec.json.Decoder(Sync).decode


def sync(since: str, seconds: float) -> str:
    """The path that waits for what is new, so long at most."""
    tail = f"&since={quote(since)}" if since else ""
    return f"/_matrix/client/v3/sync?timeout={seconds * 1000:.0f}&filter={_FILTERED}{tail}"


def request(method: str, path: str, authority: str, token: str, body: bytes = b"") -> bytes:
    """An HTTP request of one who is logged in."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n"
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{head}{kind}\r\n".encode() + body


def answer(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Status and body of the first answer, and what follows it; None if it is not whole yet."""
    head, end, rest = data.partition(_END)
    if not end:
        return None
    status, lowered = int(head[9:12]), head.lower()
    if b"\r\ntransfer-encoding: chunked" in lowered:
        return _chunked(status, rest)
    size = int(lowered.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
    return (status, rest[:size], rest[size:]) if len(rest) >= size else None


def _chunked(status: int, data: bytes) -> tuple[int, bytes, bytes] | None:
    pieces: list[bytes] = []
    while True:
        line, end, data = data.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16) if end else 0
        if not end or len(data) < size + 2:
            return None
        if not size:
            return status, b"".join(pieces), data[2:]
        pieces.append(data[:size])
        data = data[size + 2 :]
