"""What the stores ask of an SQL engine, on every one of them."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, suppress
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from piccolo.columns import BigInt, Boolean, Text, Varchar
from piccolo.table import Table

from goim.errors import StoreDown
from goim.stores.base import Taken
from goim.stores.engine import ROUTED, SqlEngine, affected, run
from goim.stores.mysql import MysqlEngine
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_process import SqliteProcessEngine

BANDS = """
CREATE TABLE bands (
    name VARCHAR(64) NOT NULL PRIMARY KEY, fans BIGINT NOT NULL, active BOOLEAN NOT NULL, label TEXT NULL
)"""
LOG = """
CREATE TABLE log (
    conv VARCHAR(64) NOT NULL, seq BIGINT NOT NULL, body TEXT NULL, PRIMARY KEY (conv, seq)
)"""

ADD = "INSERT INTO bands (name, fans, active, label) VALUES (?, ?, ?, ?)"
ADD_OR_NOT = ADD + " ON CONFLICT (name) DO NOTHING"
RAISE = (
    ADD
    + """ ON CONFLICT (name) DO UPDATE SET
label = CASE WHEN EXCLUDED.fans > bands.fans THEN EXCLUDED.label ELSE bands.label END,
fans = CASE WHEN EXCLUDED.fans > bands.fans THEN EXCLUDED.fans ELSE bands.fans END"""
)
SET_FANS = "UPDATE bands SET fans = ? WHERE name = ?"
FANS = "SELECT name, fans FROM bands WHERE name = ?"
LAST = "SELECT conv, seq FROM log WHERE conv = ? ORDER BY seq DESC LIMIT 1"
ALL_OF = "SELECT seq, body FROM log WHERE conv = ? ORDER BY seq DESC"


class Band(Table, tablename="bands", db=ROUTED):
    """A table bound to no engine."""

    name = Varchar(length=64, primary_key=True)
    fans = BigInt()
    active = Boolean()
    label = Text(null=True, default=None)


class Kind(StrEnum):
    LOUD = "loud"


class Size(IntEnum):
    NONE = -1


@pytest.fixture(params=["sqlite", "sqlite-process", "mysql"])
async def engines(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[SqlEngine, SqlEngine]]:
    """One database as two nodes see it."""
    async with AsyncExitStack() as stack:
        one: SqlEngine
        other: SqlEngine
        if request.param == "mysql":
            dsn = await request.getfixturevalue("mysql_server").empty("goim_engines")
            one = await stack.enter_async_context(MysqlEngine(dsn, connections=4))
            other = await stack.enter_async_context(MysqlEngine(dsn, connections=4))
        else:
            kind = SqliteEngine if request.param == "sqlite" else SqliteProcessEngine
            one = await stack.enter_async_context(kind(tmp_path / "bands.db"))
            other = await stack.enter_async_context(kind(tmp_path / "bands.db"))
        await one.run_ddl(BANDS)
        await one.run_ddl(LOG)
        yield one, other


@pytest.fixture
def engine(engines: tuple[SqlEngine, SqlEngine]) -> SqlEngine:
    return engines[0]


async def add(engine: SqlEngine, name: str, fans: int = 3) -> None:
    await engine.execute(ADD, (name, fans, True, None))


async def names(engine: SqlEngine) -> list[str]:
    return [name for (name,) in await engine.fetch_rows("SELECT name FROM bands ORDER BY name")]


def stranger(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that has nothing to do with the transaction of the one that starts it."""
    return tasks.create_task(work, context=contextvars.Context())


# Statements


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'",
        '"',
        "\\",
        "a'b\\'c",
        "%s %d %",
        "?",
        "你好 👋",
        "\0\n\r\t\x1a;\n",
        "x ",
        " x",
        "--",
        "\\'; DROP TABLE bands",
    ],
)
async def test_text_comes_back_as_it_was(engine: SqlEngine, text: str) -> None:
    await engine.execute(ADD, (text, 1, False, text))
    await engine.insert_rows("log", [("c", 1, text)])
    assert await engine.fetch_rows("SELECT name, label FROM bands WHERE name = ?", (text,)) == [(text, text)]
    assert await engine.fetch_rows("SELECT body FROM log") == [(text,)]


async def test_values_of_every_kind_come_back_as_they_were(engine: SqlEngine) -> None:
    await engine.execute(ADD, ("a", 2**62, True, None))
    await engine.execute(ADD, (Kind.LOUD, Size.NONE, False, Kind.LOUD))
    rows = await engine.fetch("SELECT name, fans, label FROM bands ORDER BY name")
    assert rows == [{"name": "a", "fans": 2**62, "label": None}, {"name": "loud", "fans": -1, "label": "loud"}]
    [(size,)] = await engine.fetch_rows("SELECT SUM(fans) FROM bands WHERE name = 'loud'")
    assert size == -1


async def test_bytes_come_back_as_they_were(engine: SqlEngine) -> None:
    await engine.run_ddl("CREATE TABLE letters (n BIGINT NOT NULL PRIMARY KEY, body BLOB NOT NULL)")
    body = bytes(range(256))
    await engine.execute("INSERT INTO letters (n, body) VALUES (?, ?)", (1, body))
    await engine.execute("INSERT INTO letters (n, body) VALUES (?, ?)", (2, b""))
    assert await engine.fetch_rows("SELECT body FROM letters ORDER BY n") == [(body,), (b"",)]


def collation_of(engine: SqlEngine) -> str:
    """Text byte by byte, as the schemas have it."""
    if not isinstance(engine, MysqlEngine):
        return ""
    return f" COLLATE {'utf8mb4_nopad_bin' if engine.product == 'MariaDB' else 'utf8mb4_0900_bin'}"


async def test_names_that_differ_in_case_or_in_blanks_are_two(engine: SqlEngine) -> None:
    await engine.run_ddl("DROP TABLE bands")
    await engine.run_ddl(BANDS + collation_of(engine))
    for name in ("can", "Can", "can "):
        await add(engine, name)
    assert await engine.fetch_rows("SELECT COUNT(*) FROM bands WHERE name = 'can'") == [(1,)]


async def test_rows_that_an_update_finds_are_counted_even_if_they_stay_as_they_are(engine: SqlEngine) -> None:
    await add(engine, "Can")
    assert await engine.execute(SET_FANS, (3, "Can")) == 1
    assert await engine.execute(SET_FANS, (4, "Can")) == 1
    assert await engine.execute(SET_FANS, (4, "Abba")) == 0
    assert await engine.execute("DELETE FROM bands WHERE name = ?", ("Can",)) == 1
    assert await engine.execute("DELETE FROM bands WHERE name = ?", ("Can",)) == 0


async def test_a_taken_key_is_taken(engine: SqlEngine) -> None:
    await add(engine, "Can")
    with pytest.raises(Taken):
        await add(engine, "Can")
    with pytest.raises(Taken):
        await engine.insert_rows("bands", [("Faust", 1, True, None), ("Can", 1, True, None)])
    assert await names(engine) == ["Can"]
    await add(engine, "Faust")


async def test_an_insert_that_may_find_something_leaves_it_or_raises_it(engine: SqlEngine) -> None:
    assert await engine.execute(ADD_OR_NOT, ("Can", 3, True, "a")) == 1
    assert await engine.execute(ADD_OR_NOT, ("Can", 9, True, "b")) == 0
    await engine.execute(RAISE, ("Can", 2, True, "c"))
    assert await engine.fetch_rows("SELECT fans, label FROM bands") == [(3, "a")]
    await engine.execute_many(RAISE, [("Can", 7, True, "d"), ("Can", 5, True, "e"), ("Faust", 1, True, "f")])
    assert await engine.fetch_rows("SELECT name, fans, label FROM bands ORDER BY name") == [
        ("Can", 7, "d"),
        ("Faust", 1, "f"),
    ]


async def test_a_mistake_of_ours_keeps_its_own_face(engine: SqlEngine) -> None:
    with pytest.raises(Exception, match="nowhere") as caught:
        await engine.fetch_rows("SELECT 1 FROM nowhere")
    assert not isinstance(caught.value, StoreDown | Taken)
    await add(engine, "Can")


async def test_tables_are_known(engine: SqlEngine) -> None:
    assert await engine.has_table("bands")
    assert not await engine.has_table("nowhere")


# Many at once


@pytest.mark.parametrize("size", [0, 1, 2, 64, 65, 200])
async def test_one_select_with_many_arguments_answers_in_their_order(engine: SqlEngine, size: int) -> None:
    await engine.insert_rows("log", [(f"c{conv}", seq, f"{seq}") for conv in range(200) for seq in (1, 2, 3)])
    convs = [f"c{conv * 7 % 200}" for conv in range(size)]
    assert await engine.fetch_each(LAST, [(conv,) for conv in convs]) == [(conv, 3) for conv in convs]
    rows = [(3, "3"), (2, "2"), (1, "1")]
    assert await engine.fetch_each(ALL_OF, [(conv,) for conv in convs]) == rows * size


async def test_many_selects_see_one_moment(engines: tuple[SqlEngine, SqlEngine]) -> None:
    reader, writer = engines
    convs = [(f"c{number}",) for number in range(200)]
    await writer.insert_rows("log", [(conv, 1, "0") for (conv,) in convs])

    async def write() -> None:
        for number in range(30):
            await writer.execute("UPDATE log SET body = ?", (str(number),))

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        while not writing.done():
            bodies = await reader.fetch_each("SELECT body FROM log WHERE conv = ?", convs)
            assert len(bodies) == 200
            assert len(set(bodies)) == 1


async def test_one_statement_run_many_times_stands_as_a_whole(engine: SqlEngine) -> None:
    rows = [(f"band {number:04}", number, True, None) for number in range(3_000)]
    assert await engine.execute_many(ADD, rows) == 3_000
    assert await engine.execute_many(ADD_OR_NOT, [*rows[:5], ("new", 1, True, None)]) == 1
    assert await engine.execute_many(SET_FANS, [(7, name) for name, *_ in rows[:9]]) == 9
    assert await engine.execute_many(SET_FANS, []) == 0
    with pytest.raises(Taken):
        await engine.execute_many(ADD, [("newer", 1, True, None), rows[0]])
    with pytest.raises(Taken):
        await engine.execute_many(
            "UPDATE bands SET name = ? WHERE name = ?", [("x", "new"), ("y", "x"), ("y", "band 0001")]
        )
    found = await names(engine)
    assert len(found) == 3_001
    assert "newer" not in found
    assert "new" in found


async def test_rows_that_fill_more_than_one_packet_stand_as_a_whole(engine: SqlEngine) -> None:
    big = "好" * 20_000
    rows = [("c", seq, big) for seq in range(1, 120)]
    await engine.insert_rows("log", rows)
    assert len(await engine.fetch_rows("SELECT body FROM log")) == 119
    with pytest.raises(Taken):
        await engine.insert_rows("log", [("d", row[1], big) for row in rows] + rows[-1:])
    assert await engine.fetch_rows("SELECT COUNT(*) FROM log WHERE conv = 'd'") == [(0,)]


async def test_statements_of_which_each_must_change_something(engine: SqlEngine) -> None:
    await add(engine, "Can")
    assert await engine.execute_all([(SET_FANS, (8, "Can")), (ADD, ("Faust", 1, True, None))])
    assert not await engine.execute_all([(SET_FANS, (9, "Can")), (SET_FANS, (9, "Abba"))])
    assert not await engine.execute_all([(SET_FANS, (9, "Abba")), (SET_FANS, (9, "Can"))])
    with pytest.raises(Taken):
        await engine.execute_all([(SET_FANS, (9, "Can")), (ADD, ("Faust", 1, True, None))])
    assert await engine.fetch_rows(FANS, ("Can",)) == [("Can", 8)]
    assert await engine.execute_all([(SET_FANS, (8, "Can")), (ADD, ("Neu!", 1, True, None))]), "found, if not changed"


# Transactions


async def test_a_transaction_stands_as_a_whole_and_is_seen_by_others_at_its_end(
    engines: tuple[SqlEngine, SqlEngine],
) -> None:
    engine, other = engines
    async with engine.transaction():
        await add(engine, "a")
        await engine.execute_many(ADD, [("b", 1, True, None), ("c", 1, True, None)])
        assert await names(engine) == ["a", "b", "c"]
        assert await names(other) == []
    assert await names(other) == ["a", "b", "c"]


async def test_what_is_raised_in_a_transaction_undoes_it(engine: SqlEngine) -> None:
    with suppress(LookupError):
        async with engine.transaction():
            await add(engine, "a")
            async with engine.transaction():
                await add(engine, "b")
            raise LookupError
    assert await names(engine) == []
    await add(engine, "after")


async def test_a_part_that_fails_is_undone_alone(engine: SqlEngine) -> None:
    async with engine.transaction():
        await add(engine, "a")
        with pytest.raises(Taken):
            await engine.execute_many(ADD, [("b", 1, True, None), ("a", 1, True, None)])
        with pytest.raises(Taken):
            await add(engine, "a")
        assert not await engine.execute_all([(ADD, ("c", 1, True, None)), (SET_FANS, (1, "nobody"))])
        await add(engine, "d")
    assert await names(engine) == ["a", "d"]


async def test_tasks_started_inside_take_part(engine: SqlEngine) -> None:
    async with engine.transaction():
        await asyncio.gather(*(add(engine, f"band {number}") for number in range(10)))
        assert len(await names(engine)) == 10


async def test_strangers_do_not_take_part(engine: SqlEngine) -> None:
    async with asyncio.TaskGroup() as tasks:
        with suppress(LookupError):
            async with engine.transaction():
                await add(engine, "inside")
                stranger(tasks, add(engine, "outside"))
                raise LookupError
    assert await names(engine) == ["outside"]


async def test_what_outlives_its_transaction_is_on_its_own(engine: SqlEngine) -> None:
    ended = asyncio.Event()

    async def late() -> None:
        await ended.wait()
        await add(engine, "late")

    async with asyncio.TaskGroup() as tasks:
        with suppress(LookupError):
            async with engine.transaction():
                tasks.create_task(late())
                raise LookupError
        ended.set()
    assert await names(engine) == ["late"]


async def test_a_cancelled_transaction_leaves_nothing_and_the_next_one_works(engine: SqlEngine) -> None:
    begun = asyncio.Event()

    async def endless() -> None:
        async with engine.transaction():
            await add(engine, "a")
            begun.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(endless())
        await begun.wait()
        task.cancel()
    async with engine.transaction():
        await add(engine, "b")
    assert await names(engine) == ["b"]


async def test_whoever_is_cancelled_at_a_statement_disturbs_nobody(engine: SqlEngine) -> None:
    for number in range(40):
        work = asyncio.gather(*(engine.fetch_rows(f"SELECT {value}") for value in range(number, number + 6)))
        for _ in range(number % 8):
            await asyncio.sleep(0)  # noqa: TID251 let it get somewhere
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        answers = await asyncio.gather(*(engine.fetch_rows(f"SELECT {value}") for value in range(100, 106)))
        assert answers == [[(value,)] for value in range(100, 106)]


# Piccolo


def band(name: str, fans: int = 3) -> Band:
    return Band(name=name, fans=fans, active=True)


async def test_every_kind_of_query_works(engine: SqlEngine) -> None:
    assert await run(engine, Band.insert(band("Can"), band("Faust", 7), band("Neu!", 5))) == []
    row = {"name": "Faust", "fans": 7, "active": True, "label": None}
    assert await run(engine, Band.select().where(Band.name == "Faust")) == [row]
    assert await run(engine, Band.select().where(Band.name == "Faust").first()) == row
    assert await run(engine, Band.select().where(Band.name == "Abba").first()) is None
    found = await run(engine, Band.objects().where(Band.name == "Faust").first())
    assert found is not None
    assert found.to_dict() == row
    assert await run(engine, Band.count()) == 3
    assert await run(engine, Band.exists().where(Band.fans > 6)) is True
    listed = Band.select(Band.name).where(Band.name.is_in(["Can", "Neu!"])).order_by(Band.fans, ascending=False)
    assert await run(engine, listed.limit(1).output(as_list=True)) == ["Neu!"]
    within = Band.select(Band.name).where(Band.name.is_in(Band.select(Band.name).where(Band.fans > 6)))
    assert await run(engine, within) == [{"name": "Faust"}]
    assert await run(engine, Band.raw("SELECT fans FROM bands WHERE name = {}", "Can")) == [{"fans": 3}]
    await run(engine, Band.delete().where(Band.fans < 6))
    assert await run(engine, Band.select(Band.name)) == [{"name": "Faust"}]


async def test_a_conflict_is_taken_or_settled(engine: SqlEngine) -> None:
    await run(engine, Band.insert(band("Can")))
    with pytest.raises(Taken):
        await run(engine, Band.insert(band("Can", 9)))
    await run(engine, Band.insert(band("Can", 9)).on_conflict(target=Band.name, action="DO NOTHING"))
    assert await run(engine, Band.select(Band.fans)) == [{"fans": 3}]
    raised = Band.insert(band("Can", 9)).on_conflict(target=Band.name, action="DO UPDATE", values=[Band.fans])
    await run(engine, raised)
    assert await run(engine, Band.select(Band.fans)) == [{"fans": 9}]


async def test_changed_rows_are_counted(engine: SqlEngine) -> None:
    await run(engine, Band.insert(band("Can"), band("Faust", 7)))
    assert await affected(engine, Band.update({Band.fans: Band.fans + 1}).where(Band.fans > 1)) == 2
    assert await affected(engine, Band.update({Band.fans: 0}).where(Band.name == "Abba")) == 0
    ignored = Band.insert(band("Can"), band("Neu!")).on_conflict(target=Band.name, action="DO NOTHING")
    assert await affected(engine, ignored) == 1
    assert await affected(engine, Band.delete().where(Band.name == "Can")) == 1


async def test_queries_take_part_in_the_transaction_of_their_engine(engine: SqlEngine) -> None:
    with suppress(LookupError):
        async with engine.transaction():
            await run(engine, Band.insert(band("Can")))
            assert await run(engine, Band.count()) == 1
            raise LookupError
    assert await run(engine, Band.count()) == 0
