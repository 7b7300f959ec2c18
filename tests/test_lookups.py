"""Look-ups that are wanted at the same time are one question."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from goim.lookups import Lookups


class Shelf:
    """Something to look up in: answers when told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.breaks = 0

    async def load(self, keys: Collection[str]) -> Mapping[str, str]:
        self.asked.append(set(keys))
        await self.gate.wait()
        if self.breaks:
            self.breaks -= 1
            raise OSError("away")
        return {key: key.upper() for key in keys if key != "nothing"}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


async def test_what_is_wanted_while_a_question_is_under_way_makes_up_the_next(shelf: Shelf) -> None:
    lookups = Lookups(shelf.load)
    shelf.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(lookups.of("a"))
        while not shelf.asked:
            await asyncio.wait([first], timeout=0)
        others = [tasks.create_task(lookups.of(key)) for key in ("b", "c", "a", "nothing")]
        await asyncio.wait(others, timeout=0)
        shelf.gate.set()
    assert [task.result() for task in (first, *others)] == ["A", "B", "C", "A", None]
    assert shelf.asked == [{"a"}, {"a", "b", "c", "nothing"}]


async def test_who_asks_later_gets_a_younger_answer(shelf: Shelf) -> None:
    lookups = Lookups(shelf.load)
    await lookups.of("a")
    await lookups.of("a")
    assert shelf.asked == [{"a"}, {"a"}]


async def test_when_who_was_to_ask_is_cancelled_another_asks(shelf: Shelf) -> None:
    lookups = Lookups(shelf.load)
    shelf.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        one, other = tasks.create_task(lookups.of("a")), tasks.create_task(lookups.of("b"))
        while not shelf.asked:
            await asyncio.wait([one], timeout=0)
        one.cancel()
        await asyncio.wait([one])
        shelf.gate.set()
    assert other.result() == "B"


async def test_a_failure_is_told_to_who_asked_and_the_next_tries_again(shelf: Shelf) -> None:
    lookups = Lookups(shelf.load)
    shelf.breaks = 1
    one, other = await asyncio.gather(lookups.of("a"), lookups.of("b"), return_exceptions=True)
    assert isinstance(one, OSError)
    assert other == "B"
