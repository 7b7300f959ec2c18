"""Work in batches, one at a time: what arrives while a batch runs makes up the next.

No timer, nobody waits for company.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Generic, TypeVar

import structlog

from goim.tasks import beside

_log = structlog.get_logger(__name__)
T = TypeVar("T")


def parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same in order, at most `size` at once."""
    every = list(items)
    for start in range(0, len(every), size):
        yield every[start : start + size]


class Batcher(Generic[T]):
    """Hands what was `put` to `work`, in order, at most `limit` at once.

    `work` answers its items itself, whatever happens.
    """

    def __init__(self, work: Callable[[list[T]], Awaitable[None]], *, limit: int = 512) -> None:
        self._work = work
        self._limit = limit
        self.items: deque[T] = deque()
        """What waits for the batch now running."""
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, item: T) -> None:
        """Queue an item: it is part of the next batch."""
        if not self.items:  # the first of a batch; perhaps nothing runs
            self._idle.clear()
            self._wake.set()
        self.items.append(item)

    async def drain(self) -> None:
        """Return when nothing waits and nothing runs."""
        await self._idle.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the context is open; what is queued at its end is still done."""
        async with beside(self._run()):
            yield
            await self.drain()

    async def _run(self) -> None:
        items = self.items
        while True:
            await self._wake.wait()
            self._wake.clear()
            while items:
                batch = [items.popleft() for _ in range(min(self._limit, len(items)))]
                try:
                    await self._work(batch)
                except Exception:  # noqa: BLE001 one broken batch must not end all later ones
                    _log.exception("batch_failed", items=len(batch))
            self._idle.set()
