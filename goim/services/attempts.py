"""Limits how often something may fail: guessing passwords, however many guesses are made at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from goim.errors import ErrorCode, GoimError
from goim.ratelimit.base import SharedLimiter


class Attempts:
    """Every attempt takes a token and gets it back unless it ends in `BAD_CREDENTIALS`.

    Those that find no token wait for the ones under way on this node: if these succeed, they may go on; if not, it is
    `RATE_LIMIT`.
    So a hundred right logins at once all pass, and of a hundred guesses at once only as many are tried as in a row.
    """

    def __init__(self, limiter: SharedLimiter) -> None:
        self._limiter = limiter
        self._under_way: dict[str, int] = {}
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def one(self, key: str) -> AsyncIterator[None]:
        """The attempt is the body of the block; `RATE_LIMIT` instead of it when too many failed lately."""
        await self._take(key)
        self._under_way[key] = self._under_way.get(key, 0) + 1
        has_failed = False
        try:
            yield
        except GoimError as error:
            has_failed = error.code is ErrorCode.BAD_CREDENTIALS
            raise
        finally:
            await self._end(key, has_failed=has_failed)

    async def _take(self, key: str) -> None:
        while wait_ms := await self._limiter.take(key):
            if key not in self._under_way:
                raise GoimError(ErrorCode.RATE_LIMIT, "too many failed attempts; wait", retry_after_ms=wait_ms)
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queues.setdefault(key, deque()).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._wake(key, 1)  # the turn may have been ours already: pass it on
                raise

    async def _end(self, key: str, *, has_failed: bool) -> None:
        try:
            if not has_failed:
                await self._limiter.give_back(key)
        finally:
            self._leave(key, has_failed=has_failed)

    def _leave(self, key: str, *, has_failed: bool) -> None:
        self._under_way[key] -= 1
        if self._under_way[key] == 0:
            del self._under_way[key]
            self._wake(key, len(self._queues.get(key, ())))
        elif not has_failed:
            self._wake(key, 1)

    def _wake(self, key: str, count: int) -> None:
        queue = self._queues.get(key)
        while queue and count > 0:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                count -= 1
        if not queue:
            self._queues.pop(key, None)
