"""Hands what a device has sent lately from node to node: its bucket is not full again because it connects elsewhere.

The time that a bucket lacks to be full is the time that its key has left to live, by the clock of Redis. It is written
when a device goes, and read some time after it came: by then, whoever had it before has noticed. What the device sends
until then comes on top of what it owes.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator
from hashlib import blake2b

import structlog

from goim.batching import parts
from goim.clock import Clock
from goim.ratelimit.memory import MemoryRateLimiter
from goim.resp.client import RedisClient
from goim.resp.link import Part, RedisDown
from goim.tasks import beside

FLUSH_SECONDS = 0.05
READ_SECONDS = 0.5
_AT_ONCE = 1000
_log = structlog.get_logger(__name__)

Device = tuple[str, str]


class RedisHandover:
    """`came` and `went` never wait: what they note is written and read in a few pipelines for all. While Redis is away,
    a device finds a full bucket elsewhere."""

    def __init__(self, client: RedisClient, clock: Clock, limiter: MemoryRateLimiter) -> None:
        self._client = client
        self._clock = clock
        self._limiter = limiter
        self._coming: dict[Device, tuple[float, float]] = {}
        self._due: deque[tuple[float, Device]] = deque()
        self._gone: set[Device] = set()

    def came(self, device: Device) -> None:
        """A device connected here."""
        self._gone.discard(device)
        if device not in self._coming:
            now = self._clock.monotonic()
            self._coming[device] = (now, now + self._limiter.lacks(device))
            self._due.append((now + READ_SECONDS, device))

    def went(self, device: Device) -> None:
        """That connection is gone from here."""
        self._gone.add(device)

    async def flush(self) -> None:
        """Read what is due, and what belongs to those who went before it was; then write what these lack."""
        gone, self._gone = self._gone, set()
        await self._read([*self._take_due(), *(device for device in gone if device in self._coming)])
        await self._write(gone)

    def _take_due(self) -> list[Device]:
        now = self._clock.monotonic()
        due = {}
        while self._due and self._due[0][0] <= now:
            _, device = self._due.popleft()
            if device in self._coming and self._coming[device][0] + READ_SECONDS <= now:  # it has not come again since
                due[device] = True
        return list(due)

    async def _read(self, devices: list[Device]) -> None:
        known = {device: self._coming.pop(device)[1] for device in dict.fromkeys(devices)}
        for part in parts(known, _AT_ONCE):
            answers = await self._client.ask_all([("PTTL", _key(device)) for device in part])
            now = self._clock.monotonic()
            for device, left_ms in zip(part, answers, strict=True):
                if left_ms > 0:
                    self._limiter.add(device, known[device], now + left_ms / 1000)

    async def _write(self, devices: set[Device]) -> None:
        commands: list[tuple[Part, ...]] = []
        for device in devices:
            left_ms = int(self._limiter.lacks(device) * 1000)
            if left_ms > 0:
                commands.append(("SET", _key(device), "", "PX", left_ms))
        for part in parts(commands, _AT_ONCE):
            await self._client.ask_all(part)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hand over while the context is open, and what is left at its end."""
        async with beside(self._run()):
            yield
        await self._try()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            await self._try()

    async def _try(self) -> None:
        try:
            await self.flush()
        except RedisDown as error:
            _log.debug("sends_not_handed_over", error=str(error))


def _key(device: Device) -> str:
    text = "\0".join(device).encode(errors="surrogatepass")
    return f"im:rl:send:{blake2b(text, digest_size=16).hexdigest()}"
