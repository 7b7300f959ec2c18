"""The rate limiter: a token bucket for each key."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol


class RateLimiter(Protocol):
    """Buckets that all have the same rate and burst."""

    def take(self, key: Hashable) -> int:
        """Take a token: 0 if there was one, else the milliseconds until there will be. A refused take costs nothing."""
        ...

    def give_back(self, key: Hashable) -> None:
        """Return a token taken before: what it was for did not count."""
        ...
