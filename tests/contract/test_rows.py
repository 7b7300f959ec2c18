"""Whole tables in pages, on every database: the same rows come out that went in, wherever they come from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from piccolo.columns import BigInt, Boolean, Bytea, Integer

from goim.resources import bundled
from goim.stores.migrate import Migrator
from goim.stores.mongo_rows import MongoRows
from goim.stores.mysql import MysqlEngine
from goim.stores.rows import LOG_SHAPES, STRUCTURED_SHAPES, Row, RowStore, Shape, SqlRows, checksum
from goim.stores.sqlite import SqliteEngine
from goim.stores.tables import STRUCTURED_TABLES

NUMBERS = {"seq", "timestamp", "expire_at", "change_no", "created_at", "deleted_at", "due_at"}


@pytest.fixture(params=["sqlite", "mysql", "mongodb"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RowStore]:
    """An empty log."""
    if request.param == "mongodb":
        async with request.getfixturevalue("mongo_server").migrated() as (_, database):
            yield MongoRows(database)
    elif request.param == "mysql":
        async with MysqlEngine(await request.getfixturevalue("mysql_server").migrated("messages")) as server:
            yield SqlRows(server)
    else:
        async with SqliteEngine(tmp_path / "messages.db") as engine:
            await Migrator(engine, bundled("schemas") / "sqlite", {"messages"}).up()
            yield SqlRows(engine)


@pytest.fixture(params=["sqlite", "mysql"])
async def data(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RowStore]:
    """Empty structured tables."""
    if request.param == "mysql":
        async with MysqlEngine(await request.getfixturevalue("mysql_server").migrated("structured")) as server:
            yield SqlRows(server)
    else:
        async with SqliteEngine(tmp_path / "goim.db") as engine:
            await Migrator(engine, bundled("schemas") / "sqlite", {"structured"}).up()
            yield SqlRows(engine)


def log_row(shape: Shape, number: int) -> Row:
    """Keys that differ in each of their columns, letters of every kind, nothing where nothing may be."""
    values: dict[str, Any] = {
        column: number if column in NUMBERS else f"{column} é好👋 {number % 3} {number // 3:03}"
        for column in shape.columns
    }
    values |= {"recalled": number % 2, "kind": f"kind {number % 3}", "type": "text", "emoji": f"👋{number}"}
    if number % 2:
        values |= {"payload": None, "extras": None, "expire_at": None}
    return tuple(values[column] for column in shape.columns)


def structured_row(shape: Shape, number: int) -> Row:
    (table,) = (each for each in STRUCTURED_TABLES if each._meta.tablename == shape.name)
    row: list[object] = []
    for column in table._meta.columns:
        name = column._meta.db_column_name
        match column:
            case Boolean():
                row.append(number % 2)
            case BigInt():
                row.append(2**53 + number)
            case Integer():
                row.append(None if column._meta.null and number % 2 else number)
            case Bytea():
                row.append(bytes([0, 255, number]))
            case _:
                row.append(
                    None if column._meta.null and number % 2 else f"{name[:4]} é好 {number % 3} {number // 3:03}"
                )
    return tuple(row)


async def everything(store: RowStore, shape: Shape, limit: int) -> list[Row]:
    found: list[Row] = []
    after = None
    while rows := await store.page(shape, after, limit):
        assert len(rows) <= limit
        found += rows
        after = shape.key_of(rows[-1])
    return found


@pytest.mark.parametrize("shape", LOG_SHAPES, ids=lambda shape: shape.name)
async def test_a_table_of_the_log_comes_out_as_it_went_in(log: RowStore, shape: Shape) -> None:
    await _comes_out_as_it_went_in(log, shape, [log_row(shape, number) for number in range(20)])


@pytest.mark.parametrize("shape", STRUCTURED_SHAPES, ids=lambda shape: shape.name)
async def test_a_structured_table_comes_out_as_it_went_in(data: RowStore, shape: Shape) -> None:
    await _comes_out_as_it_went_in(data, shape, [structured_row(shape, number) for number in range(20)])


async def _comes_out_as_it_went_in(store: RowStore, shape: Shape, rows: list[Row]) -> None:
    assert await store.count(shape) == 0
    await store.put(shape, rows[:12])
    await store.put(shape, rows[8:])  # twice is once
    assert await store.count(shape) == len(rows)
    found = await everything(store, shape, 7)
    assert sorted(found, key=repr) == sorted(rows, key=repr)
    assert checksum(found) == checksum(rows) != checksum(rows[1:])
    assert all(type(value) in (str, int, bytes, type(None)) for row in found for value in row)
