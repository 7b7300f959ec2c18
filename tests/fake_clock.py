"""Time that passes only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools

START_MS = 1_766_000_000_000


class FakeClock:
    """A `Clock`: `advance` moves it and wakes whoever has slept long enough, in the order of their deadlines."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._start_ms = now_ms
        self._passed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._fell_asleep = asyncio.Event()

    def now_ms(self) -> int:
        return self._start_ms + round(self._passed * 1000)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Sleep until the test has advanced that far."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + max(seconds, 0.0), next(self._numbers), woken))
        self._fell_asleep.set()
        await woken

    def advance(self, seconds: float) -> None:
        """Let time pass. Who wakes up runs when the test awaits something next."""
        self._passed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._passed:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():  # its sleeper may have been cancelled
                woken.set_result(None)

    @property
    def sleepers(self) -> int:
        """How many tasks sleep now."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def until_asleep(self, tasks: int = 1) -> None:
        """Wait until so many tasks sleep: what they had to do before is done."""
        async with asyncio.timeout(20):
            while self.sleepers < tasks:
                self._fell_asleep.clear()
                await self._fell_asleep.wait()
