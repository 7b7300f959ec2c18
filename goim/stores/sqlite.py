"""SQLite as a server needs it: one thread that writes, a few that read, write-ahead log, every commit on disk.

Piccolo's stock engine opens a connection and a thread per query (5 ms an update). Here each connection lives in a
thread of its own and a call costs one hop there and back. See `engine.py` for how Piccolo's tables are run on it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from contextvars import ContextVar, Token
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from piccolo.engine.exceptions import TransactionError
from piccolo.engine.sqlite import Atomic, SQLiteEngine, SQLiteTransaction, TransactionType
from piccolo.querystring import QueryString

from goim.errors import StoreDown
from goim.stores.base import Taken
from goim.stores.engine import Args, Row

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

_BUSY_TIMEOUT_MS = 10_000
_CACHE_KIB = 65_536
_CHECKPOINT_BYTES = 16 * 1024 * 1024
_CACHED_STATEMENTS = 256
_LARGEST_CHUNK = 64

_UNIQUE = {
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
}
# What the machine, the disk or another process did; anything else is a mistake of ours and keeps its own face.
_TROUBLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


def _told(error: Exception) -> Exception:
    """The error as callers know it."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _UNIQUE:
        return Taken(str(error))
    if code & 0xFF in _TROUBLE:
        return StoreDown(f"SQLite: {error}")
    return error


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return  # the task that asked was cancelled; what was done stands
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _attempt(job: Job[Any], connection: sqlite3.Connection) -> tuple[Any, Exception | None]:
    try:
        return job(connection), None
    except Exception as error:  # noqa: BLE001 it is raised where the job came from
        return None, _told(error)


class _Worker:
    """A thread with a connection that does jobs from a queue, in order; several may share a queue."""

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection], jobs: SimpleQueue[Any]) -> None:
        self._connect = connect
        self._jobs = jobs
        self._opened: asyncio.Future[None]
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    async def start(self) -> None:
        """Return when the connection stands."""
        self._opened = asyncio.get_running_loop().create_future()
        self._thread.start()
        await self._opened

    async def join(self) -> None:
        """Return when the thread has ended, which a None in its queue makes it do."""
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        loop = self._opened.get_loop()
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001 it is raised where the engine is opened
            loop.call_soon_threadsafe(_settle, self._opened, None, _told(error))
            return
        loop.call_soon_threadsafe(_settle, self._opened, None, None)
        with closing(connection):
            while (item := self._jobs.get()) is not None:
                job, future = item
                loop.call_soon_threadsafe(_settle, future, *_attempt(job, connection))
                del item, job, future  # or they would live until the next job


def _whole(job: Job[T], begin: str) -> Job[T]:
    """The job as one transaction."""

    def work(connection: sqlite3.Connection) -> T:
        connection.execute(begin)
        try:
            result = job(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # some errors have rolled back already
                connection.execute("ROLLBACK")
            raise
        return result

    return work


def _part(job: Job[T]) -> Job[T]:
    """The job as part of the transaction that is open, undone alone if it fails."""

    def work(connection: sqlite3.Connection) -> T:
        connection.execute("SAVEPOINT goim_job")
        try:
            result = job(connection)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK TO goim_job")
                connection.execute("RELEASE goim_job")
            raise
        connection.execute("RELEASE goim_job")
        return result

    return work


def _inside(job: Job[T]) -> Job[T]:
    """The job, refused if SQLite gave the open transaction up (a full disk does that): it would stand alone."""

    def work(connection: sqlite3.Connection) -> T:
        if not connection.in_transaction:
            raise StoreDown("SQLite rolled the transaction back")
        return job(connection)

    return work


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _answer(sql: str, args: Args) -> Job[list[dict[str, Any]]]:
    """A statement and its rows by column name (the same name twice: the last)."""

    def work(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        cursor = connection.execute(sql, args)
        if cursor.description is None:
            return []
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    return work


def _is_read(sql: str) -> bool:
    return sql.lstrip()[:6].upper() == "SELECT"


def _chunks(into: str, rows: Sequence[Row]) -> list[tuple[str, list[Any]]]:
    """The rows as statements of 64, 32, … 1 rows: few enough different ones to stay prepared.

    OR ROLLBACK spares SQLite the journal that it keeps to undo a single statement (34 → 24 µs a row).
    """
    chunks = []
    start = 0
    while start < len(rows):
        size = min(_LARGEST_CHUNK, 1 << (len(rows) - start).bit_length() - 1)
        values = ",".join(["(" + ",".join("?" * len(rows[start])) + ")"] * size)
        args = [value for row in rows[start : start + size] for value in row]
        chunks.append((f"INSERT OR ROLLBACK INTO {into} VALUES {values}", args))
        start += size
    return chunks


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

    def __init__(self, engine: SqliteEngine, transaction_type: TransactionType, allow_nested: bool) -> None:
        self.engine = engine
        self.transaction_type = transaction_type
        self.is_open = False
        self._savepoint_id = 0
        self._parent = engine.open_transaction()
        if self._parent and not allow_nested:
            raise TransactionError("A transaction is already active - nested transactions aren't allowed.")

    async def __aenter__(self) -> SqliteTransaction:  # noqa: PYI034 a nested one is its parent
        if self._parent is not None:
            return self._parent
        await self.engine.begin(f"BEGIN {self.transaction_type.value}")
        self.is_open = True
        self.connection = _TransactionConnection(self.engine)
        self.context = self.engine.current_transaction.set(self)
        return self

    async def commit(self) -> None:
        await self._end(_commit)

    async def rollback(self) -> None:
        await self._end(_roll_back)

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._parent is not None:
            return False
        try:
            if self.is_open:
                await self._end(_roll_back if exception else _commit)
        finally:
            self.engine.current_transaction.reset(self.context)
        return False

    async def _end(self, job: Job[None]) -> None:
        self.is_open = False  # first: a task started inside must not slip in behind the COMMIT
        await self.engine.end(job)


class SqliteEngine(SQLiteEngine):
    """One SQLite file. Open it with `async with`, or `open()` and `close()`.

    - `write(job)` and `read(job)` run a function of the connection as one transaction, in one hop.
    - `fetch`, `execute` and the rest of `SqlEngine` run single statements, Piccolo's queries likewise.
    - A cancelled caller stops waiting; its job is still done.
    """

    current_transaction: ContextVar[SqliteTransaction | None]  # type: ignore[assignment]

    def __init__(self, path: str | Path, *, page_size: int = 4096, readers: int = 2) -> None:
        # Not Engine.__init__: it starts event loops to ask for a version that the library knows.
        self.engine_type = "sqlite"
        self.min_version_number = 3.25
        self.query_id = 0
        self.log_queries = self.log_responses = False
        self.connection_kwargs = {"database": str(path)}
        self.current_transaction = ContextVar(f"goim_transaction_{path}", default=None)
        self._page_size = page_size
        self._write_jobs: SimpleQueue[Any] = SimpleQueue()
        self._read_jobs: SimpleQueue[Any] = SimpleQueue()
        self._writer = _Worker("sqlite-writer", self._connect, self._write_jobs)
        self._readers = [
            _Worker(f"sqlite-reader-{number}", self._connect_reader, self._read_jobs) for number in range(readers)
        ]
        self._turn = asyncio.Lock()  # held by an open transaction
        self._is_open = False

    # Opening and closing

    async def open(self) -> None:
        """Start the threads; `StoreDown` if the file cannot be opened."""
        await self._writer.start()  # first: it creates the file and switches it to WAL
        for reader in self._readers:
            await reader.start()
        self._is_open = True

    async def close(self) -> None:
        """Finish what is queued and join the threads; what comes later is `StoreDown`."""
        if not self._is_open:
            return
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

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            detect_types=sqlite3.PARSE_DECLTYPES,  # Piccolo's converters: BOOLEAN comes back as bool
            cached_statements=_CACHED_STATEMENTS,
        )
        for pragma in (
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            f"page_size={self._page_size}",
            "journal_mode=WAL",
            "synchronous=FULL",
            f"cache_size=-{_CACHE_KIB}",
            f"wal_autocheckpoint={_CHECKPOINT_BYTES // self._page_size}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only=1")
        return connection

    # Jobs

    async def write(self, job: Job[T]) -> T:
        """Run `job` on the writer as one transaction; inside `transaction()`, as a part of that."""
        if self.open_transaction():
            return await self._submit(self._write_jobs, _inside(_part(job)))
        return await self._write_alone(_whole(job, "BEGIN IMMEDIATE"))

    async def read(self, job: Job[T]) -> T:
        """Run `job` on one snapshot; inside `transaction()`, on what that sees."""
        if self.open_transaction():
            return await self._submit(self._write_jobs, _inside(job))
        return await self._submit(self._read_jobs, _whole(job, "BEGIN"))

    def _submit(self, jobs: SimpleQueue[Any], job: Job[T]) -> asyncio.Future[T]:
        if not self._is_open:
            raise StoreDown("the SQLite engine is not open")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        jobs.put((job, future))
        return future

    async def _write_alone(self, job: Job[T]) -> T:
        if not self._turn.locked():  # the queue keeps the order, so no need to hold the lock
            return await self._submit(self._write_jobs, job)
        async with self._turn:
            future = self._submit(self._write_jobs, job)
        return await future

    async def _statement(self, sql: str, job: Job[T]) -> T:
        """Run a job that is one statement (a transaction by itself) where it belongs."""
        if self.open_transaction():
            return await self._submit(self._write_jobs, _inside(job))
        if _is_read(sql):
            return await self._submit(self._read_jobs, job)
        return await self._write_alone(job)

    # Statements

    async def fetch(self, sql: str, args: Args = ()) -> list[dict[str, Any]]:
        """The rows that one statement answers, by column name."""
        return await self._statement(sql, _answer(sql, args))

    async def fetch_rows(self, sql: str, args: Args = ()) -> list[Row]:
        """The rows that one statement answers, as tuples."""
        return await self._statement(sql, lambda connection: connection.execute(sql, args).fetchall())

    async def fetch_each(self, sql: str, each: Sequence[Args]) -> list[Row]:
        """One SELECT run with each of these arguments on one snapshot: all their rows, in that order."""
        return await self.read(lambda connection: [row for args in each for row in connection.execute(sql, args)])

    async def execute(self, sql: str, args: Args = ()) -> int:
        """How many rows one statement changed."""
        return await self._statement(sql, lambda connection: max(connection.execute(sql, args).rowcount, 0))

    async def execute_many(self, sql: str, each: Sequence[Args]) -> int:
        """How many rows one statement changed when run with each of these arguments, all of it or nothing."""
        return await self.write(lambda connection: connection.executemany(sql, each).rowcount)

    async def insert_rows(self, into: str, rows: Sequence[Row]) -> None:
        """Insert rows into a table, `into` its name, with values for all its columns: all of them or nothing.

        The fast way. Not for use inside a transaction: a taken key would end all of it.
        """
        if self.open_transaction():
            raise TransactionError("insert_rows is a transaction of its own")
        chunks = _chunks(into, rows)
        if len(chunks) == 1:  # one statement is a transaction by itself
            sql, args = chunks[0]
            await self._write_alone(lambda connection: connection.execute(sql, args))
        else:
            await self.write(lambda connection: [connection.execute(sql, args) for sql, args in chunks])

    # What Piccolo calls

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[dict[str, Any]]:
        """Run what Piccolo built."""
        sql, args = querystring.compile_string(engine_type="sqlite")
        return await self.fetch(sql, args)

    async def execute_querystring(self, querystring: QueryString) -> int:
        """Run what Piccolo built and say how many rows it changed."""
        return await self.execute(*querystring.compile_string(engine_type="sqlite"))

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[dict[str, Any]]:
        """Run one statement that changes the schema."""
        return await self.fetch(ddl)

    def transaction(
        self, transaction_type: TransactionType = TransactionType.immediate, allow_nested: bool = True
    ) -> SqliteTransaction:
        """The writer for one alone: other writes wait. One inside another is part of the outer."""
        return SqliteTransaction(self, transaction_type, allow_nested)

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
            await self._submit(self._write_jobs, lambda connection: connection.execute(sql))
        except BaseException:
            self._release(_roll_back)  # cancelled: BEGIN may still be on its way, this follows it
            raise

    async def end(self, job: Job[None]) -> None:
        """Give the writer back after `job`, even if the caller is cancelled."""
        await self._release(job)

    def _release(self, job: Job[None]) -> asyncio.Future[None]:
        try:
            return self._submit(self._write_jobs, job)
        finally:
            self._turn.release()
