"""MySQL, MariaDB and TiDB as engines of the SQL stores, over asyncmy.

Statements in goim's dialect are translated (`mysql_dialect.py`), what belongs together goes in one round trip, and what
the server gave up for somebody else's sake (a deadlock, a write conflict) is done again where nothing of it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar, Token
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from piccolo.querystring import QueryString

from goim.clock import Clock, SystemClock
from goim.config.dsn import Dsn
from goim.errors import StoreDown
from goim.stores.engine import Args, Row
from goim.stores.mysql_dialect import filled, in_order, inserts, many, union
from goim.stores.mysql_errors import Conflict, Lost
from goim.stores.mysql_parts import BEGIN, NothingChanged, as_one, room, selected
from goim.stores.mysql_pool import Answer, Link, Pool, connect

T = TypeVar("T")

_ATTEMPTS = 5
_FIRST_PAUSE = 0.005
_PATIENCE_SECONDS = 15
_ARMS = 64
"""SELECTs in one UNION: each opens its tables, and the server keeps only so many open."""

HAS_TABLE = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
TAKE_LOCK = "SELECT GET_LOCK(?, ?)"
GIVE_LOCK = "SELECT RELEASE_LOCK(?)"


class MysqlTransaction:
    """A connection for one alone, from START TRANSACTION to COMMIT. After `commit()` or `rollback()` it is over.

    Tasks started inside take part while it is open, one statement at a time; afterwards their queries are on their own.
    If the server gave it up (a deadlock does that), nothing more can be done in it: all that follows is `Conflict`.
    """

    def __init__(self, engine: MysqlEngine) -> None:
        self._engine = engine
        self._parent = engine.open_transaction()
        self._turn = asyncio.Lock()
        self._failure: StoreDown | None = None
        self._link: Link
        self._context: Token[MysqlTransaction | None]
        self.is_open = False

    async def __aenter__(self) -> MysqlTransaction:
        if self._parent is not None:
            return self._parent
        self._link = await self._engine.begin()
        self.is_open = True
        self._context = self._engine.current_transaction.set(self)
        return self

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
                await (self.rollback() if exception else self.commit())
        finally:
            self._engine.current_transaction.reset(self._context)
        return False

    async def work(self, job: Callable[[Link], Awaitable[T]]) -> T:
        """Do something on its connection, after what others in it are at."""
        async with self._turn:
            if not self.is_open:
                raise StoreDown("the transaction is over")
            if self._failure is not None:
                raise self._failure
            try:
                return await job(self._link)
            except StoreDown as error:
                self._failure = error
                raise

    async def commit(self) -> None:
        """Make it stand; `Conflict` or `StoreDown` if it does not."""
        await self._end("COMMIT")

    async def rollback(self) -> None:
        """Undo it."""
        await self._end("ROLLBACK")

    async def savepoint(self, name: str) -> None:
        """Remember where it stands."""
        await self.work(lambda link: link.run(f'SAVEPOINT "{name}"'))

    async def rollback_to(self, name: str) -> None:
        """Undo what was done since."""
        await self.work(lambda link: link.run(f'ROLLBACK TO SAVEPOINT "{name}"'))

    async def _end(self, sql: str) -> None:
        async with self._turn:  # whoever is at a statement finishes it
            self.is_open = False
            try:
                if self._failure is not None and sql == "COMMIT":
                    raise self._failure
                await self._link.run(sql)
                self._link.in_transaction = False
            except StoreDown:
                if sql == "COMMIT":
                    raise  # of a ROLLBACK the end of the connection is one, too
            finally:
                self._engine.pool.give(self._link)  # in the middle of a transaction: closed


class MysqlEngine:
    """One database of a MySQL-family server. Open it with `async with`, or `open()` and `close()`.

    A cancelled caller stops waiting; what was under way may or may not be done.
    """

    ddl_can_be_undone = False

    def __init__(self, dsn: Dsn, *, connections: int = 16, clock: Clock | None = None) -> None:
        self.dsn = dsn
        self._clock = clock or SystemClock()
        self.pool = Pool(partial(connect, dsn), connections, self._clock)
        self.current_transaction: ContextVar[MysqlTransaction | None] = ContextVar("goim_transaction", default=None)
        self.version = ""

    @property
    def is_tidb(self) -> bool:
        """Whether the server is TiDB."""
        return "TiDB" in self.version

    @property
    def product(self) -> str:
        """What the server is called."""
        return next((name for name in ("TiDB", "MariaDB") if name in self.version), "MySQL")

    async def open(self) -> None:
        """See that the server is there, and which it is; `StoreDown` if it is not."""
        await self.pool.open()
        try:
            [(self.version,)] = await self.fetch_rows("SELECT VERSION()")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connections; what comes later is `StoreDown`."""
        await self.pool.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Statements

    async def fetch(self, sql: str, args: Args = ()) -> list[dict[str, Any]]:
        """The rows that one statement answers, by column name."""
        answer = await self._statement(sql, args)
        names = [column[0] for column in answer.columns]
        return [dict(zip(names, row, strict=True)) for row in answer.rows]

    async def fetch_rows(self, sql: str, args: Args = ()) -> list[Row]:
        """The rows that one statement answers, as tuples."""
        return (await self._statement(sql, args)).rows

    async def scan_rows(self, sql: str, args: Args = ()) -> list[Row]:
        """`fetch_rows` of a statement that may have to read a whole table: it takes as long as it does."""
        text = filled(sql, args)
        [answer] = await self._work(lambda link: link.run(text, is_long=True), is_read=True)
        return answer.rows

    async def fetch_each(self, sql: str, each: Sequence[Args]) -> list[Row]:
        """One SELECT run with each of these arguments on one snapshot: all their rows, in that order."""
        if not each:
            return []
        if len(each) == 1:
            return await self.fetch_rows(sql, each[0])
        parts = [union(sql, each[at : at + _ARMS], at) for at in range(0, len(each), _ARMS)]
        is_alone = len(parts) > 1 and self.open_transaction() is None
        answers = await self._work(partial(selected, parts=parts, is_alone=is_alone), is_read=True)
        return in_order([row for answer in answers for row in answer.rows])

    async def execute(self, sql: str, args: Args = ()) -> int:
        """How many rows one statement changed."""
        return (await self._statement(sql, args)).affected

    async def execute_many(self, sql: str, each: Sequence[Args]) -> int:
        """How many rows one statement changed when run with each of these arguments, all of it or nothing."""

        async def run(link: Link) -> int:
            packets = many(sql, each, room(link))
            if len(packets) == len(packets[0]) == 1:  # whole by itself
                return (await link.run(packets[0][0]))[0].affected
            return sum([answer.affected for answer in await as_one(link, packets)])

        return await self._work(run) if each else 0

    async def execute_all(self, statements: Sequence[tuple[str, Args]]) -> bool:
        """Run statements as one; if any of them changes no row, none of them stands and the answer is False."""
        texts = [filled(sql, args) for sql, args in statements]
        try:
            await self._work(lambda link: as_one(link, [texts], all_change=True))
        except NothingChanged:
            return False
        return True

    async def insert_rows(self, into: str, rows: Sequence[Row]) -> None:
        """Insert rows into a table, `into` its name, with values for all its columns: all of them or nothing."""

        async def run(link: Link) -> None:
            statements = inserts(into, rows, room(link))
            if len(statements) == 1:
                await link.run(statements[0])
            else:
                await as_one(link, [[statement] for statement in statements])

        if rows:
            await self._work(run)

    @contextlib.asynccontextmanager
    async def alone(self, purpose: str) -> AsyncIterator[None]:
        """Keep every other process out that wants to be alone for the same purpose, on this database."""
        name = f"goim:{hashlib.sha256(f'{self.dsn.database}:{purpose}'.encode()).hexdigest()[:32]}"
        async with self.pool.link() as link:
            [(got,)] = (await link.run(filled(TAKE_LOCK, (name, _PATIENCE_SECONDS))))[0].rows
            if got != 1:
                raise StoreDown(f"another process is at the {purpose} for more than {_PATIENCE_SECONDS} seconds")
            try:
                yield
            finally:
                await link.run(filled(GIVE_LOCK, (name,)))  # or the end of the connection does it

    async def has_table(self, name: str) -> bool:
        """Whether the schema has this table."""
        return bool(await self.fetch_rows(HAS_TABLE, (name,)))

    # What Piccolo builds

    async def run_querystring(self, querystring: QueryString) -> list[dict[str, Any]]:
        """Run what Piccolo built."""
        return await self.fetch(*querystring.compile_string(engine_type="sqlite"))

    async def execute_querystring(self, querystring: QueryString) -> int:
        """Run what Piccolo built and say how many rows it changed."""
        return await self.execute(*querystring.compile_string(engine_type="sqlite"))

    async def run_ddl(self, ddl: str) -> list[dict[str, Any]]:
        """Run one statement that changes the schema. It stands by itself: the family's DDL is in no transaction.

        It may take as long as it does: an index of a large table takes minutes, and goes on if nobody waits for it.
        """
        await self._work(lambda link: link.run(ddl, is_long=True))
        return []

    # Transactions

    def transaction(self) -> MysqlTransaction:
        """A connection of one's own until it ends. One inside another is part of the outer."""
        return MysqlTransaction(self)

    async def whole(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` in a transaction; again, if the server gave that up and it is not part of another."""
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self.transaction():
                    return await work()
            except Conflict:
                if attempt >= _ATTEMPTS or self.open_transaction() is not None:
                    raise
                await self._clock.sleep(pause_before(attempt))

    def open_transaction(self) -> MysqlTransaction | None:
        """The transaction that the current task is in; one that is over (tasks keep their context) does not count."""
        transaction = self.current_transaction.get()
        return transaction if transaction is not None and transaction.is_open else None

    async def begin(self) -> Link:
        """A connection with a transaction open on it."""
        try:
            return await self._begin()
        except Lost:  # nothing has been done in it
            self.pool.drop_idle()
            return await self._begin()

    async def _begin(self) -> Link:
        link = await self.pool.take()
        try:
            link.in_transaction = True
            await link.run(BEGIN)
        except BaseException:
            self.pool.give(link)
            raise
        return link

    # How it is run

    async def _statement(self, sql: str, args: Args) -> Answer:
        text = filled(sql, args)
        [answer] = await self._work(lambda link: link.run(text), is_read=text[:6].upper() == "SELECT")
        return answer

    async def _work(self, job: Callable[[Link], Awaitable[T]], *, is_read: bool = False) -> T:
        """Do something whole on a connection: in the open transaction, or by itself, again if that is safe."""
        transaction = self.open_transaction()
        if transaction is not None:
            return await transaction.work(job)
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self.pool.link() as link:
                    return await job(link)
            except Conflict:
                if attempt >= _ATTEMPTS:
                    raise
                await self._clock.sleep(pause_before(attempt))
            except Lost:
                self.pool.drop_idle()
                if not is_read or attempt > 1:
                    raise


def pause_before(attempt: int) -> float:
    """Seconds before what met a conflict is tried again: twice as long each time, and not all at the same time."""
    return _FIRST_PAUSE * 2.0**attempt * random.uniform(0.5, 1.0)  # noqa: S311 nothing secret
