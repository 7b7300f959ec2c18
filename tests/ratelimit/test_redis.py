"""A node whose Redis is away limits by itself: it refuses nobody for that, and lets nobody through for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from goim.metrics import Metrics
from goim.ratelimit.redis import RETRY_SECONDS, RedisLimiter
from goim.resp import client
from goim.resp.client import RedisClient
from goim.resp.link import Login, Server
from goim.resp.places import OneServer
from tests.fake_clock import FakeClock
from tests.fault_proxy import FaultProxy
from tests.redis_server import ask, running_redis
from tests.services.reception import others_first


@dataclass
class Node:
    """A limiter of ten a minute, and the way to its Redis."""

    limiter: RedisLimiter
    proxy: FaultProxy
    clock: FakeClock
    metrics: Metrics

    async def taken(self) -> int:
        """How many tokens there are: all of them are taken."""
        count = 0
        while await self.limiter.take("k") == 0:
            count += 1
        return count


@pytest.fixture(name="node")
async def make_node(redis_server: Server, redis_login: Login) -> AsyncIterator[Node]:
    clock, metrics = FakeClock(), Metrics()
    async with FaultProxy(redis_server.host, redis_server.port).running() as proxy:
        there = OneServer(Server("127.0.0.1", proxy.port))
        async with RedisClient(there, redis_login, clock).open() as asking:
            yield Node(RedisLimiter(asking, "x", clock, metrics, per_second=10 / 60, burst=10), proxy, clock, metrics)


async def test_while_redis_is_away_the_node_goes_on_with_what_it_let_through_itself(node: Node) -> None:
    for _ in range(6):
        assert await node.limiter.take("k") == 0
    await node.limiter.give_back("k")
    with capture_logs() as logs:
        node.proxy.refuse()
        assert await node.taken() == 5
        assert await node.limiter.take("k") == 6000
        await node.limiter.give_back("k")
        assert await node.taken() == 1
    assert [line["event"] for line in logs] == ["limits_alone"], "said once"
    assert node.metrics.limited_alone == 9


async def test_a_redis_that_is_back_decides_again(node: Node, redis_server: Server, redis_login: Login) -> None:
    node.proxy.refuse()
    assert await node.taken() == 10
    node.proxy.restore()
    assert await node.limiter.take("k") > 0, "not asked again yet"
    counted = node.metrics.limited_alone
    node.clock.advance(RETRY_SECONDS)
    with capture_logs() as logs:
        assert await node.limiter.take("k") == 0
    assert [line["event"] for line in logs] == ["limits_shared"]
    assert node.metrics.limited_alone == counted
    keys = await ask(redis_server, "KEYS", "im:rl:*", login=redis_login)
    assert isinstance(keys, list)
    assert len(keys) == 1


async def test_of_many_who_find_redis_silent_again_one_waits_for_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.5)
    node.proxy.refuse()
    await node.limiter.take("k")
    node.proxy.restore()
    node.proxy.stall()
    node.clock.advance(RETRY_SECONDS)
    async with asyncio.TaskGroup() as tasks:
        probe = tasks.create_task(node.limiter.take("k"))
        await others_first()  # it has begun to ask
        assert [await node.limiter.take("k") for _ in range(9)] == [0] * 9
        assert not probe.done()
    assert probe.result() > 0, "it waited in vain, and the node has let ten through"


async def test_a_redis_that_is_full_is_as_good_as_away(tmp_path: Path) -> None:
    clock, metrics = FakeClock(), Metrics()
    with running_redis(tmp_path / "redis", "--maxmemory", "1") as redis:
        async with RedisClient(OneServer(redis.server), Login(), clock).open() as asking:
            limiter = RedisLimiter(asking, "x", clock, metrics, per_second=10 / 60, burst=10)
            assert [await limiter.take("k") for _ in range(11)] == [0] * 10 + [6000]
    assert metrics.limited_alone == 11
