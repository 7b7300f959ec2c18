"""Makes the limits on how often somebody may do something: by this node alone, or by all that share a Redis."""

from __future__ import annotations

from collections.abc import Callable

from goim.clock import Clock
from goim.config import Settings
from goim.metrics import Metrics
from goim.ratelimit.base import SharedLimiter
from goim.ratelimit.memory import MemoryRateLimiter, MemorySharedLimiter
from goim.ratelimit.redis import RedisLimiter
from goim.resp.client import RedisClient

PerMinute = Callable[[str, int], SharedLimiter]
"""A limiter by its name, and how often in a minute: all at once, if it has not been for a minute."""


def limits_here(clock: Clock) -> PerMinute:
    """Those of a node that shares nothing."""
    return lambda _, times: MemorySharedLimiter(clock, per_second=times / 60, burst=times)


def limits_in_redis(client: RedisClient, clock: Clock, metrics: Metrics) -> PerMinute:
    """Those of all nodes at one Redis."""
    return lambda name, times: RedisLimiter(client, name, clock, metrics, per_second=times / 60, burst=times)


def sends_of(settings: Settings, clock: Clock) -> MemoryRateLimiter:
    """How fast a device may send, or change what was sent: counted where it is connected."""
    return MemoryRateLimiter(clock, per_second=settings.ws.send_qps, burst=settings.ws.send_burst)
