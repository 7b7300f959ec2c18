"""Stores in memory that take their time."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable, Coroutine
from typing import Any, cast

from goim.app.storage import Stores
from goim.stores.base_search import NumberedIndex
from tests.memory_stores import memory_stores


class Pace:
    """How many turns of the loop a store takes to hear a question, and to answer it."""

    def __init__(self) -> None:
        self.dice: random.Random | None = None

    async def __call__(self) -> None:
        for _ in range(self.dice.choice((0, 0, 1, 2, 5)) if self.dice else 0):
            await asyncio.sleep(0)  # noqa: TID251 lets the others run


class Slow:
    """A store that takes its time, as a database does."""

    def __init__(self, store: object, pace: Pace) -> None:
        self._store = store
        self._pace = pace

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._store, name)

        async def slow(*args: Any, **named: Any) -> Any:
            await self._pace()
            try:
                return await method(*args, **named)
            finally:
                await self._pace()

        return slow


def slow_stores(pace: Pace) -> Stores:
    """Everything in memory, no faster than `pace`."""
    stores = memory_stores()
    assert stores.numbered is not None
    found = {each.name: getattr(stores, each.name) for each in dataclasses.fields(stores)}
    for name in ("blobs", "numbered", *(name for name, store in found.items() if store is None)):
        del found[name]
    slow = {name: cast(Any, Slow(store, pace)) for name, store in found.items()}
    index = [cast(Any, Slow(store, pace)) for store in (stores.numbered.tail, stores.numbered.words)]
    return dataclasses.replace(stores, **slow, numbered=NumberedIndex(*index))
