"""The port of requests to other servers: one POST, bounded in every way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class Unreachable(Exception):
    """No answer: refused by us, by the network or too late. The message says why, without the URL."""


class Answer(Struct, frozen=True):
    """What a server answered; `retry_after` is in seconds, if it asked for that."""

    status: int
    body: bytes = b""
    retry_after: float | None = None

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


class Poster(Protocol):
    """Asks servers that others named."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, within: float) -> Answer:
        """One request, no redirect followed, at most `within` seconds and a bounded answer.

        Connects only to addresses that may be reached, and to the very one that was looked at. `Unreachable` if there
        is no answer.
        """
        ...
