"""Lets each connection say all it has to say in one loop iteration with one write."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol


class Talker(Protocol):
    """A transport with frames queued."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def flush(self) -> None:
        """Write what is queued."""
        ...


class Cork:
    """Collects the talkers of this loop iteration and pulls at its end.

    What they share is here, too: `queue_bytes` is what a reader may leave lying, `closes` counts how they were ended.
    """

    def __init__(self, queue_bytes: int, closes: Counter[int]) -> None:
        self.queue_bytes = queue_bytes
        self.closes = closes
        self._talkers: list[Talker] = []

    def add(self, talker: Talker) -> None:
        """Have `talker` flushed at the end of this iteration."""
        if not self._talkers:
            talker.loop.call_soon(self._pull)
        self._talkers.append(talker)

    def _pull(self) -> None:
        talkers, self._talkers = self._talkers, []
        for talker in talkers:
            talker.flush()
