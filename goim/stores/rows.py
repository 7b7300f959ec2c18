"""Whole tables in pages, the same rows in whatever database: for moving everything from one to another."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from piccolo.constraints import Unique
from piccolo.table import Table

from goim.model.messages import MessageRow
from goim.stores.engine import SqlEngine
from goim.stores.tables import STRUCTURED_TABLES

Row = tuple[Any, ...]


class Shape(NamedTuple):
    """A table: its columns, and those of them by which a row is told from all others."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: Row) -> Row:
        return tuple(row[self.columns.index(column)] for column in self.key)


LOG_SHAPES = (
    Shape("messages", MessageRow._fields, ("conv_id", "seq")),
    Shape("changes", ("conv_id", "change_no", "seq", "action", "data", "created_at"), ("conv_id", "change_no")),
    Shape("reactions", ("conv_id", "seq", "user_id", "emoji", "created_at"), ("conv_id", "seq", "user_id", "emoji")),
    Shape("conv_deletes", ("owner_id", "conv_id", "seq", "deleted_at"), ("owner_id", "conv_id")),
    Shape(
        "pending",
        ("kind", "conv_id", "from_user_id", "client_msg_id", "due_at"),
        ("kind", "conv_id", "from_user_id", "client_msg_id"),
    ),
)


class RowStore(Protocol):
    """Tables of a database that nobody else writes to."""

    async def settle(self, tell: Callable[[int, int], None]) -> None:
        """Finish what was under way when its nodes were stopped, and tell how much of how much is looked through."""
        ...

    async def page(self, shape: Shape, after: Row | None, limit: int) -> list[Row]:
        """Rows with a key after this one (None: from the first), by key in this database's own order."""
        ...

    async def put(self, shape: Shape, rows: Sequence[Row]) -> None:
        """Store rows; those whose key is there already are passed over."""
        ...

    async def count(self, shape: Shape) -> int:
        """About how many rows there are, for a progress bar: at once, where a database knows."""
        ...


def _shape_of(table: type[Table]) -> Shape:
    columns = tuple(column._meta.db_column_name for column in table._meta.columns)
    whole = [each for each in table._meta.constraints if isinstance(each, Unique) and each._meta.name == "whole_key"]
    if not whole:
        return Shape(table._meta.tablename, columns, (table._meta.primary_key._meta.db_column_name,))
    key = (column if isinstance(column, str) else column._meta.db_column_name for column in whole[0].columns)
    return Shape(table._meta.tablename, columns, tuple(key))


STRUCTURED_SHAPES = tuple(_shape_of(table) for table in STRUCTURED_TABLES)


def checksum(rows: Sequence[Row]) -> int:
    """A sum over rows in whatever order they come; databases do not agree about that."""
    return sum(int.from_bytes(hashlib.blake2b(_encode(row), digest_size=16).digest(), "big") for row in rows)


_encode = msgspec.msgpack.Encoder().encode


def plain(value: Any) -> Any:
    """A value as all databases have it: flags are numbers."""
    if isinstance(value, int):
        return int(value)
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


class SqlRows:
    """`RowStore` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def settle(self, tell: Callable[[int, int], None]) -> None:
        """There is nothing: transactions see to that."""

    async def page(self, shape: Shape, after: Row | None, limit: int) -> list[Row]:
        rows: list[Row] = []
        if after is None:
            rows = await self._engine.fetch_rows(_page_sql(shape, None), (limit,))
        else:
            for same in reversed(range(len(after))):
                if len(rows) < limit:
                    args = (*after[: same + 1], limit - len(rows))
                    rows += await self._engine.fetch_rows(_page_sql(shape, same), args)
        return [tuple(plain(value) for value in row) for row in rows]

    async def put(self, shape: Shape, rows: Sequence[Row]) -> None:
        await self._engine.execute_many(_put_sql(shape), rows)

    async def count(self, shape: Shape) -> int:
        return int((await self._engine.scan_rows(_count_sql(shape)))[0][0])


# Statements are built from the shapes above, which are our own, and from nothing else.


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


@functools.cache
def _page_sql(shape: Shape, same: int | None) -> str:
    """Rows by key whose first `same` columns are the ones given and whose next is greater; None: all.

    `a = ? AND b > ?` and then `a > ?`, for as one condition it would be walked from the first row with this `a`: a
    conversation of a million messages would be read from its beginning for each of its pages. MariaDB sorts whatever is
    left, if the order names columns that are given.
    """
    where, order = "", shape.key[same or 0 :]
    if same is not None:
        conditions = [*(f'"{column}" = ?' for column in shape.key[:same]), f'"{shape.key[same]}" > ?']
        where = f"WHERE {' AND '.join(conditions)} "
    return f'SELECT {_names(shape.columns)} FROM "{shape.name}" {where}ORDER BY {_names(order)} LIMIT ?'  # noqa: S608


@functools.cache
def _put_sql(shape: Shape) -> str:
    holes = ", ".join("?" * len(shape.columns))
    columns, key = _names(shape.columns), _names(shape.key)
    return f'INSERT INTO "{shape.name}" ({columns}) VALUES ({holes}) ON CONFLICT ({key}) DO NOTHING'  # noqa: S608


@functools.cache
def _count_sql(shape: Shape) -> str:
    return f'SELECT COUNT(*) FROM "{shape.name}"'  # noqa: S608
