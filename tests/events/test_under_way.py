"""What is read of a topic is applied group by group, each in order, and reached only with all before it."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from goim.events.base import GroupEvent
from goim.events.under_way import UnderWay

HERE = TopicPartition("t", 0)


def record(offset: int) -> Any:
    return ConsumerRecord("t", 0, offset, 0, 0, b"", b"", 0, 0, 0, ())


class Desk:
    """Applies an event when it is told to."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.wrong: dict[str, str] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.under_way = UnderWay(self._apply)

    async def _apply(self, event: GroupEvent) -> str | None:
        self.begun.append((event.group_id, event.ts))
        await self.gates.setdefault(event.group_id, asyncio.Event()).wait()
        return self.wrong.get(event.group_id)

    async def read(self, *groups: str, start: int = 0) -> None:
        for offset, group_id in enumerate(groups, start):
            event = GroupEvent(group_id=group_id, conv_id="c", from_="ann", type="text", seq=1, ts=offset)
            self.under_way.read(record(offset))
            self.under_way.begin(event, record(offset))
        await turns()

    async def finish(self, group_id: str) -> None:
        self.gates.pop(group_id).set()
        await turns()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 workers go on


async def test_groups_go_on_side_by_side_and_offsets_are_reached_in_order() -> None:
    desk = Desk()
    async with desk.under_way.running():
        await desk.read("huge", "small", "other")
        assert desk.begun == [("huge", 0), ("small", 1), ("other", 2)]
        await desk.finish("small")
        assert (desk.under_way.reached(), len(desk.under_way)) == ({}, 2)
        await desk.finish("huge")
        assert desk.under_way.reached() == {HERE: 2}
        assert desk.under_way.committed({HERE: 2}) == 2
        await desk.finish("other")
        assert desk.under_way.reached() == {HERE: 3}


async def test_of_one_group_the_next_waits_for_the_one_before_and_the_latest_stands_for_all() -> None:
    desk = Desk()
    async with desk.under_way.running():
        await desk.read("huge", "huge", "huge")
        assert desk.begun == [("huge", 2)]
        await desk.read("huge", "huge", start=3)
        assert desk.begun == [("huge", 2)], "one at a time"
        await desk.finish("huge")
        assert desk.under_way.reached() == {HERE: 3}
        assert desk.begun == [("huge", 2), ("huge", 4)]
        await desk.finish("huge")
        assert desk.under_way.reached() == {HERE: 5}


async def test_what_cannot_be_applied_is_in_the_way_until_it_is_put_aside() -> None:
    desk = Desk()
    desk.wrong = {"bad": "broken"}
    async with desk.under_way.running():
        await desk.read("bad", "good")
        await desk.finish("bad")
        await desk.finish("good")
        ((failed, why),) = desk.under_way.failed
        assert (failed.offset, why, desk.under_way.reached()) == (0, "broken", {})
        desk.under_way.done(failed)
        assert desk.under_way.reached() == {HERE: 2}


async def test_a_partition_that_comes_back_is_read_from_what_is_committed() -> None:
    desk = Desk()
    async with desk.under_way.running():
        await desk.read("huge", "small", start=7)
        desk.under_way.forget([HERE])
        assert desk.under_way.reached() == {}
        await desk.read("first", "second", start=3)
        await desk.finish("huge")
        assert desk.under_way.reached() == {}, "what is still being done of before says nothing of now"
        await desk.finish("first")
        assert desk.under_way.reached() == {HERE: 4}
