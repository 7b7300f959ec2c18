"""Token buckets in this process."""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil

from goim.clock import Clock

_FORGET_FROM = 10_000


class MemoryRateLimiter:
    """A bucket starts full, holds `burst` tokens and gains `per_second` each second; a full one is forgotten."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._clock = clock
        self._token = 1.0 / per_second  # a bucket that lacks one is full so many seconds later
        self._slack = (burst - 1) / per_second  # and an empty one but for one token
        self._full_at: dict[Hashable, float] = {}
        self._most = _FORGET_FROM  # buckets, before the full ones are forgotten

    def take(self, key: Hashable) -> int:
        now = self._clock.monotonic()
        full_at = self._full_at.get(key)  # a bucket is known by when it will be full again
        if full_at is None or full_at < now:
            self._full_at[key] = now + self._token
            if len(self._full_at) > self._most:
                self._sweep(now)
            return 0
        wait = full_at - now - self._slack
        if wait > 1e-6:
            return max(1, ceil(wait * 1000 - 1e-3))
        self._full_at[key] = full_at + self._token
        return 0

    def give_back(self, key: Hashable) -> None:
        full_at = self._full_at.get(key)
        if full_at is not None:
            self._full_at[key] = full_at - self._token

    def lacks(self, key: Hashable) -> float:
        """The seconds until a bucket is full."""
        now = self._clock.monotonic()
        return max(self._full_at.get(key, now) - now, 0.0)

    def add(self, key: Hashable, known: float, full_at: float) -> None:
        """It comes out that a bucket believed to be full at `known` would have been so at `full_at`, if that is later:
        what was taken since then comes on top."""
        if full_at > known:
            self._full_at[key] = max(self._full_at.get(key, known), known) + full_at - known

    def _sweep(self, now: float) -> None:
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        self._most = max(_FORGET_FROM, 2 * len(self._full_at))


class MemorySharedLimiter:
    """`SharedLimiter` of a node that shares nothing."""

    def __init__(self, clock: Clock, *, per_second: float, burst: int) -> None:
        self._buckets = MemoryRateLimiter(clock, per_second=per_second, burst=burst)

    async def take(self, key: str) -> int:
        return self._buckets.take(key)

    async def give_back(self, key: str) -> None:
        self._buckets.give_back(key)
