"""Events as data: what endpoints are sent, signed as Standard Webhooks has it, and when to try again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Raw, Struct

EVENT_OF_PUSH = {
    "edited": "message.edited",
    "recalled": "message.recalled",
    "reaction": "message.reaction",
    "stream_end": "message.stream_ended",
    "group_created": "group.created",
    "group_updated": "group.updated",
    "group_disbanded": "group.disbanded",
    "member_joined": "group.member_joined",
    "member_left": "group.member_left",
    "member_updated": "group.member_updated",
}
"""What a push to clients is called as an event; their data is the same."""
FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 3600.0


class Event(Struct, frozen=True):
    """Something that happened, for other programs; `data` is JSON. The same event always has the same id."""

    event_id: str
    type: str
    at: int
    data: Raw


class _Body(Struct, frozen=True):
    """What an endpoint is sent."""

    id: str
    type: str
    timestamp: str
    data: Raw


def event_body(event: Event) -> _Body:
    """The body of a webhook: id, type, ISO timestamp and data."""
    moment = datetime.fromtimestamp(event.at / 1000, UTC).isoformat(timespec="milliseconds")
    return _Body(event.event_id, event.type, moment.replace("+00:00", "Z"), event.data)


def signed_headers(keys: Sequence[bytes], event_id: str, now_ms: int, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks; with several keys, whoever knows one of them can check."""
    timestamp = str(now_ms // 1000)
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def retry_seconds(attempts: int, chance: float, asked: float | None = None) -> float:
    """How long to wait after so many failed attempts: doubling up to an hour, spread by `chance` (0 to 1).

    A server that asked for more time gets it, up to that hour.
    """
    wait = min(FIRST_RETRY_SECONDS * float(1 << min(attempts - 1, 12)), LONGEST_RETRY_SECONDS)
    return max(wait * (0.75 + chance / 2), min(asked or 0.0, LONGEST_RETRY_SECONDS))
