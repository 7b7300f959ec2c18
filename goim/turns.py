"""One after another for the same thing, all at once for different things: a lock for each key, kept while somebody
has it."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """`async with turns.of(key)`: the others who want this key wait, in order."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """The lock of a key; those who wait for it keep it alive."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
