"""The indexes of MongoDB: made once, told apart, never edited; and every query finds one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goim.errors import MigrationError
from goim.resources import bundled
from goim.stores import mongo
from goim.stores.migrate import State
from goim.stores.mongo import MongoDatabase, mongo_database
from goim.stores.mongo_migrate import MongoMigrator
from tests.mongo_proxy import Accident, How, MongoProxy
from tests.mongo_server import MongoServer

FILE = '{"store": "messages", "why": "birds", "collections": {"birds": [{"name": "by_name", "keys": {"name": 1}}]}}'


@pytest.fixture
async def database(mongo_server: MongoServer) -> AsyncIterator[MongoDatabase]:
    async with mongo_server.empty() as (_, database):
        yield database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_birds.json").write_text(FILE)
    return tmp_path


async def test_a_file_is_applied_once_and_remembered(database: MongoDatabase, folder: Path) -> None:
    migrator = MongoMigrator(database, folder)
    assert [status.state for status in await migrator.status()] == [State.PENDING]
    assert [each.file_name for each in await migrator.up(dry_run=True)] == ["0001_birds.json"]
    assert await database.list_collection_names() == []
    assert [each.file_name for each in await migrator.up()] == ["0001_birds.json"]
    assert await migrator.up() == []
    (status,) = await migrator.status()
    assert status.state is State.APPLIED
    assert status.applied_at is not None
    assert "by_name" in await database["birds"].index_information()


async def test_of_several_at_once_one_says_that_it_applied_a_file(database: MongoDatabase, folder: Path) -> None:
    applied = await asyncio.gather(*(MongoMigrator(database, folder).up() for _ in range(3)))
    assert sorted(len(each) for each in applied) == [0, 0, 1]


async def test_who_comes_upon_a_file_that_another_has_just_applied_does_not_say_that_it_did(
    database: MongoDatabase, folder: Path
) -> None:
    late = MongoMigrator(database, folder)
    (status,) = await late.status()
    await MongoMigrator(database, folder).up()
    assert not await late._apply(status.migration)


async def test_indexes_may_take_longer_than_other_things(
    mongo_server: MongoServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mongo_server.empty() as (uri, _), MongoProxy(uri).running() as proxy:
        monkeypatch.setitem(mongo._OPTIONS, "socketTimeoutMS", 5_000)  # in which a busy machine does the other things
        proxy.accidents.append(Accident(How.HOLD, "createIndexes", "birds"))
        async with mongo_database(proxy.uri) as database, asyncio.TaskGroup() as tasks:
            applied = tasks.create_task(MongoMigrator(database, folder).up())
            await proxy.is_holding.wait()
            asyncio.get_running_loop().call_later(6.0, proxy.release.set)
    assert len(applied.result()) == 1


async def test_an_edited_file_is_refused(database: MongoDatabase, folder: Path) -> None:
    await MongoMigrator(database, folder).up()
    (folder / "0001_birds.json").write_text(FILE.replace("birds", "fish"))
    with pytest.raises(MigrationError, match=r"0001_birds\.json was edited after it was applied"):
        await MongoMigrator(database, folder).up()


async def test_a_newer_schema_is_refused(database: MongoDatabase, folder: Path) -> None:
    await MongoMigrator(database, folder).up()
    (folder / "0001_birds.json").rename(folder / "0002_birds.json")
    for refused in (MongoMigrator(database, folder).up(), MongoMigrator(database, folder).require()):
        with pytest.raises(MigrationError, match=r"the schema is newer than goim .*: it has 0001_birds"):
            await refused


async def test_an_old_schema_is_refused(database: MongoDatabase, folder: Path) -> None:
    migrator = MongoMigrator(database, folder)
    with pytest.raises(MigrationError, match=r"0001_birds\.json not applied") as refusal:
        await migrator.require()
    assert refusal.value.hint == "goimctl migrate"
    await migrator.up()
    await migrator.require()


async def test_indexes_that_are_gone_are_refused_and_made_again(database: MongoDatabase, folder: Path) -> None:
    migrator = MongoMigrator(database, folder)
    await migrator.up()
    await database["birds"].drop_index("by_name")
    with pytest.raises(MigrationError, match=r"0001_birds\.json not applied"):
        await migrator.require()
    assert [each.file_name for each in await migrator.up()] == ["0001_birds.json"]
    assert "by_name" in await database["birds"].index_information()
    await migrator.require()


async def test_what_is_no_migration_is_named(database: MongoDatabase, folder: Path) -> None:
    (folder / "0002_fish.json").write_text('{"store": "messages", "why": "", "collections": [], "more": 1}')
    with pytest.raises(MigrationError, match=r"0002_fish\.json is not a migration"):
        MongoMigrator(database, folder)


async def test_the_log_has_its_two_unique_indexes_and_no_other(database: MongoDatabase) -> None:
    await MongoMigrator(database, bundled("schemas") / "mongodb").up()
    indexes = await database["messages"].index_information()
    unique = {tuple(name for name, _ in index["key"]) for index in indexes.values() if index.get("unique")}
    assert unique == {("conv_id", "seq"), ("conv_id", "from_user_id", "client_msg_id")}
    assert len(indexes) == 3  # MongoDB's own one of `_id` is the third
