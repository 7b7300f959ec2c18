"""Work that nobody awaits is awaited in the end, and so is what it leads to."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from goim.errors import StoreDown
from goim.tasks import Tasks, beside, repeat
from tests.fake_clock import FakeClock


async def test_what_work_under_way_starts_is_waited_for_too() -> None:
    done: list[str] = []

    async def first() -> None:
        await asyncio.sleep(0)  # noqa: TID251 it has not ended when the context does
        tasks.start(second())

    async def second() -> None:
        for _ in range(20):
            await asyncio.sleep(0)  # noqa: TID251
        done.append("second")

    async with Tasks() as tasks:
        tasks.start(first())
    assert done == ["second"]


async def test_what_does_not_end_is_cancelled_after_the_grace() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async with Tasks(grace=0.01) as tasks:
        tasks.start(endless())
    assert ended == ["cancelled"]


async def test_what_is_repeated_goes_on_whatever_goes_wrong_and_ends_with_its_context() -> None:
    clock, times = FakeClock(), list[float]()
    errors: list[Exception] = [StoreDown("away"), ZeroDivisionError()]

    async def work() -> None:
        times.append(clock.monotonic())
        if errors:
            raise errors.pop(0)

    with capture_logs() as logs:
        async with beside(repeat(clock, 2.0, work, "work_waits")):
            for _ in range(3):
                await clock.until_asleep()
                clock.advance(2.0)
            await clock.until_asleep()
        clock.advance(2.0)
    assert (times, clock.sleepers) == ([2.0, 4.0, 6.0], 0)
    assert [(each["event"], each["log_level"]) for each in logs] == [("work_waits", "warning"), ("work_waits", "error")]
