"""The clock of the tests."""

from __future__ import annotations

import asyncio

from tests.fake_clock import START_MS, FakeClock


async def test_time_stands_still_until_it_is_advanced() -> None:
    clock = FakeClock()
    assert (clock.now_ms(), clock.monotonic()) == (START_MS, 0.0)
    clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic()) == (START_MS + 1_500, 1.5)


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    clock = FakeClock()
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3.0, 1.0, 2.0):
            tasks.create_task(sleep(seconds))
        await clock.until_asleep(3)
        clock.advance(0.5)
        assert clock.sleepers == 3
        clock.advance(2.0)
        assert clock.sleepers == 1
        clock.advance(0.5)
    assert woken == [1.0, 2.0, 3.0]


async def test_a_cancelled_sleeper_is_not_woken() -> None:
    clock = FakeClock()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(clock.sleep(1))
        await clock.until_asleep()
        task.cancel()
    assert clock.sleepers == 0
    clock.advance(2)
