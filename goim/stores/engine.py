"""What the SQL stores ask of a database engine, whichever it is, and how Piccolo's tables find the engine of a query.

Piccolo ties a table class to one engine, but a process may run several (two nodes in one test, the log in a file of its
own). So tables are bound to `ROUTED`, which knows the dialect that queries are built in and sends each to the engine
that it was run with:

    class UserTable(Table, tablename="users", db=ROUTED): ...

    rows = await run(engine, UserTable.select().where(UserTable.user_id == user_id))
    changed = await affected(engine, UserTable.update({UserTable.nickname: "Ann"}).where(...))

    async with engine.transaction():  # or a store's method that is `@atomic`
        await run(engine, UserTable.insert(UserTable(...)))     # `Taken` when a unique key is; answers []
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from piccolo.engine.sqlite import SQLiteEngine, SQLiteTransaction
from piccolo.query.base import Query
from piccolo.querystring import QueryString

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
P = ParamSpec("P")

Args = Sequence[Any]
Row = tuple[Any, ...]


class SqlEngine(Protocol):
    """A database that speaks SQL; placeholders are `?`.

    A taken unique key is `Taken`, a database in trouble `StoreDown`. Inside `transaction()` everything takes part in
    it; outside, each call is a transaction of its own.
    """

    async def fetch(self, sql: str, args: Args = ()) -> list[dict[str, Any]]:
        """The rows that one statement answers, by column name."""
        ...

    async def fetch_rows(self, sql: str, args: Args = ()) -> list[Row]:
        """The rows that one statement answers, as tuples."""
        ...

    async def scan_rows(self, sql: str, args: Args = ()) -> list[Row]:
        """`fetch_rows` of a statement that may have to read a whole table: it takes as long as it does."""
        ...

    async def fetch_each(self, sql: str, each: Sequence[Args]) -> list[Row]:
        """One SELECT run with each of these arguments on one snapshot: all their rows, in that order."""
        ...

    async def execute(self, sql: str, args: Args = ()) -> int:
        """How many rows one statement changed."""
        ...

    async def execute_many(self, sql: str, each: Sequence[Args]) -> int:
        """How many rows one statement changed when run with each of these arguments, all of it or nothing."""
        ...

    async def execute_all(self, statements: Sequence[tuple[str, Args]]) -> bool:
        """Run statements as one; if any of them changes no row, none of them stands and the answer is False."""
        ...

    async def insert_rows(self, into: str, rows: Sequence[Row]) -> None:
        """Insert rows into a table, `into` its name, with values for all its columns: all of them or nothing.

        The fast way, for tables whose first column is never NULL. Not inside a transaction: a taken key would end it.
        """
        ...

    async def run_querystring(self, querystring: QueryString) -> list[dict[str, Any]]:
        """Run what Piccolo built."""
        ...

    async def execute_querystring(self, querystring: QueryString) -> int:
        """Run what Piccolo built and say how many rows it changed."""
        ...

    async def run_ddl(self, ddl: str) -> list[dict[str, Any]]:
        """Run one statement that changes the schema."""
        ...

    ddl_can_be_undone: bool
    """Whether changes of the schema are part of a transaction."""

    def alone(self, purpose: str) -> AbstractAsyncContextManager[Any]:
        """Keep every other process out that wants to be alone for the same purpose; `StoreDown` if one stays for long.

        Where the schema can be changed in a transaction, it is one.
        """
        ...

    async def has_table(self, name: str) -> bool:
        """Whether the schema has this table."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Make what happens in the block stand as a whole or not at all; one inside another is part of the outer."""
        ...

    async def whole(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` in a transaction: again, if the database gave that up for the sake of another (a deadlock)."""
        ...


class HasEngine(Protocol):
    """A store."""

    @property
    def _engine(self) -> SqlEngine: ...


S = TypeVar("S", bound=HasEngine)


def atomic(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """A store's method as one transaction. It may run again from its beginning, so it changes nothing else."""

    @functools.wraps(method)
    async def whole(store: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await store._engine.whole(lambda: method(store, *args, **kwargs))

    return whole


class _Runnable(Protocol[T_co]):
    """A query of Piccolo's, or one of its proxies such as `select().first()`."""

    def run(self) -> Awaitable[T_co]: ...


_current: ContextVar[SqlEngine] = ContextVar("goim_sql_engine")


class RoutedEngine(SQLiteEngine):
    """Builds queries in goim's one dialect (SQLite's, without RETURNING) and runs them on the engine given to `run`."""

    def __init__(self) -> None:
        # Not Engine.__init__: it starts event loops to ask for a version that is fixed here.
        self.engine_type = "sqlite"
        self.min_version_number = 3.25
        self.query_id = 0
        self.log_queries = self.log_responses = False

    def get_version_sync(self) -> float:
        """The last version before RETURNING, which MySQL and TiDB do not have."""
        return 3.34

    async def run_querystring(  # type: ignore[override] # nobody passes another `in_pool` than the default
        self, querystring: QueryString, **_: Any
    ) -> list[dict[str, Any]]:
        return await _current.get().run_querystring(querystring)

    async def run_ddl(self, ddl: str, **_: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        return await _current.get().run_ddl(ddl)

    def transaction(self, *_: Any, **__: Any) -> SQLiteTransaction:
        raise TypeError("a transaction belongs to an engine: use engine.transaction()")


ROUTED = RoutedEngine()


async def run(engine: SqlEngine, query: _Runnable[T]) -> T:
    """Run a query of a table bound to `ROUTED` on this engine."""
    token = _current.set(engine)
    try:
        return await query.run()
    finally:
        _current.reset(token)


async def affected(engine: SqlEngine, query: Query[Any, Any]) -> int:
    """Run an update, delete or insert on this engine and say how many rows it changed."""
    return sum([await engine.execute_querystring(querystring) for querystring in query.querystrings])
