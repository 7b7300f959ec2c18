"""What a device has sent on one node counts on the next one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from goim.clock import SystemClock
from goim.ratelimit.memory import MemoryRateLimiter
from goim.ratelimit.redis_handover import READ_SECONDS, RedisHandover
from goim.resp.client import RedisClient
from goim.resp.link import Login, Server
from goim.resp.places import OneServer
from tests.fake_clock import FakeClock
from tests.redis_server import ask

PHONE = ("ann", "phone")


class Node:
    """Buckets of ten, a token each minute: what a slow machine takes for a test makes none."""

    def __init__(self, client: RedisClient, clock: FakeClock) -> None:
        self.clock = clock
        self.limiter = MemoryRateLimiter(clock, per_second=1 / 60, burst=10)
        self.handover = RedisHandover(client, clock, self.limiter)

    def send(self, times: int) -> None:
        for _ in range(times):
            assert self.limiter.take(PHONE) == 0

    def left(self) -> int:
        """How many more it may send: all of them are sent."""
        count = 0
        while self.limiter.take(PHONE) == 0:
            count += 1
        return count

    async def leave(self) -> None:
        self.handover.went(PHONE)
        await self.handover.flush()

    async def settle(self) -> None:
        """Long enough that it reads what others have written."""
        self.clock.advance(READ_SECONDS)
        await self.handover.flush()


@contextlib.asynccontextmanager
async def _nodes(server: Server, login: Login, count: int) -> AsyncIterator[list[Node]]:
    clock = FakeClock()
    async with RedisClient(OneServer(server), login, SystemClock()).open() as client:
        yield [Node(client, clock) for _ in range(count)]


@pytest.fixture(name="nodes")
async def make_nodes(redis_server: Server, redis_login: Login) -> AsyncIterator[list[Node]]:
    async with _nodes(redis_server, redis_login, 3) as nodes:
        yield nodes


async def test_a_device_that_moves_on_has_what_was_left(nodes: list[Node]) -> None:
    here, there, last = nodes
    here.handover.came(PHONE)
    here.send(4)
    await here.leave()
    there.handover.came(PHONE)
    await there.settle()
    there.send(3)
    await there.leave()
    last.handover.came(PHONE)
    await last.settle()
    assert last.left() == 3


async def test_what_is_sent_before_the_other_node_noticed_comes_on_top(nodes: list[Node]) -> None:
    here, there, _ = nodes
    here.send(7)
    there.handover.came(PHONE)
    there.send(8)
    await here.leave()
    await there.settle()
    assert there.left() == 0
    there.clock.advance(6 * 60)
    assert there.left() == 1, "five more than there were are paid back"


async def test_who_goes_on_at_once_takes_everything_along(nodes: list[Node]) -> None:
    here, there, last = nodes
    here.send(4)
    await here.leave()
    there.handover.came(PHONE)
    there.send(3)
    await there.leave()
    last.handover.came(PHONE)
    await last.settle()
    assert last.left() == 3


async def test_connecting_again_and_again_forgives_nothing(nodes: list[Node]) -> None:
    here, there, _ = nodes
    here.send(4)
    await here.leave()
    for _ in range(3):
        there.handover.came(PHONE)
        there.send(1)
        there.handover.went(PHONE)
    there.handover.came(PHONE)
    await there.settle()
    assert there.left() == 3


async def test_who_comes_back_pays_once(nodes: list[Node]) -> None:
    here, there, _ = nodes
    here.send(4)
    await here.leave()
    here.handover.came(PHONE)
    await here.settle()
    await here.leave()
    there.handover.came(PHONE)
    await there.settle()
    there.send(2)
    await there.leave()
    here.handover.came(PHONE)
    await here.settle()
    assert here.left() == 4


async def test_a_full_bucket_is_not_written_down(nodes: list[Node], redis_server: Server, redis_login: Login) -> None:
    nodes[0].handover.came(PHONE)
    await nodes[0].settle()
    await nodes[0].leave()
    assert await ask(redis_server, "KEYS", "*", login=redis_login) == []
