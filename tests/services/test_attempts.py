"""Guessing: so many failures a minute, however they are spread, and right answers cost nothing."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from goim.errors import ErrorCode, GoimError
from goim.metrics import Metrics
from goim.ratelimit.base import SharedLimiter
from goim.ratelimit.memory import MemorySharedLimiter
from goim.ratelimit.redis import RedisLimiter
from goim.resp.link import Login, Server
from goim.services.attempts import Attempts
from tests.fake_clock import FakeClock
from tests.redis_server import patient_client
from tests.services.reception import others_first, refused


class Door:
    """What somebody tries to open; `opened` and `tried` count."""

    def __init__(self, limiter: SharedLimiter | None = None) -> None:
        self.clock = FakeClock()
        self.attempts = Attempts(limiter or MemorySharedLimiter(self.clock, per_second=10 / 60, burst=10))
        self.tried = 0

    async def try_(self, *, is_right: bool, key: str = "alice") -> None:
        async with self.attempts.one(key):
            self.tried += 1
            await others_first()
            if not is_right:
                raise GoimError(ErrorCode.BAD_CREDENTIALS, "no")

    async def guess_wrong(self, times: int) -> None:
        for _ in range(times):
            with refused(ErrorCode.BAD_CREDENTIALS):
                await self.try_(is_right=False)


@pytest.fixture(name="door")
def make_door() -> Door:
    return Door()


async def test_after_ten_failures_nobody_may_try_until_some_time_has_passed(door: Door) -> None:
    await door.guess_wrong(10)
    with refused(ErrorCode.RATE_LIMIT) as error:
        await door.try_(is_right=True)
    assert error[0].retry_after_ms == 6000
    door.clock.advance(6)
    await door.guess_wrong(1)
    with refused(ErrorCode.RATE_LIMIT):
        await door.try_(is_right=True)


async def test_another_key_is_another_matter(door: Door) -> None:
    await door.guess_wrong(10)
    await door.try_(is_right=True, key="bob")


async def test_right_answers_cost_nothing(door: Door) -> None:
    for _ in range(50):
        await door.try_(is_right=True)
    await door.guess_wrong(10)


async def test_what_fails_for_another_reason_costs_nothing(door: Door) -> None:
    for _ in range(50):
        with pytest.raises(RuntimeError):
            async with door.attempts.one("alice"):
                raise RuntimeError
    await door.guess_wrong(10)


async def test_of_fifty_wrong_guesses_at_once_ten_are_tried(door: Door) -> None:
    results = await asyncio.gather(*(door.try_(is_right=False) for _ in range(50)), return_exceptions=True)
    codes = [result.code for result in results if isinstance(result, GoimError)]
    assert codes.count(ErrorCode.BAD_CREDENTIALS) == 10
    assert codes.count(ErrorCode.RATE_LIMIT) == 40
    assert door.tried == 10


async def test_fifty_right_answers_at_once_all_pass(door: Door) -> None:
    async with asyncio.timeout(20):
        await asyncio.gather(*(door.try_(is_right=True) for _ in range(50)))
    assert door.tried == 50


async def test_right_and_wrong_at_once_end_as_if_one_after_the_other(door: Door) -> None:
    async with asyncio.timeout(20):
        results = await asyncio.gather(
            *(door.try_(is_right=number % 2 == 0) for number in range(100)), return_exceptions=True
        )
    codes = [result.code for result in results if isinstance(result, GoimError)]
    assert codes.count(ErrorCode.BAD_CREDENTIALS) == 10


async def test_who_gives_up_waiting_keeps_nobody_from_their_turn(door: Door) -> None:
    await door.guess_wrong(9)
    under_way, waiting = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with door.attempts.one("alice"):
            under_way.set()
            await waiting.wait()

    async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        tasks.create_task(slow())
        await under_way.wait()
        impatient = [tasks.create_task(door.try_(is_right=True)) for _ in range(3)]
        patient = tasks.create_task(door.try_(is_right=True))
        await others_first()
        for task in impatient:
            task.cancel()
        await others_first()
        waiting.set()
        await patient
    assert door.tried == 10
    await door.guess_wrong(1)  # every token but those of the nine came back


async def test_a_turn_that_comes_to_who_gives_up_at_that_moment_goes_to_the_next(door: Door) -> None:
    await door.guess_wrong(8)
    ends = [asyncio.Event(), asyncio.Event()]

    async def slow(end: asyncio.Event) -> None:
        async with door.attempts.one("alice"):
            await end.wait()

    async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        for end in ends:
            tasks.create_task(slow(end))
        await others_first()
        impatient, patient = (tasks.create_task(door.try_(is_right=True)) for _ in range(2))
        await others_first()
        ends[0].set()
        await others_first()  # now it is the first one's turn, who does not know yet
        impatient.cancel()
        await patient  # while the other slow one still is under way
        ends[1].set()
    assert door.tried == 9


async def test_right_and_wrong_at_once_on_two_nodes_cost_what_they_should(
    redis_server: Server, redis_login: Login
) -> None:
    clock = FakeClock()
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(patient_client(redis_server, redis_login, clock)) for _ in range(2)]
        here, there = (
            Door(RedisLimiter(client, "x", clock, Metrics(), per_second=10 / 3600, burst=10)) for client in clients
        )
        async with asyncio.timeout(20):
            await asyncio.gather(*(here.try_(is_right=True) for _ in range(100)))
            assert here.tried == 100, "right ones cost nothing"
            guesses = [door.try_(is_right=False) for _ in range(50) for door in (here, there)]
            results = await asyncio.gather(*guesses, return_exceptions=True)
        codes = [result.code for result in results if isinstance(result, GoimError)]
        assert codes.count(ErrorCode.BAD_CREDENTIALS) == here.tried - 100 + there.tried == 10
        assert codes.count(ErrorCode.RATE_LIMIT) == 90
