"""Accidents between the engine and a MySQL-family server: what is told, what stands, and that it goes on afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from asyncmy.errors import MySQLError
from msgspec.structs import replace

from goim.clock import SystemClock
from goim.config.dsn import Dsn
from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.model.conversations import of_group
from goim.model.messages import Draft
from goim.stores import mysql_pool
from goim.stores.base import Taken
from goim.stores.log import Log
from goim.stores.mysql import MysqlEngine
from goim.stores.mysql_errors import Conflict, refused, told
from goim.stores.sql import SqlMessages
from goim.stores.sql_turns import SqlTurns
from tests.fake_clock import FakeClock
from tests.mysql_server import MysqlServer

T = TypeVar("T")

pytestmark = pytest.mark.timeout(240)


@dataclass
class Proxy:
    """Passes bytes on, and cuts a connection when the server answers a statement with `mark` in it."""

    server: Dsn
    mark: bytes = b""
    swallowed: int = 0
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Dsn]:
        listener = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with listener:
            yield replace(self.server, host="127.0.0.1", port=listener.sockets[0].getsockname()[1])

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.server.host, self.server.port)
        marked = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(reader, back, marked))
                tasks.create_task(self._answer(there, writer, marked))
        except* (ConnectionError, EOFError):
            pass
        finally:
            for end in (writer, back):
                end.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, marked: asyncio.Event) -> None:
        while data := await reader.read(1 << 16):
            if self.mark and self.mark in data:
                marked.set()
            back.write(data)
        raise EOFError

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, marked: asyncio.Event) -> None:
        while data := await there.read(1 << 16):
            if marked.is_set():
                self.mark = b""
                self.swallowed += 1
                raise EOFError
            writer.write(data)
        raise EOFError


@pytest.fixture
async def dsn(mysql_server: MysqlServer) -> Dsn:
    return await mysql_server.migrated("messages", "words")


def draft(number: int) -> Draft:
    return Draft(conv=of_group("g1"), from_user_id="ann", client_msg_id=f"m{number}", type="text", payload="{}")


async def test_a_commit_whose_answer_was_lost_does_not_double(dsn: Dsn) -> None:
    proxy = Proxy(dsn)
    async with proxy.running() as through, MysqlEngine(through) as engine, MysqlEngine(dsn) as beside:
        log = Log(SqlMessages(engine), SystemClock(), Metrics())
        assert [place.seq for place in await log.append([draft(1)])] == [1]
        proxy.mark = b"'m2'"
        with pytest.raises(StoreDown):
            await log.append([draft(2), draft(3)])
        assert proxy.swallowed == 1
        assert await beside.fetch_rows("SELECT COUNT(*) FROM messages") == [(3,)], "it was committed"
        again = await log.append([draft(2), draft(3), draft(4)])
        assert [(place.seq, place.is_duplicate) for place in again] == [(2, True), (3, True), (4, False)]
        assert await beside.fetch_rows("SELECT COUNT(*) FROM messages") == [(4,)]


async def test_a_read_that_meets_a_dead_connection_is_asked_once_more_and_a_write_is_not(dsn: Dsn) -> None:
    proxy = Proxy(dsn)
    async with proxy.running() as through, MysqlEngine(through) as engine:
        proxy.mark = b"SELECT 41"
        assert await engine.fetch_rows("SELECT 41") == [(41,)]
        proxy.mark = b"'once'"
        with pytest.raises(StoreDown):
            await engine.execute("INSERT INTO message_turns (conv_id) VALUES (?)", ("once",))
        assert proxy.swallowed == 2
        assert await engine.fetch_rows("SELECT conv_id FROM message_turns") == [("once",)]


async def test_connections_that_the_server_has_ended_are_replaced(dsn: Dsn) -> None:
    async with MysqlEngine(dsn) as engine, MysqlEngine(dsn) as other:
        [(number,)] = await engine.fetch_rows("SELECT CONNECTION_ID()")
        await other.run_ddl(f"KILL {number}")
        [(after,)] = await engine.fetch_rows("SELECT CONNECTION_ID()")
        assert after != number
        await engine.execute("INSERT INTO message_turns (conv_id) VALUES (?)", ("a",))


async def test_a_connection_that_rested_for_long_is_replaced_before_it_is_used(dsn: Dsn) -> None:
    clock = FakeClock()
    async with MysqlEngine(dsn, clock=clock) as engine:
        [(number,)] = await engine.fetch_rows("SELECT CONNECTION_ID()")
        clock.advance(59)
        assert await engine.fetch_rows("SELECT CONNECTION_ID()") == [(number,)]
        clock.advance(61)
        [(after,)] = await engine.fetch_rows("SELECT CONNECTION_ID()")
        assert after != number


@contextlib.asynccontextmanager
async def server_wide(dsn: Dsn, **values: str | int) -> AsyncIterator[None]:
    """Other defaults for whoever connects now."""
    async with MysqlEngine(dsn, connections=1) as engine:
        before = {name: (await engine.fetch_rows(f"SELECT @@GLOBAL.{name}"))[0][0] for name in values}
        for name, value in values.items():
            await engine.execute(f"SET GLOBAL {name} = ?", (value,))
        try:
            yield
        finally:
            for name, value in before.items():
                await engine.execute(f"SET GLOBAL {name} = ?", (value,))


async def test_whatever_the_defaults_of_the_server_are_statements_mean_the_same(dsn: Dsn) -> None:
    add = "INSERT INTO message_turns (conv_id) VALUES (?)"
    async with (
        server_wide(
            dsn,
            lc_messages="de_DE",
            sql_select_limit=2,
            sql_safe_updates=1,
            sql_mode="NO_BACKSLASH_ESCAPES",
            time_zone="+05:00",
        ),
        MysqlEngine(dsn) as engine,
    ):
        await engine.execute_many(add, [(name,) for name in ("a", "b", "c\\'", "d")])
        found = await engine.execute("UPDATE message_turns SET conv_id = conv_id WHERE conv_id = ?", ("c\\'",))
        assert found == 1, "what an UPDATE finds is counted in any language"
        assert len(await engine.fetch_rows("SELECT conv_id FROM message_turns")) == 4
        assert await engine.fetch_rows("SELECT TIMESTAMPDIFF(HOUR, UTC_TIMESTAMP(), NOW())") == [(0,)], (
            "no hour comes twice"
        )
        assert await engine.execute("DELETE FROM message_turns WHERE conv_id <> ''") == 4


async def test_a_change_of_the_schema_may_take_its_time(dsn: Dsn, monkeypatch: pytest.MonkeyPatch) -> None:
    async with MysqlEngine(dsn) as engine:
        monkeypatch.setattr(mysql_pool, "_ANSWER_SECONDS", 0.3)
        await engine.run_ddl("DO SLEEP(1)")
        with pytest.raises(StoreDown, match="did not answer within"):
            await engine.execute("DO SLEEP(1)")


async def test_more_arguments_than_a_packet_holds_are_asked_for_at_one_moment(dsn: Dsn) -> None:
    keys = [(f"c{number:04}",) for number in range(3_000)]
    async with server_wide(dsn, max_allowed_packet=65_536), MysqlEngine(dsn) as reader, MysqlEngine(dsn) as writer:
        await writer.insert_rows("word_marks", [(*key, 0, 0) for key in keys])

        async def write() -> None:
            for number in range(20):
                await writer.execute("UPDATE word_marks SET seq = ?", (number,))

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write())
            while not writing.done():
                seqs = await reader.fetch_each("SELECT seq FROM word_marks WHERE conv_id = ?", keys)
                assert len(seqs) == 3_000
                assert len(set(seqs)) == 1
        async with reader.transaction():
            assert len(await reader.fetch_each("SELECT seq FROM word_marks WHERE conv_id = ?", keys)) == 3_000


async def test_a_lock_that_is_not_given_back_is_not_waited_for_for_ever(dsn: Dsn) -> None:
    async with MysqlEngine(dsn) as holder, MysqlEngine(dsn) as engine:
        await holder.execute("INSERT INTO message_turns (conv_id) VALUES (?)", ("a",))
        async with holder.transaction():
            await holder.execute("UPDATE message_turns SET conv_id = conv_id WHERE conv_id = 'a'")
            with pytest.raises(Conflict):
                await _with_short_patience(engine)
        await engine.execute("DELETE FROM message_turns")


async def _with_short_patience(engine: MysqlEngine) -> None:
    async with engine.transaction():
        await engine.run_ddl("SET SESSION innodb_lock_wait_timeout = 1")
        await engine.execute("DELETE FROM message_turns WHERE conv_id = ?", ("a",))


async def test_transactions_that_deadlock_are_done_again_and_all_stand(dsn: Dsn) -> None:
    async with MysqlEngine(dsn, connections=24) as engine:
        await engine.insert_rows("changes", [(f"c{n}", 1, 0, "x", "{}", 0) for n in range(4)])
        tries = 0

        async def cross(one: int, other: int) -> None:
            async def work() -> None:
                nonlocal tries
                tries += 1
                for conv in (one, other):
                    await engine.execute("UPDATE changes SET seq = seq + 1 WHERE conv_id = ?", (f"c{conv}",))

            await engine.whole(work)

        pairs = [(n % 4, (n + 1 + n % 3) % 4) for n in range(24)]
        done = await asyncio.gather(*(cross(*pair) for pair in pairs), return_exceptions=True)
        assert all(each is None or isinstance(each, Conflict) for each in done)
        [(total,)] = await engine.fetch_rows("SELECT SUM(seq) FROM changes")
        assert total == 2 * done.count(None), "each stands as a whole or not at all"
        assert done.count(None) >= 12


class Unlucky(SqlTurns):
    """The first attempt is given up at its end."""

    tries = 0

    async def hold(self, conv_id: str, work: Callable[[], Awaitable[T]]) -> T:
        async def held() -> T:
            self.tries += 1
            answer = await work()
            if self.tries == 1:
                raise Conflict("on purpose")
            return answer

        return await self._engine.whole(held)


async def test_a_turn_that_is_given_up_after_the_insert_acknowledges_only_what_stands(dsn: Dsn) -> None:
    async with MysqlEngine(dsn) as engine:
        turns = Unlucky(engine)
        log = Log(SqlMessages(engine), SystemClock(), Metrics(), turns=turns)
        places = await log.append_alone([draft(1), draft(2)])
        assert turns.tries == 2
        assert [(place.seq, place.is_duplicate) for place in places] == [(1, False), (2, False)]
        assert await engine.fetch_rows("SELECT seq FROM messages ORDER BY seq") == [(1,), (2,)]
        [again] = await log.append_alone([draft(2)])
        assert (again.seq, again.is_duplicate) == (2, True)


class Slow(SqlTurns):
    """Everything is inserted, and takes its time to be committed."""

    def __init__(self, engine: MysqlEngine) -> None:
        super().__init__(engine)
        self.is_inserted, self.may_commit = asyncio.Event(), asyncio.Event()

    async def hold(self, conv_id: str, work: Callable[[], Awaitable[T]]) -> T:
        async def held() -> T:
            answer = await work()
            self.is_inserted.set()
            await self.may_commit.wait()
            return answer

        return await super().hold(conv_id, held)


async def test_a_conversation_reaches_no_further_than_what_is_committed(dsn: Dsn) -> None:
    """Who syncs meanwhile would be told that there is nothing more up to there, and never ask for it."""
    async with MysqlEngine(dsn) as engine, asyncio.TaskGroup() as tasks:
        turns = Slow(engine)
        log = Log(SqlMessages(engine), SystemClock(), Metrics(), turns=turns, is_shared=lambda: True)
        conv_id = draft(1).conv.conv_id
        appending = tasks.create_task(log.append_alone([draft(1), draft(2)]))
        await turns.is_inserted.wait()
        assert await log.last_seqs([conv_id]) == {conv_id: 0}
        assert await log.sent(draft(1).sent_key) is None, "a resend must not be acknowledged by it"
        turns.may_commit.set()
        await appending
        assert await log.last_seqs([conv_id]) == {conv_id: 2}
        assert await log.sent(draft(1).sent_key) is not None


async def test_of_two_who_hold_a_conversation_one_waits_for_the_other(dsn: Dsn) -> None:
    async with MysqlEngine(dsn) as one, MysqlEngine(dsn) as other:
        told: list[str] = []
        is_held, is_enough = asyncio.Event(), asyncio.Event()

        async def first() -> None:
            is_held.set()
            await is_enough.wait()
            told.append("first")

        async def second() -> None:
            told.append("second")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(SqlTurns(one).hold("c1", first))
            await is_held.wait()
            tasks.create_task(SqlTurns(other).hold("c1", second))
            await SqlTurns(other).hold("c2", second)
            is_enough.set()
        assert told == ["second", "first", "second"]


async def test_a_cancelled_insert_leaves_a_connection_that_nobody_gets(dsn: Dsn) -> None:
    async with MysqlEngine(dsn, connections=2) as engine:
        rows = [("c", seq, "ann", f"m{seq}", "text", "x" * 500, 1, 0, None, None) for seq in range(1, 400)]
        for _ in range(20):
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(engine.insert_rows("messages", rows))
                await asyncio.sleep(0)  # noqa: TID251 let it get somewhere
                work.cancel()
            assert await engine.fetch_rows("SELECT 7") == [(7,)]
        [(count,)] = await engine.fetch_rows("SELECT COUNT(*) FROM messages")
        assert count in {0, len(rows)}
        with contextlib.suppress(Taken):
            await engine.insert_rows("messages", rows)


async def test_a_database_that_is_not_there_is_told_with_the_way_out(mysql_server: MysqlServer) -> None:
    with pytest.raises(StoreDown, match="CREATE DATABASE"):
        await MysqlEngine(mysql_server.database("goim_nowhere")).open()
    with pytest.raises(StoreDown, match="cannot be reached"):
        await MysqlEngine(replace(mysql_server.dsn, port=1)).open()


class _HangsUp:
    """The driver, at a server that ends each connection before the driver has looked at it."""

    def __init__(self, **_: object) -> None: ...

    async def connect(self) -> None:
        raise RuntimeError("Transport does not expose socket instance")

    def close(self) -> None: ...


@contextlib.asynccontextmanager
async def user_of(server: MysqlServer, *settings: str) -> AsyncIterator[Dsn]:
    """Somebody whom the server treats like this."""
    name = "'somebody'@'127.0.0.1', 'somebody'@'localhost'"
    async with MysqlEngine(server.database("information_schema"), connections=1) as engine:
        await engine.run_ddl("DROP USER IF EXISTS " + name)
        for host in name.split(", "):
            await engine.run_ddl(f"CREATE USER {host} IDENTIFIED BY 'their own'")
            for setting in settings:
                await engine.run_ddl(f"ALTER USER {host} {setting}")
        try:
            yield replace(server.database("information_schema"), user="somebody", password="their own")
        finally:
            await engine.run_ddl("DROP USER " + name)


@pytest.mark.parametrize(
    ("setting", "says"), [("ACCOUNT LOCK", "lets nobody in .*locked"), ("PASSWORD EXPIRE", "expired|must (SET|reset)")]
)
async def test_who_is_not_let_in_is_told_why(mysql_server: MysqlServer, setting: str, says: str) -> None:
    async with user_of(mysql_server, setting) as dsn:
        with pytest.raises(StoreDown, match=says):
            await MysqlEngine(dsn).open()


async def test_a_password_may_be_known_to_the_server_or_not_yet(mysql_server: MysqlServer) -> None:
    """MySQL checks the first one by a key of its own, or by TLS, and the next ones by what it has kept."""
    async with user_of(mysql_server) as dsn:
        for _ in range(2):
            async with MysqlEngine(dsn) as engine:
                [(who,)] = await engine.fetch_rows("SELECT CURRENT_USER()")
                assert who.startswith("somebody@")
        with pytest.raises(StoreDown, match="Access denied"):
            await MysqlEngine(replace(dsn, password="another")).open()


def test_what_an_operator_did_is_trouble_and_what_a_group_of_servers_refused_is_done_again() -> None:
    for code in (1142, 1227, 1665, 1820, 3032):
        assert isinstance(told(MySQLError(code, "no")), StoreDown)
    assert isinstance(told(MySQLError(3101, "rolled back")), Conflict)
    assert "?tls=true" in str(refused(MySQLError(3159, "insecure"), "here"))


async def test_a_database_that_hangs_up_at_once_is_away(dsn: Dsn, monkeypatch: pytest.MonkeyPatch) -> None:
    async with MysqlEngine(dsn) as engine:
        engine.pool.drop_idle()
        monkeypatch.setattr(mysql_pool, "_new_connection", _HangsUp)
        with pytest.raises(StoreDown, match="hung up at once"):
            await engine.fetch_rows("SELECT 1")
        monkeypatch.undo()
        assert await engine.fetch_rows("SELECT 1") == [(1,)]
