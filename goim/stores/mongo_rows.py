"""Whole collections of MongoDB in pages, with the rows that SQL has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pymongo.errors import BulkWriteError

from goim.errors import StoreDown
from goim.stores.mongo import DUPLICATE_KEY, Doc, MongoDatabase, page, told
from goim.stores.mongo_changes import MongoChanges
from goim.stores.rows import Row, Shape, plain

_ON = {"reactions": {"is_on": True}}
"""Which documents count; the others are what is left of rows that SQL has deleted."""
_FRESH: dict[str, dict[str, Any]] = {"reactions": {"is_on": True, "change_no": 0}}
"""What documents have besides; 0 is before every change to come."""


class MongoRows:
    """`RowStore` in MongoDB."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def settle(self, tell: Callable[[int, int], None]) -> None:
        await MongoChanges(self._database).settle_all(tell)

    async def page(self, shape: Shape, after: Row | None, limit: int) -> list[Row]:
        beyond = {} if after is None else _beyond(shape.key, after)
        where = {**_ON.get(shape.name, {}), **beyond}
        order = [(column, 1) for column in shape.key]
        found = await page(self._database[shape.name], where, order, limit, *shape.columns)
        return [tuple(plain(document[column]) for column in shape.columns) for document in found]

    async def put(self, shape: Shape, rows: Sequence[Row]) -> None:
        more = _FRESH.get(shape.name, {})
        documents = [{**dict(zip(shape.columns, row, strict=True)), **more} for row in rows]
        try:
            with told():
                await self._database[shape.name].insert_many(documents, ordered=False)
        except BulkWriteError as error:
            refused = {each["code"] for each in error.details["writeErrors"]}
            if error.details["writeConcernErrors"] or refused != {DUPLICATE_KEY}:
                raise StoreDown(f"MongoDB: {error}") from error

    async def count(self, shape: Shape) -> int:
        """As the server has it at hand. It may be wrong after a crash of it, and has what is left of reactions, too."""
        with told():
            return await self._database[shape.name].estimated_document_count()


def _beyond(key: Sequence[str], place: Row) -> Doc:
    """Keys after a place: a greater first column, or the same and a greater second …"""
    same = [dict(zip(key[:depth], place[:depth], strict=True)) for depth in range(len(key))]
    return {"$or": [{**same[depth], key[depth]: {"$gt": place[depth]}} for depth in range(len(key))]}
