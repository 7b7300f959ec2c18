"""Transactions of the SQLite engine: who takes part, who waits, and what a cancelled one leaves behind."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from piccolo.engine.exceptions import TransactionError

from goim.errors import StoreDown
from goim.stores.base import Taken
from goim.stores.sqlite import SqliteEngine

CREATE = "CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY)"
ADD = "INSERT INTO marks VALUES (?)"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(tmp_path / "marks.db") as engine:
        await engine.run_ddl(CREATE)
        yield engine


async def add(engine: SqliteEngine, name: str) -> None:
    await engine.execute(ADD, (name,))


async def names(engine: SqliteEngine) -> list[str]:
    return [name for (name,) in await engine.fetch_rows("SELECT name FROM marks ORDER BY name")]


def stranger(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that has nothing to do with the transaction of the one that starts it."""
    return tasks.create_task(work, context=contextvars.Context())


async def a_round_trip(engine: SqliteEngine) -> None:
    """Give every task that can run the time to do so, and the writer the time to do what it was given."""
    await engine.fetch_rows("SELECT 1")


class OnPurpose(Exception):
    """What goes wrong in these tests."""


async def test_it_stands_as_a_whole(engine: SqliteEngine) -> None:
    async with engine.transaction():
        await add(engine, "a")
        await add(engine, "b")
        assert await names(engine) == ["a", "b"]
        assert engine.transaction_exists()
    assert not engine.transaction_exists()
    assert await names(engine) == ["a", "b"]


async def test_or_not_at_all(engine: SqliteEngine) -> None:
    async def work() -> None:
        async with engine.transaction():
            await add(engine, "a")
            raise OnPurpose

    with pytest.raises(OnPurpose):
        await work()
    assert await names(engine) == []


async def test_nobody_sees_it_before_it_stands_and_writers_wait(engine: SqliteEngine) -> None:
    async with asyncio.TaskGroup() as tasks, engine.transaction():
        await add(engine, "a")
        seen = stranger(tasks, names(engine))
        waiting = stranger(tasks, engine.execute(ADD, ("z",)))
        whole = stranger(tasks, engine.write(lambda connection: connection.execute(ADD, ("y",))))
        await asyncio.wait({seen})
        await add(engine, "b")
        assert not waiting.done()
        assert not whole.done()
        assert await names(engine) == ["a", "b"]
    assert seen.result() == []
    assert await names(engine) == ["a", "b", "y", "z"]


async def test_of_many_at_once_each_has_the_writer_alone(engine: SqliteEngine) -> None:
    async def count_and_add(name: str) -> int:
        async with engine.transaction():
            before = len(await names(engine))
            await add(engine, name)
            return before

    async with asyncio.TaskGroup() as tasks:
        counted = [tasks.create_task(count_and_add(f"mark {number}")) for number in range(30)]
    assert sorted(task.result() for task in counted) == list(range(30))


async def test_a_taken_key_undoes_its_statement_only(engine: SqliteEngine) -> None:
    async with engine.transaction():
        await add(engine, "a")
        with pytest.raises(Taken):
            await add(engine, "a")
        with pytest.raises(Taken):
            await engine.execute_many(ADD, [("b",), ("c",), ("a",)])
        await add(engine, "d")
    assert await names(engine) == ["a", "d"]


async def test_a_job_takes_part_and_is_undone_alone(engine: SqliteEngine) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute(ADD, ("half",))
        raise OnPurpose

    async with engine.transaction():
        await engine.write(lambda connection: connection.execute(ADD, ("whole",)))
        with pytest.raises(OnPurpose):
            await engine.write(half)
        counted = await engine.read(lambda connection: connection.execute("SELECT COUNT(*) FROM marks").fetchone())
        assert counted == (1,)
    assert await names(engine) == ["whole"]


async def test_one_inside_another_is_part_of_it(engine: SqliteEngine) -> None:
    with suppress(OnPurpose):
        async with engine.transaction() as outer:
            async with engine.transaction() as inner:
                await add(engine, "a")
            assert inner is outer
            assert await names(engine) == ["a"]
            raise OnPurpose
    assert await names(engine) == []


async def test_one_inside_another_can_be_forbidden(engine: SqliteEngine) -> None:
    async with engine.transaction():
        with pytest.raises(TransactionError):
            engine.transaction(allow_nested=False)


async def test_savepoints(engine: SqliteEngine) -> None:
    async with engine.transaction() as transaction:
        await add(engine, "a")
        savepoint = await transaction.savepoint()
        await add(engine, "b")
        await savepoint.rollback_to()  # type: ignore[no-untyped-call] # so it is in Piccolo
        named = await transaction.savepoint("named")
        await add(engine, "c")
        await named.release()  # type: ignore[no-untyped-call] # so it is in Piccolo
        await transaction.savepoint("last")
        await add(engine, "d")
        await transaction.rollback_to("last")
    assert await names(engine) == ["a", "c"]


async def test_after_an_early_end_the_rest_of_the_block_is_on_its_own(engine: SqliteEngine) -> None:
    with suppress(OnPurpose):
        async with engine.transaction() as transaction:
            await add(engine, "kept")
            await transaction.commit()
            await add(engine, "alone")
            raise OnPurpose
    async with engine.transaction() as transaction:
        await add(engine, "dropped")
        await transaction.rollback()
        await add(engine, "alone too")
    assert await names(engine) == ["alone", "alone too", "kept"]


async def test_an_early_commit_of_what_sqlite_gave_up_is_told(engine: SqliteEngine) -> None:
    async with engine.transaction() as transaction:
        await add(engine, "a")
        await engine.execute("ROLLBACK")  # as SQLite does by itself on some errors
        with pytest.raises(StoreDown):
            await transaction.commit()
    assert await names(engine) == []


async def test_a_task_started_inside_takes_part(engine: SqliteEngine) -> None:
    with suppress(OnPurpose):
        async with engine.transaction():
            async with asyncio.TaskGroup() as tasks:
                for number in range(10):
                    tasks.create_task(add(engine, f"mark {number}"))
            assert len(await names(engine)) == 10
            raise OnPurpose
    assert await names(engine) == []


async def test_a_task_that_outlives_its_transaction_is_on_its_own(engine: SqliteEngine) -> None:
    over, free = asyncio.Event(), asyncio.Event()

    async def linger() -> None:
        await over.wait()
        assert not engine.transaction_exists()
        async with engine.transaction():  # a new one, not a part of the old
            await add(engine, "own")
        await add(engine, "late")
        free.set()

    async with asyncio.TaskGroup() as tasks:
        with suppress(OnPurpose):
            async with engine.transaction():
                tasks.create_task(linger())
                await a_round_trip(engine)
                raise OnPurpose
        async with engine.transaction():
            over.set()
            await a_round_trip(engine)
            assert not free.is_set()  # it waits for this one, which it is no part of
            assert await names(engine) == []
        await free.wait()
    assert await names(engine) == ["late", "own"]


async def test_a_cancelled_one_leaves_nothing_and_lets_others_go_on(engine: SqliteEngine) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with engine.transaction():
            await add(engine, "a")
            inside.set()
            await asyncio.get_running_loop().create_future()

    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(hang())
        await inside.wait()
        waiting = tasks.create_task(add(engine, "b"))
        await a_round_trip(engine)
        assert not waiting.done()
        hanging.cancel()
    assert await names(engine) == ["b"]


@pytest.mark.parametrize("rounds", range(6))
async def test_wherever_it_is_cancelled_the_writer_is_free_again(engine: SqliteEngine, rounds: int) -> None:
    """It is cancelled in BEGIN, in a statement, in COMMIT or afterwards, whichever it has got to."""

    async def work() -> None:
        async with engine.transaction():
            await add(engine, "a")
            await add(engine, "b")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        for _ in range(rounds):
            await a_round_trip(engine)
        task.cancel()
    async with engine.transaction():
        await add(engine, "z")
    assert await names(engine) in (["z"], ["a", "b", "z"])


async def test_cancelled_while_it_waits_for_its_turn_it_takes_none(engine: SqliteEngine) -> None:
    async def work() -> None:
        async with engine.transaction():
            await add(engine, "never")

    async with asyncio.TaskGroup() as tasks, engine.transaction():
        waiting = stranger(tasks, work())
        await a_round_trip(engine)
        waiting.cancel()
        await asyncio.wait({waiting})
    await add(engine, "after")
    assert await names(engine) == ["after"]
