"""What a check of `goimctl doctor` comes to."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class State(StrEnum):
    """A note is nothing wrong, only good to know."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Finding(Struct, frozen=True, kw_only=True):
    """What a check found, and what to do about it."""

    name: str
    found: str
    state: State = State.OK
    latency_ms: float | None = None
    way_out: str | None = None
