"""Groups move up in their members' lists step by step, the large ones without keeping others waiting."""

from __future__ import annotations

import asyncio

import pytest

from goim.errors import StoreDown
from goim.events.base import GroupEvent
from goim.metrics import Metrics
from goim.model.groups import Group, Member, Role
from goim.services.group_index import GroupIndex
from goim.stores.memory_conversations import MemoryConversations
from goim.stores.memory_data import MemoryData
from goim.stores.memory_groups import MemoryGroups
from tests.fake_clock import FakeClock

STEP, REST = 3, 0.05


class Steps(MemoryConversations):
    """The store, which notes each step, and fails when it is told to."""

    def __init__(self, data: MemoryData) -> None:
        super().__init__(data)
        self.steps: list[tuple[str, list[str]]] = []
        self.failures = 0

    async def bump_members(self, conv_id: str, at: int, after: str, limit: int) -> list[str]:
        if self.failures:
            self.failures -= 1
            raise StoreDown("away")
        moved = await super().bump_members(conv_id, at, after, limit)
        self.steps.append((conv_id.removeprefix("group:"), moved))
        return moved

    def times(self, group_id: str) -> set[int]:
        """When the group last moved, in the lists of its members."""
        return {entry.updated_at for entry in self._data.entries[f"group:{group_id}"].values()}


@pytest.fixture
async def store() -> Steps:
    """A group of two, one of eight, and one of a hundred."""
    data = MemoryData()
    for group_id, size in (("pair", 2), ("team", 8), ("crowd", 100)):
        people = [
            Member(group_id=group_id, user_id=f"u{number:03}", role=Role.MEMBER, joined_at=1_000)
            for number in range(size)
        ]
        await MemoryGroups(data).create(Group(group_id=group_id, name="g", owner_id="u000", created_at=1_000), people)
    return Steps(data)


def index_of(store: Steps, clock: FakeClock) -> GroupIndex:
    return GroupIndex(store, clock, Metrics(), batch_size=STEP, batch_sleep=REST)


async def rest(clock: FakeClock, times: int = 1, seconds: float = REST) -> None:
    """Let it rest so many times, and have it do what it does then."""
    for _ in range(times):
        await clock.until_asleep()
        clock.advance(seconds)
    for _ in range(5):
        await asyncio.sleep(0)  # noqa: TID251 it goes on


def event(group_id: str, ts: int = 5_000) -> GroupEvent:
    return GroupEvent(group_id=group_id, conv_id=f"group:{group_id}", from_="u000", type="text", seq=1, ts=ts)


async def test_a_small_group_is_in_its_place_at_once(store: Steps) -> None:
    await index_of(store, FakeClock()).put([event("pair")])
    assert store.times("pair") == {5_000}


async def test_a_large_group_goes_on_in_steps_with_a_rest_between(store: Steps) -> None:
    clock = FakeClock()
    index = index_of(store, clock)
    async with index.running():
        await index.put([event("team")])
        assert store.steps == [("team", ["u000", "u001", "u002"])]
        await clock.until_asleep()
        assert len(store.steps) == 1  # it rests
        await rest(clock)
        assert store.steps[1:] == [("team", ["u003", "u004", "u005"])]
        await rest(clock)
        assert store.times("team") == {5_000}


async def test_a_newer_event_of_a_group_reaches_all_of_its_members(store: Steps) -> None:
    clock = FakeClock()
    index = index_of(store, clock)
    async with index.running():
        await index.put([event("team", 5_000)])
        await index.put([event("team", 6_000)])
        await rest(clock, 4)
    assert store.times("team") == {6_000}
    assert len(store.steps) == 6  # three steps from the first event on, and three from the second on


async def test_a_group_that_never_rests_moves_up_in_the_lists_of_its_last_members_too(store: Steps) -> None:
    clock = FakeClock()
    index = index_of(store, clock)
    async with index.running():
        for number in range(40):  # a pass takes 34 steps: each message comes in the middle of one
            await index.put([event("crowd", 5_000 + number)])
            await rest(clock)
    assert min(store.times("crowd")) > 1_000


async def test_a_huge_group_keeps_no_other_waiting(store: Steps) -> None:
    clock = FakeClock()
    index = index_of(store, clock)
    async with index.running():
        await index.put([event("crowd")])
        await index.put([event("team")])
        await rest(clock, 4)
        assert store.times("team") == {5_000}
        assert store.times("crowd") == {1_000, 5_000}


async def test_a_database_that_goes_away_in_the_middle_costs_nothing_but_time(store: Steps) -> None:
    clock = FakeClock()
    index = index_of(store, clock)
    async with index.running():
        await index.put([event("team")])
        store.failures = 2
        await rest(clock, 6, seconds=1.0)
    assert store.times("team") == {5_000}


async def test_applying_an_event_returns_when_every_member_is_moved(store: Steps) -> None:
    clock = FakeClock()
    index = index_of(store, clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(index.apply(event("crowd")))
        await rest(clock, 33)
    assert store.times("crowd") == {5_000}
    assert [len(moved) for _, moved in store.steps] == [STEP] * 33 + [1]


async def test_of_groups_that_are_applied_at_once_no_small_one_waits_for_a_huge_one(store: Steps) -> None:
    clock = FakeClock()
    index = index_of(store, clock)
    works = [asyncio.get_running_loop().create_task(index.apply(event(g))) for g in ("crowd", "team", "pair")]
    await clock.until_asleep()
    assert (works[2].done(), store.times("pair")) == (True, {5_000}), "the first step is at once"
    assert len(store.steps) == 3
    await rest(clock, 4)
    assert works[1].done()
    assert [group_id for group_id, _ in store.steps[3:]] == ["crowd", "team", "crowd", "team"], "one step after a rest"
    while not works[0].done():
        await rest(clock)
    assert store.times("crowd") == {5_000}


async def test_an_older_event_moves_nothing_back(store: Steps) -> None:
    index = index_of(store, FakeClock())
    await index.put([event("pair", 6_000)])
    await index.put([event("pair", 5_000)])
    assert store.times("pair") == {6_000}
