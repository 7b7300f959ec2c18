"""SQLite as a server needs it: one thread that writes, a few that read, write-ahead log, every commit on disk.

Piccolo's stock engine opens a connection and a thread per query (5 ms an update). Here each connection lives in a
thread of its own and a call costs one hop there and back. See `engine.py` for how Piccolo's tables are run on it.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar, Token
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from piccolo.engine.exceptions import TransactionError
from piccolo.engine.sqlite import Atomic, SQLiteEngine, SQLiteTransaction, TransactionType
from piccolo.querystring import QueryString

from goim.errors import StoreDown
from goim.stores.engine import Args, Row
from goim.stores.sqlite_worker import (
    Job,
    JobQueue,
    NothingChanged,
    Statement,
    Work,
    Worker,
    as_part,
    as_transaction,
    commit,
    connect,
    insertion,
    inside,
    roll_back,
    run_all,
    statement,
    statements,
)

T = TypeVar("T")


def _answer(sql: str, args: Args) -> Job[list[dict[str, Any]]]:
    """A statement and its rows by column name (the same name twice: the last)."""

    def work(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        cursor = connection.execute(sql, args)
        if cursor.description is None:
            return []
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    return work


def is_read(sql: str) -> bool:
    return sql.lstrip()[:6].upper() == "SELECT"


def _is_change(sql: str) -> bool:
    return sql.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE")


class _TransactionConnection:
    """What a transaction and its savepoints run their statements on."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = engine

    async def execute(self, sql: str) -> None:
        await self._engine.execute(sql)


class SqliteTransaction(SQLiteTransaction):
    """The writer for one alone, from BEGIN IMMEDIATE to COMMIT. After `commit()` or `rollback()` it is over.

    Tasks started inside take part while it is open; afterwards their queries are on their own.
    """

    engine: SqliteEngine
    _parent: SqliteTransaction | None
    context: Token[SqliteTransaction | None]  # type: ignore[assignment]

    def __init__(self, engine: SqliteEngine, transaction_type: TransactionType, *, allow_nested: bool) -> None:
        self.engine = engine
        self.transaction_type = transaction_type
        self.is_open = False
        self._savepoint_id = 0
        self._parent = engine.open_transaction()
        if self._parent and not allow_nested:
            raise TransactionError("A transaction is already active - nested transactions aren't allowed.")

    async def __aenter__(self) -> SqliteTransaction:
        if self._parent is not None:
            return self._parent
        await self.engine.begin(f"BEGIN {self.transaction_type.value}")
        self.is_open = True
        self.connection = _TransactionConnection(self.engine)
        self.context = self.engine.current_transaction.set(self)
        return self

    async def commit(self) -> None:
        await self._end(inside(commit))

    async def rollback(self) -> None:
        await self._end(roll_back)

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if self._parent is not None:
            return False
        try:
            if self.is_open:
                await self._end(roll_back if exception else inside(commit))
        finally:
            self.engine.current_transaction.reset(self.context)
        return False

    async def _end(self, job: Job[None]) -> None:
        self.is_open = False  # first: a task started inside must not slip in behind the COMMIT
        await self.engine.end(job)


class SqliteEngine(SQLiteEngine):
    """One SQLite file. Open it with `async with`, or `open()` and `close()`.

    - `write(job)` and `read(job)` run a function of the connection as one transaction, in one hop. Writes that wait
      together are one commit; each stands or falls by itself, and may be begun again from its beginning.
    - `fetch`, `execute` and the rest of `SqlEngine` run single statements, Piccolo's queries likewise.
    - A cancelled caller stops waiting; its job is still done.
    """

    current_transaction: ContextVar[SqliteTransaction | None]  # type: ignore[assignment]
    ddl_can_be_undone = True

    def __init__(self, path: str | Path, *, page_size: int = 4096, readers: int = 2) -> None:
        # Not Engine.__init__: it starts event loops to ask for a version that the library knows.
        self.engine_type = "sqlite"
        self.min_version_number = 3.25
        self.query_id = 0
        self.log_queries = self.log_responses = False
        self.connection_kwargs = {"database": str(path)}
        self.current_transaction = ContextVar(f"goim_transaction_{path}", default=None)
        self._write_jobs: JobQueue = SimpleQueue()
        self._read_jobs: JobQueue = SimpleQueue()
        writing = functools.partial(connect, str(path), page_size)
        reading = functools.partial(connect, str(path), page_size, read_only=True)
        self._writer = Worker("sqlite-writer", writing, self._write_jobs)
        self._readers = [Worker(f"sqlite-reader-{number}", reading, self._read_jobs) for number in range(readers)]
        self._turn = asyncio.Lock()  # held by an open transaction
        self._is_open = False

    # Opening and closing

    async def open(self) -> None:
        """Start the threads; `StoreDown` if the file cannot be opened."""
        try:
            await self._writer.start()  # first: it creates the file and switches it to WAL
            for reader in self._readers:
                await reader.start()
        except BaseException:
            await self.close()
            raise
        self._is_open = True

    async def close(self) -> None:
        """Finish what is queued and join the threads; what comes later is `StoreDown`."""
        self._is_open = False
        for _ in self._readers:
            self._read_jobs.put(None)
        for reader in self._readers:
            await reader.join()
        self._write_jobs.put(None)
        await self._writer.join()  # last: the last connection folds the WAL into the file

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Jobs

    async def write(self, job: Job[T]) -> T:
        """Run `job` on the writer as one transaction; inside `transaction()`, as a part of that."""
        if self.open_transaction():
            return await self._submit(self._write_jobs, Work(as_part(job)))
        return await self._write(statements(job))

    async def read(self, job: Job[T]) -> T:
        """Run `job` on one snapshot; inside `transaction()`, on what that sees."""
        if self.open_transaction():
            return await self._submit(self._write_jobs, Work(inside(job)))
        return await self._submit(self._read_jobs, Work(as_transaction(job, "BEGIN")))

    def _submit(self, jobs: JobQueue, work: Work[T]) -> asyncio.Future[T]:
        if not self._is_open:
            raise StoreDown("the SQLite engine is not open")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        jobs.put((work, future))
        return future

    async def _write(self, work: Work[T]) -> T:
        if not self._turn.locked():  # the queue keeps the order, so no need to hold the lock
            return await self._submit(self._write_jobs, work)
        async with self._turn:
            future = self._submit(self._write_jobs, work)
        return await future

    async def _statement(self, sql: str, job: Job[T]) -> T:
        """Run a job that is one statement (a transaction by itself) where it belongs."""
        if self.open_transaction():
            return await self._submit(self._write_jobs, Work(inside(job)))
        if is_read(sql):
            return await self._submit(self._read_jobs, Work(job))
        return await self._write(statement(job) if _is_change(sql) else Work(job))

    # Statements

    async def fetch(self, sql: str, args: Args = ()) -> list[dict[str, Any]]:
        """The rows that one statement answers, by column name."""
        return await self._statement(sql, _answer(sql, args))

    async def fetch_rows(self, sql: str, args: Args = ()) -> list[Row]:
        """The rows that one statement answers, as tuples."""
        return await self._statement(sql, lambda connection: connection.execute(sql, args).fetchall())

    async def scan_rows(self, sql: str, args: Args = ()) -> list[Row]:
        """The same; nobody grows impatient here."""
        return await self.fetch_rows(sql, args)

    async def fetch_each(self, sql: str, each: Sequence[Args]) -> list[Row]:
        """One SELECT run with each of these arguments on one snapshot: all their rows, in that order."""
        return await self.read(lambda connection: [row for args in each for row in connection.execute(sql, args)])

    async def execute(self, sql: str, args: Args = ()) -> int:
        """How many rows one statement changed."""
        return await self._statement(sql, lambda connection: max(connection.execute(sql, args).rowcount, 0))

    async def execute_many(self, sql: str, each: Sequence[Args]) -> int:
        """How many rows one statement changed when run with each of these arguments, all of it or nothing."""
        return await self.write(lambda connection: max(connection.executemany(sql, each).rowcount, 0))

    async def insert_rows(self, into: str, rows: Sequence[Row]) -> None:
        """Insert rows into a table, `into` its name, with values for all its columns: all of them or nothing.

        The fast way, for tables whose first column is never NULL. Not inside a transaction: a taken key would end it.
        """
        if self.open_transaction():
            raise TransactionError("insert_rows is a transaction of its own")
        await self._write(insertion(into, rows))

    async def execute_all(self, statements: Sequence[Statement]) -> bool:
        """Run statements as one; if any of them changes no row, none of them stands and the answer is False."""
        try:
            await self.write(lambda connection: run_all(connection, statements))
        except NothingChanged:
            return False
        return True

    def alone(self, purpose: str) -> SqliteTransaction:  # noqa: ARG002 there is one writer
        """Keep every other process out until it is done."""
        return self.transaction()

    async def has_table(self, name: str) -> bool:
        """Whether the schema has this table."""
        return bool(await self.fetch_rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))

    # What Piccolo calls

    async def run_querystring(  # type: ignore[override] # `in_pool` says nothing here
        self, querystring: QueryString, **_: Any
    ) -> list[dict[str, Any]]:
        """Run what Piccolo built."""
        sql, args = querystring.compile_string(engine_type="sqlite")
        return await self.fetch(sql, args)

    async def execute_querystring(self, querystring: QueryString) -> int:
        """Run what Piccolo built and say how many rows it changed."""
        return await self.execute(*querystring.compile_string(engine_type="sqlite"))

    async def run_ddl(self, ddl: str, **_: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """Run one statement that changes the schema."""
        return await self.fetch(ddl)

    def transaction(
        self,
        transaction_type: TransactionType = TransactionType.immediate,
        allow_nested: bool = True,  # noqa: FBT001, FBT002 Piccolo's signature
    ) -> SqliteTransaction:
        """The writer for one alone: other writes wait. One inside another is part of the outer."""
        return SqliteTransaction(self, transaction_type, allow_nested=allow_nested)

    async def whole(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` in a transaction. There is one writer, so no other is ever in its way."""
        async with self.transaction():
            return await work()

    def atomic(self, transaction_type: TransactionType = TransactionType.immediate) -> Atomic:
        """Piccolo's list of queries that stand or fall together."""
        return Atomic(self, transaction_type)

    def transaction_exists(self) -> bool:
        """Whether the current task is in an open transaction."""
        return self.open_transaction() is not None

    def open_transaction(self) -> SqliteTransaction | None:
        """The transaction that the current task is in; one that is over (tasks keep their context) does not count."""
        transaction = self.current_transaction.get()
        return transaction if transaction is not None and transaction.is_open else None

    async def begin(self, sql: str) -> None:
        """Take the writer for a transaction."""
        await self._turn.acquire()
        try:
            await self._submit(self._write_jobs, Work(lambda connection: connection.execute(sql)))
        except BaseException:
            self._release(roll_back)  # cancelled: BEGIN may still be on its way, this follows it
            raise

    async def end(self, job: Job[None]) -> None:
        """Give the writer back after `job`, even if the caller is cancelled."""
        await self._release(job)

    def _release(self, job: Job[None]) -> asyncio.Future[None]:
        try:
            return self._submit(self._write_jobs, Work(job))
        finally:
            self._turn.release()
