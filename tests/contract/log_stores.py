"""The message log on every database it must behave the same on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from goim.resources import bundled
from goim.stores.base_log import Changes, ConvDeletes, MessageTable, Pending
from goim.stores.engine import SqlEngine
from goim.stores.memory_log import MemoryChanges, MemoryConvDeletes, MemoryMessages, MemoryPending
from goim.stores.migrate import Migrator
from goim.stores.mongo import MongoConvDeletes, MongoDatabase, MongoMessages, MongoPending
from goim.stores.mongo_changes import MongoChanges
from goim.stores.mysql import MysqlEngine
from goim.stores.sql import SqlChanges, SqlConvDeletes, SqlMessages, SqlPending
from goim.stores.sqlite import SqliteEngine


@dataclass(frozen=True)
class LogStores:
    """What belongs to the log."""

    messages: MessageTable
    changes: Changes
    deletes: ConvDeletes
    pending: Pending


def memory_log() -> LogStores:
    messages = MemoryMessages()
    return LogStores(
        messages=messages, changes=MemoryChanges(messages), deletes=MemoryConvDeletes(), pending=MemoryPending()
    )


def sql_log(engine: SqlEngine) -> LogStores:
    return LogStores(
        messages=SqlMessages(engine),
        changes=SqlChanges(engine),
        deletes=SqlConvDeletes(engine),
        pending=SqlPending(engine),
    )


def mongo_log(database: MongoDatabase) -> LogStores:
    return LogStores(
        messages=MongoMessages(database),
        changes=MongoChanges(database),
        deletes=MongoConvDeletes(database),
        pending=MongoPending(database),
    )


@pytest.fixture(name="log", params=["memory", "sqlite", "mysql", "mongodb"])
async def log_stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogStores]:
    """An empty log."""
    if request.param == "memory":
        yield memory_log()
        return
    if request.param == "mysql":
        async with MysqlEngine(await request.getfixturevalue("mysql_server").migrated("messages")) as server:
            yield sql_log(server)
        return
    if request.param == "mongodb":
        async with request.getfixturevalue("mongo_server").migrated() as (_, database):
            yield mongo_log(database)
        return
    async with SqliteEngine(tmp_path / "messages.db", page_size=2048) as engine:
        await Migrator(engine, bundled("schemas") / "sqlite", {"messages"}).up()
        yield sql_log(engine)
