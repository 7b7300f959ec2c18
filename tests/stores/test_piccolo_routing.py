"""Piccolo's queries on engines chosen per query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from piccolo.columns import BigInt, Boolean, Text
from piccolo.table import Table

from goim.stores.engine import ROUTED, run
from goim.stores.sqlite import SqliteEngine

CREATE = """
CREATE TABLE bands (name TEXT NOT NULL PRIMARY KEY, fans BIGINT NOT NULL, active BOOLEAN NOT NULL, label TEXT NULL)"""


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
