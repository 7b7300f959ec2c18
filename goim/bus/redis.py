"""The bus of nodes that share a Redis: its Pub/Sub, sharded where Redis is a Cluster.

A node has one connection to each server for what it hears and what it tells. It is believed to be well while pings come
back; else it is given up and made anew, and the node is told since when it may have missed something.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import structlog

from goim.bus.base import NOTICES, Alarm, Interruption, Receiver
from goim.clock import Clock
from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.resp.link import Link, Login, RedisDown, Server, dial
from goim.resp.places import Layout, Places
from goim.tasks import beside

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.0
"""So long a ping may be on its way."""
KEPT_BYTES = 4 << 20
"""What may wait to be told while Redis is away."""
UNSENT_BYTES = 16 << 20
"""What may wait for a Redis that is slow."""
FIRST_SECONDS = 3.0
"""So long a node that starts waits for Redis before it serves without."""
_TOPICS_AT_ONCE = 1000
_NODE_BYTES = 8
_OVERLAP_MS = 2000
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_log = structlog.get_logger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class RedisBus:
    """Everything published in one turn of the loop to one topic travels in one message, all of them in one write.

    Notices part them: what was published before one is not joined with what came after it.
    """

    def __init__(self, places: Places, login: Login, metrics: Metrics, clock: Clock) -> None:
        self._places = places
        self._login = login
        self._metrics = metrics
        self._clock = clock
        self._me = secrets.token_bytes(_NODE_BYTES)
        self._prefix = f"im:{login.db}:" if login.db else "im:"  # channels know no databases
        self._receiver: Receiver = _nobody
        self._alarm: Alarm = _nobody
        self._topics: set[str] = set()
        self._turning: dict[str, bool] = {}
        self._out: list[dict[str, list[bytes]]] = []
        self._kept_bytes = 0
        self._settling: list[asyncio.Future[None]] = []
        self._is_flushing = False
        self._layout: Layout | None = None
        self._links: dict[Server, Link] = {}
        self._trouble = asyncio.Event()
        self._is_up = asyncio.Event()
        self._heard_ms = clock.now_ms()
        self._has_been_up = False
        self._unheard_since: int | None = None
        self._lost_since: int | None = None
        self._ahead_ms = 0
        self._reason = "not connected yet"

    # what a node does with a bus

    @property
    def has_company(self) -> bool:
        return True  # whoever shares a Redis is asked for no list of who else does

    @property
    def ahead_ms(self) -> int:
        return self._ahead_ms  # the clock in common is that of Redis; what was found last holds while it is away

    def publish(self, topic: str, body: bytes) -> None:
        if self._kept_bytes > KEPT_BYTES:
            return self._drop(1)
        if not self._out or (topic == NOTICES) != (NOTICES in self._out[-1]):
            self._out.append({})
        self._out[-1].setdefault(topic, []).append(body)
        self._kept_bytes += len(body)
        self._flush_soon()

    def subscribe(self, topic: str) -> None:
        self._topics.add(topic)
        self._turning[topic] = True
        self._flush_soon()

    def unsubscribe(self, topic: str) -> None:
        self._topics.discard(topic)
        self._turning[topic] = False
        self._flush_soon()

    def listen(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def on_interruption(self, alarm: Alarm) -> None:
        self._alarm = alarm

    async def settled(self) -> None:
        if not self._is_up.is_set():
            return
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append(settled)
        self._flush_soon()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await settled

    async def check(self) -> None:
        """Raise why nothing is carried now, if nothing is."""
        if not self._is_up.is_set():
            raise RedisDown(self._reason)

    # out

    def _flush_soon(self) -> None:
        if self._layout is not None and not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Subscribe first: what is asked about after it is known to be in force."""
        self._is_flushing = False
        layout = self._layout
        if layout is None:
            return
        try:
            self._turn(layout)
            self._tell(layout)
        except RedisDown as error:  # a Cluster that has lost some of its slots
            self._reason = str(error)
            self._trouble.set()
        waiting, self._settling = self._settling, []
        if waiting:
            answers = [link.ask("PING") for link in self._links.values()]
            asyncio.gather(*answers, return_exceptions=True).add_done_callback(lambda _: _release(waiting))

    def _turn(self, layout: Layout) -> None:
        turning, self._turning = self._turning, {}
        self._subscribe(layout, [topic for topic, is_on in turning.items() if is_on], "SUBSCRIBE")
        self._subscribe(layout, [topic for topic, is_on in turning.items() if not is_on], "UNSUBSCRIBE")

    def _subscribe(self, layout: Layout, topics: Sequence[str], command: str) -> None:
        if layout.is_cluster:  # topics of one command must be in one slot
            for topic in topics:
                channel = self._channel(topic)
                self._links[layout.master_of(channel)].send_silently((f"S{command}", channel))
            return
        for start in range(0, len(topics), _TOPICS_AT_ONCE):
            channels = [self._channel(topic) for topic in topics[start : start + _TOPICS_AT_ONCE]]
            self._links[layout.masters[0]].send_silently((command, *channels))

    def _tell(self, layout: Layout) -> None:
        out, self._out = self._out, []
        self._kept_bytes = 0
        command = "SPUBLISH" if layout.is_cluster else "PUBLISH"
        by_server: dict[Server, list[tuple[str, str, bytes]]] = {server: [] for server in self._links}
        are_full = {server for server, link in self._links.items() if link.unsent_bytes > UNSENT_BYTES}
        for topic, bodies in (each for part in out for each in part.items()):
            channel = self._channel(topic)
            server = layout.master_of(channel)
            if server in are_full:
                self._drop(len(bodies))
                continue
            self._metrics.bus_published += len(bodies)
            by_server[server].append((command, channel, self._me + _encode(bodies)))
        for server, commands in by_server.items():
            self._links[server].send(commands)

    def _drop(self, count: int) -> None:
        """The others will have to look: they are told when they can be."""
        self._metrics.bus_dropped += count
        if self._lost_since is None:
            self._lost_since = self._clock.now_ms()

    # in

    def _arrive(self, push: Sequence[Any]) -> None:
        kind = push[0]
        if kind == b"sunsubscribe":
            self._moved(push[1])
        if kind not in (b"message", b"smessage") or push[2][:_NODE_BYTES] == self._me:
            return
        topic = f"im:{push[1][len(self._prefix) :].decode()}"
        bodies = _decode(push[2][_NODE_BYTES:])
        self._metrics.bus_received += len(bodies)
        for body in bodies:
            try:
                self._receiver(topic, body)
            except Exception:  # noqa: BLE001 - of another release, perhaps; the next one must still be heard
                _log.exception("bus_message_not_understood", topic=topic)

    def _moved(self, channel: bytes) -> None:
        """A Cluster moves slots: the channel is elsewhere now, unless it was us who left it."""
        if f"im:{channel[len(self._prefix) :].decode()}" in self._topics:
            self._reason = "the cluster has moved its slots"
            self._trouble.set()

    def _channel(self, topic: str) -> str:
        return self._prefix + topic[3:]

    # being connected

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be connected while the context is open, for as much of it as Redis allows."""
        async with beside(self._run()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_SECONDS):
                    await self._is_up.wait()
            if not self._is_up.is_set():
                self._lost_since = self._clock.now_ms()
            yield
            await self.settled()  # what was told last has left
        links = list(self._links.values())
        self._hang_up()
        for link in links:
            await link.end()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                layout = await self._connect()
                failures = 0
                await self._watch(layout)
            except (StoreDown, OSError, TimeoutError) as error:
                self._reason = str(error) or "Redis does not answer"
                _log.warning("bus_down", error=self._reason)
            self._hang_up()
            await self._clock.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _connect(self) -> Layout:
        """Subscribe to everything, tell what waits, and then let the node look for what it missed: since the last time
        that it was told of everything, however often this is broken off."""
        layout = await self._places.find()
        self._trouble.clear()
        for server in layout.masters:
            self._links[server] = await dial(server, self._login, self._arrive, self._lost)
        self._turning = {}
        self._subscribe(layout, sorted(self._topics), "SUBSCRIBE")
        is_again = self._has_been_up
        since = self._unheard_since = self._unheard_since or self._heard_ms - _OVERLAP_MS  # and not this connection's
        await self._ping(layout)
        self._layout = layout
        self._is_up.set()
        self._has_been_up = True
        self._flush()
        await self._ping(layout)
        self._unheard_since = None
        if is_again:
            self._metrics.bus_reconnects += 1
        if is_again or self._lost_since is not None:
            self._lost_since = None
            self._alarm(Interruption(since, is_mutual=True))
        _log.info("bus_up", servers=[str(server) for server in layout.masters])
        return layout

    async def _watch(self, layout: Layout) -> None:
        """Return never: raise when the connection is not well any more."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._trouble.wait()
            if self._trouble.is_set():
                raise RedisDown(self._reason)
            await self._ping(layout)
            if self._lost_since is not None:  # more was told at once than Redis takes
                since, self._lost_since = self._lost_since, None
                self._alarm(Interruption(since - _OVERLAP_MS, is_mutual=True))

    def _lost(self) -> None:
        self._reason = "the connection to Redis is lost"
        self._trouble.set()

    async def _ping(self, layout: Layout) -> None:
        """Every server answers, and is a master still."""
        asked, asked_ms = self._clock.monotonic(), self._clock.now_ms()
        links = list(self._links.values())
        clock = self._links[layout.master_of(self._channel(NOTICES))].ask("TIME")
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                time, *roles = await asyncio.gather(clock, *(link.ask("ROLE") for link in links))
        except TimeoutError:
            raise RedisDown(f"Redis was silent for {SILENCE_SECONDS:g} s") from None
        for role in roles:
            if isinstance(role, list) and role[0] != b"master":
                raise RedisDown("Redis is not a master any more")
        self._metrics.bus_lag_seconds = self._clock.monotonic() - asked
        self._heard_ms = self._clock.now_ms()
        if isinstance(time, list):  # it may be forbidden
            self._compare_clocks(asked_ms, int(time[0]) * 1000 + int(time[1]) // 1000, self._heard_ms)

    def _compare_clocks(self, asked_ms: int, theirs_ms: int, heard_ms: int) -> None:
        """It was that time there between question and answer: an answer that took long corrects nothing."""
        self._ahead_ms = min(max(self._ahead_ms, theirs_ms - heard_ms), theirs_ms - asked_ms)

    def _hang_up(self) -> None:
        self._is_up.clear()
        self._layout = None
        links, self._links = self._links, {}
        for link in links.values():
            link.abort()
        waiting, self._settling = self._settling, []
        _release(waiting)


def _release(waiting: Sequence[asyncio.Future[None]]) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(None)


def _nobody(*_: object) -> None:
    pass
