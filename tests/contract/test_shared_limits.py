"""What every limiter that nodes share promises."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from goim.metrics import Metrics
from goim.ratelimit.base import SharedLimiter
from goim.ratelimit.memory import MemorySharedLimiter
from goim.ratelimit.redis import RedisLimiter
from goim.resp.link import Login, Server
from tests.fake_clock import FakeClock
from tests.redis_server import ask, empty_database, patient_client

MINUTE = 60.0
"""A token takes so long here: what a slow machine takes for a test makes none."""


@dataclass
class Limits:
    """Makes limiters, and lets time pass for them."""

    make: Callable[[str, float, int], SharedLimiter]
    pass_time: Callable[[float], Awaitable[None]]


async def _age(server: Server, login: Login, seconds: float) -> None:
    """Let time pass for the buckets in Redis: what they end at comes nearer, and so does their end."""
    keys = await ask(server, "KEYS", "im:rl:*", login=login)
    assert isinstance(keys, list)
    for key in map(bytes.decode, keys):
        full_at, left_ms = await ask(server, "GET", key, login=login), await ask(server, "PTTL", key, login=login)
        assert isinstance(full_at, bytes)
        assert isinstance(left_ms, int)
        left_ms -= int(seconds * 1000)
        if left_ms <= 0:
            await ask(server, "DEL", key, login=login)
        else:
            await ask(server, "SET", key, int(full_at) - int(seconds * 1_000_000), "PX", left_ms, login=login)


@pytest.fixture(params=["memory", "redis"])
async def limits(request: pytest.FixtureRequest) -> AsyncIterator[Limits]:
    clock = FakeClock()
    if request.param == "memory":

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        yield Limits(lambda _, rate, burst: MemorySharedLimiter(clock, per_second=rate, burst=burst), advance)
        return
    server = request.getfixturevalue("redis_server")
    login = await empty_database(server)
    async with patient_client(server, login, clock) as client:
        yield Limits(
            lambda name, rate, burst: RedisLimiter(client, name, clock, Metrics(), per_second=rate, burst=burst),
            lambda seconds: _age(server, login, seconds),
        )


async def taken(limiter: SharedLimiter, key: str = "k") -> int:
    """How many tokens there are: all of them are taken."""
    count = 0
    while await limiter.take(key) == 0:
        count += 1
    return count


async def test_a_bucket_starts_full_and_fills_at_its_rate(limits: Limits) -> None:
    limiter = limits.make("x", 1 / MINUTE, 3)
    assert await taken(limiter) == 3
    assert 50_000 < await limiter.take("k") <= 60_001
    await limits.pass_time(40)
    assert 10_000 < await limiter.take("k") <= 20_001  # rounded up
    await limits.pass_time(20)
    assert await taken(limiter) == 1
    await limits.pass_time(2 * MINUTE)
    assert await taken(limiter) == 2


async def test_a_refused_take_costs_nothing(limits: Limits) -> None:
    limiter = limits.make("x", 1 / MINUTE, 3)
    await taken(limiter)
    for _ in range(20):
        assert 50_000 < await limiter.take("k") <= 60_001
    await limits.pass_time(MINUTE)
    assert await taken(limiter) == 1


async def test_a_large_bucket_with_a_slow_rate_is_not_full_again_after_a_pause(limits: Limits) -> None:
    limiter = limits.make("x", 1, 100)
    assert await asyncio.gather(*(limiter.take("k") for _ in range(100))) == [0] * 100
    for pause in (3, 5):
        await limits.pass_time(pause)
        assert pause <= await taken(limiter) < 50
    await limits.pass_time(100)
    assert 100 <= await taken(limiter) < 150


async def test_a_bucket_never_holds_more_than_its_burst(limits: Limits) -> None:
    limiter = limits.make("x", 1 / MINUTE, 3)
    await taken(limiter)
    await limits.pass_time(1000 * MINUTE)
    assert await taken(limiter) == 3


async def test_a_token_given_back_can_be_taken_again(limits: Limits) -> None:
    limiter = limits.make("x", 1 / MINUTE, 3)
    await taken(limiter)
    await limiter.give_back("k")
    assert await taken(limiter) == 1
    await limits.pass_time(MINUTE)
    for _ in range(2):
        await limiter.give_back("k")
    assert await taken(limiter) == 3


async def test_giving_back_never_makes_more_than_the_burst(limits: Limits) -> None:
    limiter = limits.make("x", 1 / MINUTE, 3)
    await limiter.take("k")
    for _ in range(5):
        await limiter.give_back("k")
        await limiter.give_back("unknown")
    assert await taken(limiter) == await taken(limiter, "unknown") == 3


@pytest.mark.parametrize("key", ["other", "", "K", "ключ {k}", "k" * 1000, "\ud800"])
async def test_every_key_has_a_bucket_of_its_own(limits: Limits, key: str) -> None:
    limiter = limits.make("x", 1 / MINUTE, 3)
    assert await taken(limiter) == await taken(limiter, key) == 3


async def test_every_limit_has_buckets_of_its_own(limits: Limits) -> None:
    one, other = limits.make("x", 1 / MINUTE, 3), limits.make("y", 1 / MINUTE, 3)
    assert await taken(one) == await taken(other) == 3


async def test_of_many_takes_at_once_as_many_succeed_as_there_are_tokens(limits: Limits) -> None:
    limiter = limits.make("x", 1 / MINUTE, 10)
    assert (await asyncio.gather(*(limiter.take("k") for _ in range(50)))).count(0) == 10


# what only those in Redis can do


@contextlib.asynccontextmanager
async def two_nodes(server: Server, login: Login) -> AsyncIterator[tuple[RedisLimiter, RedisLimiter]]:
    clock = FakeClock()
    async with patient_client(server, login, clock) as here, patient_client(server, login, clock) as there:
        yield (
            RedisLimiter(here, "x", clock, Metrics(), per_second=1 / MINUTE, burst=10),
            RedisLimiter(there, "x", clock, Metrics(), per_second=1 / MINUTE, burst=10),
        )


async def test_two_nodes_take_from_one_bucket(redis_server: Server, redis_login: Login) -> None:
    async with two_nodes(redis_server, redis_login) as (here, there):
        takes = [node.take("k") for _ in range(25) for node in (here, there)]
        assert (await asyncio.gather(*takes)).count(0) == 10
        await here.give_back("k")
        assert await taken(there) == 1
        assert await here.take("k") > 0


async def test_a_bucket_is_kept_until_it_is_full_and_no_longer(redis_server: Server, redis_login: Login) -> None:
    async with two_nodes(redis_server, redis_login) as (here, _):
        for _ in range(3):
            await here.take("secret")
        keys = await ask(redis_server, "KEYS", "*", login=redis_login)
        assert isinstance(keys, list)
        (key,) = map(bytes.decode, keys)
        assert key.startswith("im:rl:x:")
        assert "secret" not in key
        left_ms = await ask(redis_server, "PTTL", key, login=redis_login)
        assert isinstance(left_ms, int)
        assert 2.5 * 60_000 < left_ms <= 3 * 60_000 + 1
        for _ in range(3):
            await here.give_back("secret")
        assert await ask(redis_server, "KEYS", "*", login=redis_login) == [], "a full bucket is forgotten"
