"""Where nodes publish what is for a user or a group, and how an envelope says that it is for one device only."""

from __future__ import annotations

USER = "im:u:"
GROUP = "im:g:"
ENVELOPE = b"{"
ADDRESSED = b"\0"  # and what has its place in a conversation is an array of msgpack


def user_topic(user_id: str) -> str:
    return f"{USER}{user_id}"


def group_topic(group_id: str) -> str:
    return f"{GROUP}{group_id}"


def addressed(device_id: str, body: bytes) -> bytes:
    """An envelope on a user's topic that is for one device only."""
    name = device_id.encode()
    return ADDRESSED + len(name).to_bytes(2, "big") + name + body


def address_of(body: bytes) -> tuple[str, bytes]:
    """The device, and the envelope."""
    end = 3 + int.from_bytes(body[1:3], "big")
    return body[3:end].decode(), body[end:]
