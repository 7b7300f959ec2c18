"""Favourites in an SQL database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import convert
from msgspec.structs import asdict, replace

from goim.model.favourites import Favourite, FavouriteStats, FavouriteType
from goim.model.words import folded
from goim.stores.base import Taken
from goim.stores.engine import SqlEngine, atomic, run
from goim.stores.sql_accounts import LOCK_USER
from goim.stores.tables import FavouriteTable, FavouriteTagTable

COUNT_FAVOURITES = "SELECT COUNT(*) FROM favourites WHERE user_id = ?"
ONE_FAVOURITE = "SELECT 1 FROM favourites WHERE user_id = ? AND favourite_id = ?"

ADD_TAG = "INSERT INTO favourite_tags (user_id, tag, favourite_id, place) VALUES (?, ?, ?, ?)"
TAGS_OF = "SELECT favourite_id, tag FROM favourite_tags WHERE user_id = ? AND favourite_id = ? ORDER BY place"

# Reads what one user keeps, latest first, until a page is full.
SEARCH_FAVOURITES = """
SELECT favourite_id, user_id, type, conv_id, title, content, message, created_at FROM favourites
WHERE user_id = ? AND INSTR(search_key, ?) > 0
ORDER BY created_at DESC, favourite_id DESC LIMIT ? OFFSET ?"""

DELETE_FAVOURITE = "DELETE FROM favourites WHERE user_id = ? AND favourite_id = ?"
DELETE_TAGS = "DELETE FROM favourite_tags WHERE user_id = ? AND favourite_id = ?"

FAVOURITE_STATS = "SELECT type, COUNT(*) FROM favourites WHERE user_id = ? GROUP BY type"


class SqlFavourites:
    """`Favourites` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    @atomic
    async def add(self, favourite: Favourite, limit: int) -> bool:
        row = asdict(favourite)
        tags = row.pop("tags")
        key = (favourite.user_id, favourite.favourite_id)
        await self._engine.execute(LOCK_USER, (favourite.user_id,))
        [(count,)] = await self._engine.fetch_rows(COUNT_FAVOURITES, (favourite.user_id,))
        if count >= limit:
            if await self._engine.fetch_rows(ONE_FAVOURITE, key):
                raise Taken(favourite.favourite_id)
            return False
        await run(self._engine, FavouriteTable.insert(FavouriteTable(**row, search_key=search_key(favourite))))
        each = [(key[0], tag, key[1], place) for place, tag in enumerate(tags)]
        await self._engine.execute_many(ADD_TAG, each)
        return True

    async def page(
        self, user_id: str, kind: FavouriteType | None, tags: Collection[str], limit: int, offset: int
    ) -> list[Favourite]:
        query = FavouriteTable.select().where(FavouriteTable.user_id == user_id)
        if kind is not None:
            query = query.where(FavouriteTable.type == kind.value)
        if tags:
            has_tag = (FavouriteTagTable.user_id == user_id) & FavouriteTagTable.tag.is_in(list(tags))
            tagged = FavouriteTagTable.select(FavouriteTagTable.favourite_id).where(has_tag)
            query = query.where(FavouriteTable.favourite_id.is_in(tagged))
        latest = query.order_by(FavouriteTable.created_at, FavouriteTable.favourite_id, ascending=False)
        return await self._with_tags(user_id, await run(self._engine, latest.limit(limit).offset(offset)))

    async def search(self, user_id: str, keyword: str, limit: int, offset: int) -> list[Favourite]:
        rows = await self._engine.fetch(SEARCH_FAVOURITES, (user_id, keyword, limit, offset))
        return await self._with_tags(user_id, rows)

    @atomic
    async def delete(self, user_id: str, favourite_id: str) -> bool:
        deleted = await self._engine.execute(DELETE_FAVOURITE, (user_id, favourite_id))
        await self._engine.execute(DELETE_TAGS, (user_id, favourite_id))
        return deleted > 0

    async def stats(self, user_id: str) -> FavouriteStats:
        counts: dict[str, int] = dict(await self._engine.fetch_rows(FAVOURITE_STATS, (user_id,)))
        return FavouriteStats(sum(counts.values()), counts.get("message", 0), counts.get("custom", 0))

    @atomic
    async def erase(self, user_id: str) -> None:
        await run(self._engine, FavouriteTable.delete().where(FavouriteTable.user_id == user_id))
        await run(self._engine, FavouriteTagTable.delete().where(FavouriteTagTable.user_id == user_id))

    async def _with_tags(self, user_id: str, rows: Sequence[dict[str, Any]]) -> list[Favourite]:
        """The favourites of these rows, in one more query."""
        favourites = convert(rows, list[Favourite])  # the search key, which is no field, is passed over
        tags: dict[str, list[str]] = {favourite.favourite_id: [] for favourite in favourites}
        for favourite_id, tag in await self._engine.fetch_each(TAGS_OF, [(user_id, each) for each in tags]):
            tags[favourite_id].append(tag)
        return [replace(favourite, tags=tuple(tags[favourite.favourite_id])) for favourite in favourites]


def search_key(favourite: Favourite) -> str:
    """All that it is found by, a line each: no keyword goes across lines."""
    return "\n".join(folded(part) for part in (favourite.title, favourite.content, *favourite.tags))
