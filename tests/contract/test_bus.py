"""What every bus promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from goim.bus import redis as redis_module
from goim.bus.base import NOTICES, Bus
from goim.bus.memory import MemoryBus, MemoryHub
from goim.bus.redis import RedisBus
from goim.clock import SystemClock
from goim.metrics import Metrics
from goim.resp.link import Login, Server
from goim.resp.places import OneServer
from tests.redis_server import PATIENCE


class Ear:
    """A node that keeps what it hears."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[tuple[str, bytes]] = []
        self._news = asyncio.Event()
        bus.listen(self._hear)

    def _hear(self, topic: str, body: bytes) -> None:
        self.heard.append((topic, body))
        self._news.set()

    async def hears(self, count: int) -> list[tuple[str, bytes]]:
        """The first so many that came."""
        async with asyncio.timeout(20):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        taken, self.heard = self.heard[:count], self.heard[count:]
        return taken


@pytest.fixture(name="ears", params=["memory", "redis"])
async def three_nodes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Ear]]:
    if request.param == "memory":
        hub = MemoryHub()
        yield [Ear(MemoryBus(hub)) for _ in range(3)]
        return
    for name in ("FIRST_SECONDS", "HEARTBEAT_SECONDS", "SILENCE_SECONDS"):
        monkeypatch.setattr(redis_module, name, PATIENCE)  # else a Redis that is slow to subscribe is not waited for
    server: Server = request.getfixturevalue("redis_server")
    async with AsyncExitStack() as stack:
        ears = []
        for _ in range(3):
            bus = RedisBus(OneServer(server), Login(db=9), Metrics(), SystemClock())
            ears.append(Ear(bus))
            await stack.enter_async_context(bus.running())
        yield ears


async def subscribed(ear: Ear, *topics: str) -> None:
    for topic in topics:
        ear.bus.subscribe(topic)
    await ear.bus.settled()


async def test_what_is_published_reaches_the_others_who_subscribed_in_order(ears: list[Ear]) -> None:
    one, two, three = ears
    await subscribed(two, "im:u:ann", "im:g:g")
    await subscribed(three, "im:g:g")
    for number in range(100):
        one.bus.publish("im:g:g", b"%d" % number)
        one.bus.publish("im:u:ann", b"to ann %d" % number)
    heard = await two.hears(200)
    assert [body for topic, body in heard if topic == "im:g:g"] == [b"%d" % number for number in range(100)]
    assert [body for topic, body in heard if topic == "im:u:ann"] == [b"to ann %d" % number for number in range(100)]
    assert [body for _, body in await three.hears(100)] == [b"%d" % number for number in range(100)]
    assert two.heard == three.heard == []


async def test_nothing_overtakes_a_notice(ears: list[Ear]) -> None:
    one, two, _ = ears
    await subscribed(two, NOTICES, "im:g:g")
    told = [(NOTICES, b"1"), ("im:g:g", b"2"), ("im:g:g", b"3"), (NOTICES, b"4"), (NOTICES, b"5"), ("im:g:g", b"6")]
    for topic, body in told:
        one.bus.publish(topic, body)
    assert await two.hears(6) == told


async def test_nobody_hears_themselves(ears: list[Ear]) -> None:
    one, two, _ = ears
    await subscribed(one, NOTICES)
    await subscribed(two, NOTICES)
    one.bus.publish(NOTICES, b"mine")
    two.bus.publish(NOTICES, b"yours")
    assert await one.hears(1) == [(NOTICES, b"yours")]
    assert await two.hears(1) == [(NOTICES, b"mine")]
    assert one.heard == two.heard == []


async def test_who_has_unsubscribed_hears_no_more_and_twice_is_once(ears: list[Ear]) -> None:
    one, two, _ = ears
    await subscribed(two, "im:u:ann", "im:u:ann", "im:u:bob")
    two.bus.unsubscribe("im:u:ann")
    await two.bus.settled()
    one.bus.publish("im:u:ann", b"not heard")
    one.bus.publish("im:u:bob", b"heard")
    assert await two.hears(1) == [("im:u:bob", b"heard")]
    two.bus.subscribe("im:u:ann")
    two.bus.unsubscribe("im:u:ann")
    await subscribed(two, "im:u:ann")
    one.bus.publish("im:u:ann", b"heard again")
    assert await two.hears(1) == [("im:u:ann", b"heard again")]


@pytest.mark.parametrize("body", [b"", b"\0\xff\r\n" * 3, b"x" * 300_000], ids=["nothing", "bytes", "much"])
async def test_bodies_arrive_as_they_were(ears: list[Ear], body: bytes) -> None:
    one, two, _ = ears
    topic = "im:u:jürgen ☎\0"
    await subscribed(two, topic)
    one.bus.publish(topic, body)
    assert await two.hears(1) == [(topic, body)]


async def test_a_receiver_that_fails_hears_the_next_one(ears: list[Ear], caplog: pytest.LogCaptureFixture) -> None:
    one, two, _ = ears
    if isinstance(two.bus, MemoryBus):
        pytest.skip("in one process the failure is the publisher's")
    heard: list[bytes] = []
    arrived = asyncio.Event()

    def receive(topic: str, body: bytes) -> None:
        if body == b"bad":
            raise ValueError(body)
        heard.append(body)
        arrived.set()

    two.bus.listen(receive)
    await subscribed(two, "im:u:ann")
    one.bus.publish("im:u:ann", b"bad")
    one.bus.publish("im:u:ann", b"good")
    async with asyncio.timeout(20):
        await arrived.wait()
    assert heard == [b"good"]
