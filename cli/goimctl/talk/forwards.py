"""Saying elsewhere what was said here."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from goim.client.answers import Message
from goim.errors import ErrorCode, GoimError
from goimctl.talk.session import Session
from goimctl.talk.words import t


async def forward(session: Session, message: Message, names: Sequence[str]) -> None:
    """Send what a message says to people and groups; nothing if one of them is not known."""
    kind, payload = _content(message)
    rooms = {room.other_id: room for room in [await session.find_room(name) for name in names]}
    for room in rooms.values():
        session.send(room, kind, payload)
    whereto = ", ".join(room.title for room in rooms.values())
    session.face.note(t("message {seq} goes to {names}", seq=message.seq, names=whereto))


def _content(message: Message) -> tuple[str, dict[str, object]]:
    """Its type and payload, a stream as a text; a file by its address. `INVALID` if it is to stay here."""
    payload = message.payload
    if payload is None or message.type == "call":
        raise GoimError(ErrorCode.INVALID, t("this cannot be forwarded"))
    if message.burn_after_read is True or message.expire_at is not UNSET:
        raise GoimError(ErrorCode.INVALID, t("this disappears, and a copy would not: it cannot be forwarded"))
    if message.stream_status == "streaming":
        raise GoimError(ErrorCode.INVALID, t("this is still being written: forward it when it is complete"))
    return ("text", {"text": payload.get("text", "")}) if message.type == "stream" else (message.type, payload)
