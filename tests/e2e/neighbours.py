"""The ways between the nodes of a village: none, a bus that takes its time, a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from goim.app.joining import Shared, over_redis
from goim.bus.base import Bus
from goim.bus.memory import MemoryBus, MemoryHub
from goim.clock import Clock
from goim.config import Settings
from goim.metrics import Metrics
from tests.e2e.slow import Pace


@dataclass
class Way:
    """What joins one node to the others."""

    bus: Bus
    shared: Shared | None = None
    metrics: Metrics = field(default_factory=Metrics)
    running: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext


Ways = Callable[[Settings, Clock, Pace], list[Way]]
"""Makes them for all nodes of a village, whenever those start."""


def alone(settings: Settings, clock: Clock, pace: Pace) -> list[Way]:
    """One node."""
    del settings, clock, pace
    return [Way(MemoryBus())]


def two_at_a_slow_bus(settings: Settings, clock: Clock, pace: Pace) -> list[Way]:
    """What one tells the other takes some turns of the loop, and stays in order."""
    del settings, clock
    hub = MemoryHub()
    return [Way(SlowBus(hub, pace)) for _ in range(2)]


def two_over_redis(settings: Settings, clock: Clock, pace: Pace) -> list[Way]:
    """Everything that nodes share is in the Redis of the settings."""
    del pace
    ways = []
    for _ in range(2):
        metrics = Metrics()
        redis = over_redis(settings, metrics, clock)
        assert redis is not None
        ways.append(Way(redis.bus, redis.shared, metrics, redis.running))
    return ways


class SlowBus(MemoryBus):
    """A bus on which every message waits for the one before it, and then for some turns of the loop."""

    def __init__(self, hub: MemoryHub, pace: Pace) -> None:
        super().__init__(hub)
        self._pace = pace
        self._queue: deque[tuple[str, bytes]] = deque()
        self._is_empty = asyncio.Event()

    def publish(self, topic: str, body: bytes) -> None:
        self._queue.append((topic, body))
        self._is_empty.clear()
        if len(self._queue) == 1:
            self._carry_on()

    def _carry_on(self) -> None:
        dice = self._pace.dice
        asyncio.get_running_loop().call_soon(self._carry, dice.choice((0, 0, 1, 3, 10)) if dice else 0)

    def _carry(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._carry, turns - 1)
            return
        try:
            super().publish(*self._queue[0])
        finally:
            self._queue.popleft()
            if self._queue:
                self._carry_on()
            else:
                self._is_empty.set()

    async def settled(self) -> None:
        if self._queue:
            await self._is_empty.wait()
