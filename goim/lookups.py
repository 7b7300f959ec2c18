"""Asks for many things at once: what is wanted while one question is under way makes up the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Question(Generic[K, V]):
    """Keys asked for together, and the answer once somebody has fetched it."""

    __slots__ = ("answer", "keys")

    def __init__(self) -> None:
        self.keys: set[K] = set()
        self.answer: Mapping[K, V] | None = None


class Lookups(Generic[K, V]):
    """Single look-ups over a `load` that takes many keys and answers those it finds. No timer, nobody waits for
    company.

    Whoever comes first asks for all who wait with them. An answer is never older than the call that gets it. Where
    `load` raises, or who was to ask is cancelled, the next of those who wait asks again.
    """

    def __init__(self, load: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._load = load
        self._turn = asyncio.Lock()
        self._next: _Question[K, V] = _Question()

    async def of(self, key: K) -> V | None:
        """What `load` finds for this key, or None."""
        question = self._next
        question.keys.add(key)
        async with self._turn:
            if question.answer is None:
                if self._next is question:
                    self._next = _Question()  # first: who comes from now on may need a younger answer
                question.answer = await self._load(question.keys)
        return question.answer.get(key)
