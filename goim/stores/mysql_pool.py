"""Connections to a MySQL-family server: each good for one at a time, kept in a pool that grows as it must.

A connection goes back to the pool only if it is known to be clean: every answer read, no transaction open. Whoever is
cancelled, or meets an error that the server did not send, leaves a connection that is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

from asyncmy.connection import Connection
from asyncmy.constants import FIELD_TYPE
from asyncmy.converters import conversions

from goim.clock import Clock
from goim.config.dsn import Dsn
from goim.errors import StoreDown
from goim.stores.mysql_errors import Lost, refused, told, was_answered

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 20.0
"""A server that has not answered by then is as good as gone. Longer than a lock is waited for."""
_TURN_SECONDS = 10.0
"""How long one waits for a connection while all are in use."""
_REST_SECONDS = 60.0
"""Whether one that rested for longer still stands nobody knows: what lies between forgets them without a word."""
_LOCK_SECONDS = 5
_TABLE_LOCK_SECONDS = 15

# ANSI_QUOTES for Piccolo's quoted names; strict, so that nothing is stored otherwise than it was given. READ COMMITTED:
# what is read after a lock was taken is what is there (TiDB's snapshot would be older), and nothing between keys is
# locked, so inserts side by side do not deadlock. The rest is what a server may have been given other defaults of: the
# language of `Rows matched`, how many rows of a SELECT it tells, whether it changes many rows at all, when it is.
BEGIN_SESSION = f"""
SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
innodb_lock_wait_timeout = {_LOCK_SECONDS}, lock_wait_timeout = {_TABLE_LOCK_SECONDS},
lc_messages = 'en_US', time_zone = '+00:00', sql_select_limit = {2**64 - 1}, sql_safe_updates = 0;
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
SELECT @@max_allowed_packet"""

_CONVERSIONS = {
    **conversions,
    FIELD_TYPE.TINY: lambda text: text != "0",  # BOOLEAN
    FIELD_TYPE.NEWDECIMAL: lambda text: float(text) if "." in text else int(text),  # SUM of BIGINTs
}


_new_connection: Callable[..., Any] = Connection


class Answer(NamedTuple):
    """What the server says to one statement: rows, or how many there are."""

    rows: list[tuple[Any, ...]]
    columns: tuple[tuple[Any, ...], ...]
    """Each begins with its name."""
    affected: int


class Link:
    """One connection to the server."""

    def __init__(self, connection: Any) -> None:  # asyncmy's, whose types say nothing of what we use
        self._connection = connection
        self._is_waiting = False
        self.in_transaction = False
        self.max_packet = 0
        self.rests_since = 0.0
        self.answers: list[Answer] = []  # to the statements run last: of those that failed, to the ones before

    @property
    def is_clean(self) -> bool:
        """Whether somebody else may use it next."""
        return not (self._is_waiting or self.in_transaction or self._connection._stream_broken)

    async def run(self, sql: str, *, is_long: bool = False) -> list[Answer]:
        """Run statements, separated by semicolons, in one round trip; the first that fails is the last that is run.

        What `is_long` may take as long as it does.
        """
        connection = self._connection
        self._is_waiting = True
        self.answers = answers = []
        try:
            async with asyncio.timeout(None if is_long else _ANSWER_SECONDS):
                await connection.query(sql)
                answers.append(_answer(connection._result))
                while connection._result.has_next:
                    await connection.next_result()
                    answers.append(_answer(connection._result))
        except TimeoutError as error:
            raise Lost(f"the database did not answer within {_ANSWER_SECONDS:.0f} seconds") from error
        except Exception as error:
            self._is_waiting = not was_answered(error)
            raise told(error) from error
        self._is_waiting = False
        return answers

    async def begin_session(self) -> None:
        """Set up what every session of ours has."""
        self.max_packet = (await self.run(BEGIN_SESSION))[-1].rows[0][0]

    def abort(self) -> None:
        """Close it at once; whatever is under way may still be done."""
        self._connection.close()

    async def end(self) -> None:
        """Take leave of the server."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1):
                await self._connection.ensure_closed()


def _answer(result: Any) -> Answer:
    """asyncmy's result; of an UPDATE the rows it found count, as everywhere else, not only those it made different."""
    if result.description is not None:
        return Answer(list(result.rows), result.description, 0)
    affected = result.affected_rows
    if result.message and (at := result.message.find(b"Rows matched: ")) >= 0:
        affected = int(result.message[at + 14 :].split(maxsplit=1)[0])
    return Answer([], (), affected)


async def connect(dsn: Dsn) -> Link:
    """A new connection, set up; `StoreDown` if there is none to be had."""
    connection = _new_connection(
        host=dsn.host,
        port=dsn.port,
        unix_socket=dsn.socket,
        user=dsn.user or "root",
        password=dsn.password,
        database=dsn.database,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS,
        conv=_CONVERSIONS,
        ssl=_tls(dsn.params.get("tls", "")),
    )
    link = Link(connection)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await connection.connect()
        await link.begin_session()
    except TimeoutError as error:
        link.abort()
        raise Lost(f"{dsn.masked()} does not answer") from error
    except RuntimeError as error:  # what the driver makes of a connection that is gone before it has looked at it
        link.abort()
        raise Lost(f"{dsn.masked()} hung up at once") from error
    except Exception as error:
        link.abort()
        raise refused(error, dsn.masked()) from error
    except BaseException:
        link.abort()
        raise
    return link


def _tls(wanted: str) -> ssl.SSLContext | None:
    """What `tls=` of a DSN says, in Go's words: true, skip-verify, or nothing."""
    if wanted in {"", "false"}:
        return None
    context = ssl.create_default_context()
    if wanted == "skip-verify":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Pool:
    """At most `size` connections, opened when they are needed and kept."""

    def __init__(self, connect: Callable[[], Awaitable[Link]], size: int, clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._free = asyncio.Semaphore(size)
        self._idle: list[Link] = []
        self._is_open = False

    async def open(self) -> None:
        """Open the first connection, to see that there is a server."""
        self._is_open = True
        async with self.link():
            pass

    async def close(self) -> None:
        """End the idle connections; those in use end when they come back."""
        self._is_open = False
        idle, self._idle = self._idle, []
        for link in idle:
            await link.end()

    def drop_idle(self) -> None:
        """Trust no idle connection any more: the server has lost one that looked well."""
        idle, self._idle = self._idle, []
        for link in idle:
            link.abort()

    @contextlib.asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """A connection of one's own."""
        link = await self.take()
        try:
            yield link
        finally:
            self.give(link)

    async def take(self) -> Link:
        """A connection to be given back; `StoreDown` if none is free for long or the server is away."""
        if not self._is_open:
            raise StoreDown("the connections to the database are closed")
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise StoreDown("all connections to the database are in use") from error
        try:
            while self._idle:
                link = self._idle.pop()  # the one used last: the others may rest
                if link.is_clean and self._clock.monotonic() - link.rests_since < _REST_SECONDS:
                    return link
                link.abort()
            return await self._connect()
        except BaseException:
            self._free.release()
            raise

    def give(self, link: Link) -> None:
        """Take a connection back, or close it."""
        if link.is_clean and self._is_open:
            link.rests_since = self._clock.monotonic()
            self._idle.append(link)
        else:
            link.abort()
        self._free.release()
