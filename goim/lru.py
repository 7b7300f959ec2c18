"""A bounded memory of what was used lately: two dicts, and when the younger is full the older is forgotten whole."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps at least the last `size` values put, and about twice as many at most.

    (Dropping a dict's first key one by one is quadratic.)
    """

    __slots__ = ("_old", "_size", "_young")

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """The value, kept alive by being asked for."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def get_all(self, keys: Collection[K]) -> dict[K, V]:
        """The values of those that are known, each asked for once."""
        young = self._young
        found = {key: young[key] for key in keys if key in young}
        if len(found) < len(keys) and self._old:
            aged = {key: self._old[key] for key in self._old.keys() & set(keys) if key not in young}
            self.put_all(aged)
            found |= aged
        return found

    def put(self, key: K, value: V) -> None:
        if len(self._young) >= self._size:
            self._old = self._young
            self._young = {}
        self._young[key] = value

    def put_all(self, values: dict[K, V]) -> None:
        """Put several at once."""
        if len(self._young) >= self._size:
            self._old = self._young
            self._young = {}
        self._young.update(values)

    def drop(self, key: K) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        self._young.clear()
        self._old.clear()
