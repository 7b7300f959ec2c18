"""Writes that wait together for a SQLite file: one commit, of which each is a whole by itself."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from goim.errors import StoreDown
from goim.stores.base import Taken
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_process import SqliteProcessEngine
from goim.stores.sqlite_worker import connect
from goim.stores.sqlite_writer import Order, answers_to
from tests.stores.test_sqlite import ADD, COUNT, CREATE, RAISE, Gate, add, names

MANY = 40


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(tmp_path / "marks.db") as engine:
        await engine.run_ddl(CREATE)
        yield engine


async def at_once(engine: SqliteEngine, *writes: Any) -> tuple[list[Any], int]:
    """What they answer who wait together, and how many commits that took."""
    ran: list[str] = []
    gate = Gate()

    def watch(connection: sqlite3.Connection) -> None:
        gate(connection)
        connection.set_trace_callback(ran.append)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(engine.write(watch))
        await gate.reached()
        answers = asyncio.gather(*writes, return_exceptions=True)
        await asyncio.to_thread(lambda: None)  # they are in the queue
        gate.open()
        outcomes = await answers
    return outcomes, ran[1:].count("COMMIT")  # its own is the first


async def test_they_are_one_commit(engine: SqliteEngine) -> None:
    ones = [engine.execute(ADD, (f"a{number}", 0)) for number in range(MANY)]
    more = [engine.write(add(f"b{number}")) for number in range(MANY)]
    outcomes, commits = await at_once(engine, *ones, *more)
    assert outcomes == [1] * MANY + [None] * MANY
    assert commits == 1
    assert len(await names(engine)) == 2 * MANY


async def test_each_stands_or_falls_by_itself(engine: SqliteEngine) -> None:
    def half(connection: sqlite3.Connection) -> None:
        add("half")(connection)
        raise ValueError("enough")

    await engine.execute(ADD, ("taken", 0))
    outcomes, commits = await at_once(
        engine,
        engine.execute(ADD, ("before", 0)),
        engine.execute(ADD, ("taken", 1)),
        engine.write(half),
        engine.execute_all([(ADD, ("none", 0)), ("UPDATE marks SET number = 1 WHERE name = 'nobody'", ())]),
        engine.execute_many(ADD, [("many", 0), ("taken", 2)]),
        engine.execute_all([(ADD, ("after", 0)), (RAISE, ())]),
    )
    assert outcomes[0] == 1
    assert [type(each) for each in outcomes[1:]] == [Taken, ValueError, bool, Taken, bool]
    assert outcomes[3] is False
    assert outcomes[5] is True
    assert commits == 1
    assert await engine.fetch_rows("SELECT name, number FROM marks ORDER BY name") == [
        ("after", 1),
        ("before", 1),
        ("taken", 1),
    ]


async def test_one_that_undoes_the_others_leaves_them_their_work(engine: SqliteEngine) -> None:
    """As rows do whose keys are taken: that ends the transaction they are in."""
    await engine.execute(ADD, ("taken", 0))
    outcomes, _ = await at_once(
        engine,
        engine.execute(ADD, ("before", 0)),
        engine.insert_rows("marks", [("new", 0), ("taken", 1)]),
        engine.execute(ADD, ("after", 0)),
        engine.execute(RAISE),
    )
    assert [outcomes[0], type(outcomes[1]), *outcomes[2:]] == [1, Taken, 1, 3]
    assert await names(engine) == ["after", "before", "taken"]


async def test_a_commit_that_one_of_them_spoils_is_made_without_it(engine: SqliteEngine) -> None:
    await engine.execute("PRAGMA foreign_keys = 1")
    later = "DEFERRABLE INITIALLY DEFERRED"
    await engine.run_ddl(f"CREATE TABLE notes (mark TEXT NOT NULL REFERENCES marks (name) {later})")
    outcomes, _ = await at_once(
        engine, engine.execute(ADD, ("before", 0)), engine.execute("INSERT INTO notes VALUES ('nobody')")
    )
    assert [outcomes[0], type(outcomes[1])] == [1, sqlite3.IntegrityError]
    assert await names(engine) == ["before"]


async def test_a_transaction_comes_when_its_turn_comes_and_shares_nothing(engine: SqliteEngine) -> None:
    async def alone() -> None:
        async with engine.transaction():
            assert await names(engine) == ["a0", "a1", "taken"]
            await engine.execute(ADD, ("b0", 0))
            await engine.execute(RAISE)

    await engine.execute(ADD, ("taken", 0))
    before = [engine.execute(ADD, (f"a{number}", 0)) for number in range(2)]
    after = [engine.execute(ADD, (f"c{number}", 0)) for number in range(2)]
    outcomes, commits = await at_once(engine, *before, alone(), *after)
    assert outcomes == [1, 1, None, 1, 1]
    assert commits >= 3
    assert sorted(await engine.fetch_rows("SELECT name FROM marks WHERE number = 0")) == [("c0",), ("c1",)]


async def test_what_is_queued_behind_them_when_it_closes_is_still_done(tmp_path: Path) -> None:
    async with SqliteEngine(tmp_path / "marks.db") as engine:
        await engine.run_ddl(CREATE)
        gate = Gate()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(engine.write(gate))
            await gate.reached()
            for number in range(MANY):
                tasks.create_task(engine.execute(ADD, (f"a{number}", 0)))
            await asyncio.to_thread(lambda: None)
            closing_ = tasks.create_task(engine.close())
            await asyncio.to_thread(lambda: None)
            gate.open()
            await closing_
    with closing(sqlite3.connect(tmp_path / "marks.db")) as file:
        assert file.execute("SELECT COUNT(*) FROM marks").fetchone() == (MANY,)


async def test_where_there_is_no_room_none_of_them_stands(engine: SqliteEngine) -> None:
    await engine.execute(ADD, ("there", 0))
    (pages,) = (await engine.fetch_rows("SELECT page_count FROM pragma_page_count()"))[0]
    await engine.execute(f"PRAGMA max_page_count = {pages}")
    outcomes, _ = await at_once(engine, *(engine.execute(ADD, (f"{number}" * 6_000, 0)) for number in range(3)))
    assert [type(each) for each in outcomes] == [StoreDown] * 3
    assert await names(engine) == ["there"]
    await engine.execute("PRAGMA max_page_count = 1000000")
    await engine.execute(ADD, ("after", 0))
    assert await names(engine) == ["after", "there"]


class Thing:
    """Something that a job holds."""


def _hold(thing: Thing, connection: sqlite3.Connection) -> Thing:
    connection.execute(COUNT)
    return thing


async def test_nothing_is_kept_of_what_is_done(engine: SqliteEngine) -> None:
    async def written() -> list[weakref.ref[Thing]]:
        things = [Thing() for _ in range(3)]
        await at_once(engine, *(engine.write(partial(_hold, thing)) for thing in things))
        return [weakref.ref(thing) for thing in things]

    kept = await written()
    async with asyncio.timeout(20):
        while any(each() is not None for each in kept):
            await asyncio.to_thread(gc.collect)


# The same in the process that writes the log


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(str(tmp_path / "marks.db"), 4096)) as connection:
        connection.execute(CREATE)
        connection.execute(ADD, ("taken", 0))
        yield connection


def test_orders_that_come_together_are_one_commit(file: sqlite3.Connection) -> None:
    ran: list[str] = []
    file.set_trace_callback(ran.append)
    orders: list[Order] = [
        ("insert", "marks", [["a", 0], ["b", 0]]),
        ("execute", ADD, ["taken", 1]),
        ("statements", None, [(ADD, ["none", 0]), ("DELETE FROM marks WHERE name = 'nobody'", [])]),
        ("many", ADD, [["c", 0], ["taken", 2]]),
        ("many", ADD, [["d", 0], ["e", 0]]),
        ("statements", None, [(RAISE, []), (ADD, ["f", 0])]),
        ("execute", "UPDATE nothing SET number = 1", []),
    ]
    answers = answers_to(orders, file)
    assert [kind for kind, _ in answers] == ["done", "taken", "nothing", "taken", "done", "done", "failed"]
    assert [answers[0], answers[4]] == [("done", 2), ("done", 2)]
    assert ran.count("COMMIT") == 1
    rows = file.execute("SELECT name, number FROM marks ORDER BY name").fetchall()
    assert rows == [("a", 1), ("b", 1), ("d", 1), ("e", 1), ("f", 0), ("taken", 1)]


def test_rows_of_which_one_is_taken_leave_the_other_orders_their_work(file: sqlite3.Connection) -> None:
    orders: list[Order] = [
        ("execute", ADD, ["a", 0]),
        ("insert", "marks", [["b", 0], ["taken", 0]]),
        ("execute", RAISE, []),
    ]
    assert [kind for kind, _ in answers_to(orders, file)] == ["done", "taken", "done"]
    assert file.execute("SELECT name, number FROM marks ORDER BY name").fetchall() == [("a", 1), ("taken", 1)]


async def test_many_at_once_through_the_process_lose_nothing(tmp_path: Path) -> None:
    async with SqliteProcessEngine(tmp_path / "marks.db") as engine:
        await engine.run_ddl(CREATE)
        await engine.insert_rows("marks", [("counter", 0)])
        raises = [engine.execute("UPDATE marks SET number = number + 1 WHERE name = 'counter'") for _ in range(300)]
        rows = [engine.insert_rows("marks", [(f"a{number}", 0)]) for number in range(300)]
        many = [engine.execute_many(ADD, [(f"b{number}", 0), (f"c{number}", 0)]) for number in range(300)]
        assert await asyncio.gather(*raises, *rows, *many) == [1] * 300 + [None] * 300 + [2] * 300
        assert await engine.execute_many(ADD, []) == 0
        assert await engine.fetch_rows("SELECT MAX(number), COUNT(*) FROM marks") == [(300, 901)]
