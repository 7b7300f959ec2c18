"""Makes what joins a node to others: what they share, and what makes up for a bus that lost something."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from goim.app.limits import PerMinute, limits_here, limits_in_redis, sends_of
from goim.app.redis import redis_of
from goim.app.storage import Stores
from goim.bus.base import Bus
from goim.bus.redis import RedisBus
from goim.clock import Clock
from goim.config import Settings
from goim.delivery import Sink
from goim.elsewhere.base import Elsewhere, Nobody
from goim.elsewhere.redis import DEAD_MS, RedisElsewhere
from goim.livecalls.base import LiveCalls
from goim.livecalls.memory import MemoryLiveCalls
from goim.livecalls.redis import RedisLiveCalls
from goim.metrics import Metrics
from goim.notices import Interrupted, Notices
from goim.ratelimit.memory import MemoryRateLimiter
from goim.ratelimit.redis_handover import RedisHandover
from goim.resp.client import RedisClient
from goim.services.catch_up import CatchUp
from goim.services.devices import connected
from goim.services.registry import Services
from goim.stores.log import Log


@dataclass(frozen=True, slots=True)
class Shared:
    """What nodes know in common."""

    calls: LiveCalls
    elsewhere: Elsewhere
    per_minute: PerMinute
    sends: MemoryRateLimiter
    handover: RedisHandover | None = None


def alone(settings: Settings, clock: Clock) -> Shared:
    """A node that shares nothing."""
    return Shared(MemoryLiveCalls(), Nobody(), limits_here(clock), sends_of(settings, clock))


class OverRedis:
    """A node's ways to the others that use the same Redis."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        places, login = redis_of(settings)
        self.bus = RedisBus(places, login, metrics, clock)
        self._client = RedisClient(places, login, clock)
        self._elsewhere = RedisElsewhere(self._client, clock)
        limits = limits_in_redis(self._client, clock, metrics)
        sends = sends_of(settings, clock)
        self._handover = RedisHandover(self._client, clock, sends)
        self.shared = Shared(RedisLiveCalls(self._client), self._elsewhere, limits, sends, self._handover)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be joined to the others while the context is open."""
        async with self._client.open(), self._handover.running(), self._elsewhere.running(), self.bus.running():
            yield


def over_redis(settings: Settings, metrics: Metrics, clock: Clock) -> OverRedis | None:
    """Nothing where no Redis is configured."""
    return OverRedis(settings, metrics, clock) if settings.redis.is_set else None


def meet(shared: Shared, services: Services, notices: Notices, clock: Clock) -> None:
    """What becomes of people who were connected to a node that died: what it did not tell is looked for as well. Who
    comes from another node owes what they sent there."""

    def lost(devices: list[tuple[str, str]]) -> None:
        services.presence.lost({user_id for user_id, _ in devices})
        services.calls.lost(devices)
        notices.emit(Interrupted(clock.now_ms() + notices.ahead_ms - 2 * DEAD_MS))

    def came_or_went(sink: Sink, is_connected: bool) -> None:  # noqa: FBT001 - the shape of a watcher
        if shared.handover is not None:
            note = shared.handover.came if is_connected else shared.handover.went
            note((sink.user_id, sink.device_id))

    services.delivery.watchers.append(came_or_went)
    shared.elsewhere.watch(lambda: map(connected, services.delivery.everybody()), lost, services.presence.again)


def catch_up_of(services: Services, stores: Stores, bus: Bus, log: Log, notices: Notices) -> CatchUp:
    """What finds in the log what the bus did not bring."""
    return CatchUp(
        services.delivery,
        notices,
        bus,
        log,
        stores.messages,
        stores.changes,
        stores.conversations,
        services.access,
        services.messages.in_flight,
        services.changes,
        services.streams,
        services.sessions,
        services.metrics,
        services.clock,
    )
