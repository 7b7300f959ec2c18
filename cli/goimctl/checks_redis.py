"""What `goimctl doctor` looks at in Redis: by redis-py, a second opinion, for the server has a client of its own."""

from __future__ import annotations

from time import perf_counter

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from goim.app.redis import redis_of
from goim.config import Settings
from goim.resp.link import DIAL_SECONDS, RedisDown, Server
from goimctl.findings import Finding, State

_OLDEST = (6, 2)
_OLDEST_CLUSTER = (7, 0)
_ENOUGH_BYTES = 32 << 20
_SLOW_MS = 20.0
_PINGS = 5
"""The quickest says how far it is; each alone, how busy this machine is, too."""


async def redis(settings: Settings) -> list[Finding]:
    """Each master: reachable, version, latency, how much it keeps for a node that is slow to read."""
    places, _ = redis_of(settings)
    try:
        layout = await places.find()
        return [
            each for master in layout.masters for each in await _master(settings, master, is_cluster=layout.is_cluster)
        ]
    except RedisDown as error:
        way_out = "see that Redis runs and that redis.addr (IM_REDIS_ADDR), redis.password and redis.tls are right"
        return [Finding(name="redis", found=str(error), state=State.WRONG, way_out=way_out)]


async def _master(settings: Settings, master: Server, *, is_cluster: bool) -> list[Finding]:
    try:
        async with _client(settings, master) as client:
            return [await _version(client, is_cluster=is_cluster), *await _buffers(client)]
    except (RedisError, OSError) as error:
        raise RedisDown(f"Redis at {master}: {error}") from error


def _client(settings: Settings, master: Server) -> Redis:
    redis = settings.redis
    return Redis(
        host=master.host,
        port=master.port,
        db=redis.db,
        username=redis.username or None,
        password=redis.password.get_secret_value() or None,
        ssl=redis.tls,
        ssl_ca_certs=redis.tls_ca or None,
        socket_connect_timeout=DIAL_SECONDS,
        socket_timeout=DIAL_SECONDS,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


async def _version(client: Redis, *, is_cluster: bool) -> Finding:
    version = str((await client.info("server"))["redis_version"])
    latency = min([await _ping_ms(client) for _ in range(_PINGS)])
    needed = _OLDEST_CLUSTER if is_cluster else _OLDEST
    found = f"Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < needed:
        way_out = f"goim needs Redis {needed[0]}.{needed[1]} or newer" + (" for a Cluster" if is_cluster else "")
        return Finding(name="redis", found=found, state=State.WRONG, latency_ms=latency, way_out=way_out)
    if latency > _SLOW_MS:
        way_out = "everything that people on different nodes say takes this way: have it nearer"
        return Finding(name="redis", found=found, state=State.NOTE, latency_ms=latency, way_out=way_out)
    return Finding(name="redis", found=found, latency_ms=latency)


async def _ping_ms(client: Redis) -> float:
    started = perf_counter()
    await client.ping()
    return round((perf_counter() - started) * 1000, 1)


async def _buffers(client: Redis) -> list[Finding]:
    """Redis ends the connection of a node that reads more slowly than others write; it catches up from the log."""
    try:
        limits = await client.config_get("client-output-buffer-limit")
    except ResponseError:
        return []  # one that is looked after by somebody else does not say
    words = str(limits["client-output-buffer-limit"]).split()
    hard, soft, seconds = words[words.index("pubsub") + 1 : words.index("pubsub") + 4]
    found = f"a slow node is cut off at {_mib(hard)}, or at {_mib(soft)} for {seconds} s"
    if 0 < int(hard) < _ENOUGH_BYTES:
        way_out = "redis-cli config set client-output-buffer-limit 'pubsub 64mb 32mb 60'"
        return [Finding(name="redis buffers", found=found, state=State.NOTE, way_out=way_out)]
    return [Finding(name="redis buffers", found=found)]


def _mib(size: str) -> str:
    return f"{int(size) / (1 << 20):g} MiB" if int(size) else "no size"
