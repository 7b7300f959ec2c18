"""Favourites in memory: the twin of `sql_favourites` for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection

from goim.model.favourites import Favourite, FavouriteStats, FavouriteType
from goim.model.words import folded
from goim.stores.base import Taken
from goim.stores.memory_data import MemoryData


class MemoryFavourites:
    """`Favourites` in a dict. Nothing awaits, so each method is one step of the event loop."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def add(self, favourite: Favourite, limit: int) -> bool:
        key = (favourite.user_id, favourite.favourite_id)
        if key in self._data.favourites:
            raise Taken(favourite.favourite_id)
        if len(self._of(favourite.user_id)) >= limit:
            return False
        self._data.favourites[key] = favourite
        return True

    async def page(
        self, user_id: str, kind: FavouriteType | None, tags: Collection[str], limit: int, offset: int
    ) -> list[Favourite]:
        found = self._of(
            user_id, lambda each: kind in (None, each.type) and (not tags or not set(tags).isdisjoint(each.tags))
        )
        return found[offset : offset + limit]

    async def search(self, user_id: str, keyword: str, limit: int, offset: int) -> list[Favourite]:
        found = self._of(
            user_id, lambda each: any(keyword in folded(part) for part in (each.title, each.content, *each.tags))
        )
        return found[offset : offset + limit]

    async def delete(self, user_id: str, favourite_id: str) -> bool:
        return self._data.favourites.pop((user_id, favourite_id), None) is not None

    async def stats(self, user_id: str) -> FavouriteStats:
        types = [favourite.type for favourite in self._of(user_id)]
        return FavouriteStats(len(types), types.count(FavouriteType.MESSAGE), types.count(FavouriteType.CUSTOM))

    async def erase(self, user_id: str) -> None:
        self._data.favourites = {key: each for key, each in self._data.favourites.items() if key[0] != user_id}

    def _of(self, user_id: str, is_wanted: Callable[[Favourite], bool] = lambda _: True) -> list[Favourite]:
        mine = [each for each in self._data.favourites.values() if each.user_id == user_id and is_wanted(each)]
        return sorted(mine, key=lambda each: (each.created_at, each.favourite_id), reverse=True)
