"""Work that nobody awaits is awaited in the end, and so is what it leads to."""

from __future__ import annotations

import asyncio

from goim.tasks import Tasks


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
