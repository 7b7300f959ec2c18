"""What `goimctl doctor` looks at in Redis."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from goim.app.redis import redis_of
from goim.config import Settings
from goim.resp.link import Link, RedisDown, checked, dial
from goimctl.findings import Finding, State

_OLDEST = (6, 2)
_OLDEST_CLUSTER = (7, 0)
_ENOUGH_BYTES = 32 << 20
_SLOW_MS = 20.0


async def redis(settings: Settings) -> list[Finding]:
    """Each master: reachable, version, latency, how much it keeps for a node that is slow to read."""
    places, login = redis_of(settings)
    try:
        layout = await places.find()
        findings = []
        for master in layout.masters:
            link = await dial(master, login)
            try:
                findings += [await _version(link, is_cluster=layout.is_cluster), *await _buffers(link)]
            finally:
                await link.end()
    except RedisDown as error:
        way_out = "see that Redis runs and that redis.addr (IM_REDIS_ADDR), redis.password and redis.tls are right"
        return [Finding(name="redis", found=str(error), state=State.WRONG, way_out=way_out)]
    return findings


async def _version(link: Link, *, is_cluster: bool) -> Finding:
    text = checked(await link.ask("INFO", "server"))
    version = next(line for line in _text(text).splitlines() if line.startswith("redis_version:")).partition(":")[2]
    started = perf_counter()
    checked(await link.ask("PING"))
    latency = round((perf_counter() - started) * 1000, 1)
    needed = _OLDEST_CLUSTER if is_cluster else _OLDEST
    found = f"Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < needed:
        way_out = f"goim needs Redis {needed[0]}.{needed[1]} or newer" + (" for a Cluster" if is_cluster else "")
        return Finding(name="redis", found=found, state=State.WRONG, latency_ms=latency, way_out=way_out)
    if latency > _SLOW_MS:
        way_out = "everything that people on different nodes say takes this way: have it nearer"
        return Finding(name="redis", found=found, state=State.NOTE, latency_ms=latency, way_out=way_out)
    return Finding(name="redis", found=found, latency_ms=latency)


async def _buffers(link: Link) -> list[Finding]:
    """Redis ends the connection of a node that reads more slowly than others write; it catches up from the log."""
    answer = await link.ask("CONFIG", "GET", "client-output-buffer-limit")
    values = answer.get(b"client-output-buffer-limit") if isinstance(answer, dict) else None
    if values is None:
        return []  # one that is looked after by somebody else does not say
    words = _text(values).split()
    hard, soft, seconds = words[words.index("pubsub") + 1 : words.index("pubsub") + 4]
    found = f"a slow node is cut off at {_mib(hard)}, or at {_mib(soft)} for {seconds} s"
    if 0 < int(hard) < _ENOUGH_BYTES:
        way_out = "redis-cli config set client-output-buffer-limit 'pubsub 64mb 32mb 60'"
        return [Finding(name="redis buffers", found=found, state=State.NOTE, way_out=way_out)]
    return [Finding(name="redis buffers", found=found)]


def _mib(size: str) -> str:
    return f"{int(size) / (1 << 20):g} MiB" if int(size) else "no size"


def _text(answer: Any) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)
