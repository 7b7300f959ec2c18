"""Token buckets in Redis, one for all nodes: each step is one script, by the clock of Redis.

A bucket is known by when it will be full again, and is kept until then and no longer: one that is missing is full.
"""

from __future__ import annotations

from hashlib import blake2b

import structlog

from goim.clock import Clock
from goim.metrics import Metrics
from goim.ratelimit.memory import MemoryRateLimiter
from goim.resp.client import RedisClient
from goim.resp.link import RedisDown

RETRY_SECONDS = 3.0
"""So long a node limits by itself before it asks a Redis that was away again."""

# Times are in microseconds. ARGV: the time that one token takes, and that in which an empty bucket is full.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + ARGV[1]
local wait = full_at - now - ARGV[2]
if wait > 1 then return math.ceil(wait / 1000) end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
return 0
"""
GIVE_BACK = """
local time = redis.call('TIME')
local left = tonumber(redis.call('GET', KEYS[1]) or 0) - ARGV[1] - time[1] * 1000000 - time[2]
if left <= 0 then return redis.call('DEL', KEYS[1]) end
local full_at = left + time[1] * 1000000 + time[2]
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil(left / 1000) + 1)
return 1
"""
_log = structlog.get_logger(__name__)


class RedisLimiter:
    """`SharedLimiter` for several nodes.

    What this node lets through is written down here, too: while Redis is away, that decides, and nobody finds a full
    bucket because of it.
    """

    def __init__(
        self, client: RedisClient, name: str, clock: Clock, metrics: Metrics, *, per_second: float, burst: int
    ) -> None:
        self._client = client
        self._prefix = f"im:rl:{name}:"
        self._clock = clock
        self._metrics = metrics
        self._here = MemoryRateLimiter(clock, per_second=per_second, burst=burst)
        self._token = f"{1e6 / per_second:.3f}"
        self._whole = f"{burst * 1e6 / per_second:.3f}"
        self._is_away = False
        self._ask_again_at = 0.0

    async def take(self, key: str) -> int:
        wait_ms = await self._ask(TAKE, key, self._token, self._whole)
        if wait_ms is None:
            self._metrics.limited_alone += 1
            return self._here.take(key)
        if not wait_ms:
            self._here.take(key)  # for when Redis is away
        return wait_ms

    async def give_back(self, key: str) -> None:
        self._here.give_back(key)
        await self._ask(GIVE_BACK, key, self._token)

    async def _ask(self, script: str, key: str, *times: str) -> int | None:
        """What Redis says; None while it is away: then one tries again now and then, and nobody else waits for it."""
        if self._is_away:
            now = self._clock.monotonic()
            if now < self._ask_again_at:
                return None
            self._ask_again_at = now + RETRY_SECONDS
        try:
            answer = int(await self._client.ask("EVAL", script, 1, self._key(key), *times))
        except RedisDown as error:
            self._ask_again_at = self._clock.monotonic() + RETRY_SECONDS
            if not self._is_away:
                self._is_away = True
                _log.warning("limits_alone", limits=self._prefix, error=str(error))
            return None
        if self._is_away:
            self._is_away = False
            _log.info("limits_shared", limits=self._prefix)
        return answer

    def _key(self, key: str) -> str:
        """Not the name itself: people type passwords into the wrong field."""
        return self._prefix + blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
