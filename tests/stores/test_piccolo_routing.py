"""Piccolo's queries on engines chosen per query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from piccolo.columns import BigInt, Boolean, Text
from piccolo.table import Table

from goim.stores.base import Taken
from goim.stores.engine import ROUTED, affected, run
from goim.stores.sqlite import SqliteEngine

CREATE = """
CREATE TABLE bands (name TEXT NOT NULL PRIMARY KEY, fans BIGINT NOT NULL, active BOOLEAN NOT NULL, label TEXT NULL)"""

pytestmark = pytest.mark.timeout(20)


class Band(Table, tablename="bands", db=ROUTED):
    """A table bound to no engine."""

    name = Text(primary_key=True)
    fans = BigInt()
    active = Boolean()
    label = Text(null=True, default=None)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(tmp_path / "one.db") as engine:
        await engine.run_ddl(CREATE)
        yield engine


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(tmp_path / "other.db") as engine:
        await engine.run_ddl(CREATE)
        yield engine


def band(name: str, fans: int = 3) -> Band:
    return Band(name=name, fans=fans, active=True)


async def test_a_query_runs_on_the_engine_it_is_run_with(engine: SqliteEngine, other: SqliteEngine) -> None:
    insert = Band.insert(band("Can"))
    await run(engine, insert)
    assert await run(other, Band.select()) == []
    await run(other, insert)
    await asyncio.gather(run(engine, Band.update(fans=1, force=True)), run(other, Band.update(fans=2, force=True)))
    assert await run(engine, Band.select(Band.fans)) == [{"fans": 1}]
    assert await run(other, Band.select(Band.fans)) == [{"fans": 2}]


async def test_every_kind_of_query_works(engine: SqliteEngine) -> None:
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
    assert await run(engine, Band.raw("SELECT fans FROM bands WHERE name = {}", "Can")) == [{"fans": 3}]
    await run(engine, Band.delete().where(Band.fans < 6))
    assert await run(engine, Band.select(Band.name)) == [{"name": "Faust"}]


async def test_a_conflict_is_taken_or_settled(engine: SqliteEngine) -> None:
    await run(engine, Band.insert(band("Can")))
    with pytest.raises(Taken):
        await run(engine, Band.insert(band("Can", 9)))
    await run(engine, Band.insert(band("Can", 9)).on_conflict(target=Band.name, action="DO NOTHING"))
    assert await run(engine, Band.select(Band.fans)) == [{"fans": 3}]
    raised = Band.insert(band("Can", 9)).on_conflict(target=Band.name, action="DO UPDATE", values=[Band.fans])
    await run(engine, raised)
    assert await run(engine, Band.select(Band.fans)) == [{"fans": 9}]


async def test_changed_rows_are_counted(engine: SqliteEngine) -> None:
    await run(engine, Band.insert(band("Can"), band("Faust", 7)))
    assert await affected(engine, Band.update({Band.fans: Band.fans + 1}).where(Band.fans > 1)) == 2
    assert await affected(engine, Band.update({Band.fans: 0}).where(Band.name == "Abba")) == 0
    ignored = Band.insert(band("Can"), band("Neu!")).on_conflict(target=Band.name, action="DO NOTHING")
    assert await affected(engine, ignored) == 1
    assert await affected(engine, Band.delete().where(Band.name == "Can")) == 1


async def test_queries_take_part_in_the_transaction_of_their_engine(engine: SqliteEngine, other: SqliteEngine) -> None:
    with suppress(LookupError):
        async with engine.transaction():
            await run(engine, Band.insert(band("Can")))
            await run(other, Band.insert(band("Can")))
            assert await run(engine, Band.count()) == 1
            raise LookupError
    assert await run(engine, Band.count()) == 0
    assert await run(other, Band.count()) == 1


async def test_a_query_without_an_engine_is_refused(engine: SqliteEngine) -> None:
    await run(engine, Band.count())
    with pytest.raises(LookupError):
        await Band.count()


async def test_the_routing_engine_itself_has_no_transactions() -> None:
    with pytest.raises(TypeError, match="belongs to an engine"):
        ROUTED.transaction()


async def test_a_table_can_be_bound_to_one_engine_for_good(engine: SqliteEngine) -> None:
    class Own(Table, tablename="bands", db=engine):
        name = Text(primary_key=True)
        fans = BigInt()
        active = Boolean()

    await Own.insert(Own(name="Can", fans=3, active=True))
    async with engine.transaction():
        await Own.update({Own.fans: 4}).where(Own.name == "Can")
    assert await Own.select(Own.fans, Own.active) == [{"fans": 4, "active": True}]
    transaction = engine.atomic()
    transaction.add(Own.delete(force=True))
    await transaction
    assert await Own.count() == 0
