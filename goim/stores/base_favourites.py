"""The port of what people keep for themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from goim.model.favourites import Favourite, FavouriteStats, FavouriteType


class Favourites(Protocol):
    """Everybody's favourites, latest first. Contract as in `base.py`."""

    async def add(self, favourite: Favourite, limit: int) -> bool:
        """Store a favourite; `Taken` if the user has one with its id, False if they have `limit` others already."""
        ...

    async def page(
        self, user_id: str, kind: FavouriteType | None, tags: Collection[str], limit: int, offset: int
    ) -> list[Favourite]:
        """Somebody's favourites: of a type, or of all; with any of these tags, or whatever their tags."""
        ...

    async def search(self, user_id: str, keyword: str, limit: int, offset: int) -> list[Favourite]:
        """Somebody's favourites with a (folded) keyword somewhere in title, content or a tag."""
        ...

    async def delete(self, user_id: str, favourite_id: str) -> bool:
        """Delete one; False if there is none."""
        ...

    async def stats(self, user_id: str) -> FavouriteStats: ...

    async def erase(self, user_id: str) -> None:
        """Delete all of somebody's favourites."""
        ...
