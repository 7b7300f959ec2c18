"""The only place that knows what time it is; tests bring their own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

LATEST_MS = 1 << 53
"""The last time that anybody may name, in unix milliseconds: what a JSON number holds exactly."""
SKEW_MS = 5000
"""So far the clocks of nodes may differ, and so long after a message lists may be written: who looks for what was
stored since a time looks a little further back."""


class Clock(Protocol):
    """Time as the server sees it."""

    def now_ms(self) -> int:
        """Wall-clock time in unix milliseconds: what goes onto the wire."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards: for intervals and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`; other work goes on."""
        ...


class SystemClock:
    """The machine's own clock."""

    monotonic = staticmethod(time.monotonic)  # asked for every message: no frame of Python's between

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
