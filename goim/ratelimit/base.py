"""The rate limiters: a token bucket for each key, kept by a node for itself or by all of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol


class RateLimiter(Protocol):
    """Buckets that all have the same rate and burst, on this node."""

    def take(self, key: Hashable) -> int:
        """Take a token: 0 if there was one, else the milliseconds until there will be. A refused take costs nothing."""
        ...

    def give_back(self, key: Hashable) -> None:
        """Return a token taken before: what it was for did not count."""
        ...


class SharedLimiter(Protocol):
    """Buckets that all have the same rate and burst, each the same one for every node.

    For what is rare, as logins are: a take may ask another server. It fails never: where that server is away, a node
    limits by itself what comes to it.
    """

    async def take(self, key: str) -> int:
        """Take a token: 0 if there was one, else the milliseconds until there will be. A refused take costs nothing.

        Of those who take at once, on whatever node, only as many get a token as there are.
        """
        ...

    async def give_back(self, key: str) -> None:
        """Return a token taken before: what it was for did not count. A bucket never holds more than its burst."""
        ...
