"""Migrations: each file once, whoever applies it, and never on a schema that is not what it seems."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goim.errors import MigrationError, StoreDown
from goim.resources import bundled
from goim.stores.migrate import CREATE_TABLE, RECORD, Migration, Migrator, State
from goim.stores.sqlite import SqliteEngine
from tests.fake_clock import START_MS, FakeClock

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(tmp_path / "goim.db") as engine:
        yield engine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of one store and one of another."""
    folder = tmp_path / "schema"
    folder.mkdir()
    write(
        folder,
        "0001_birds.sql",
        "-- store: birds\n-- All of them.\nCREATE TABLE birds (\n  id TEXT -- a name; any\n);\n",
    )
    write(folder, "0002_fish.sql", "-- store: fish\nCREATE TABLE fish (id TEXT);\n")
    write(
        folder, "0003_nests.sql", "-- store: birds\nCREATE TABLE nests (id TEXT);\nCREATE INDEX in_nests ON nests (id)"
    )
    return folder


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def migrator(engine: SqliteEngine, folder: Path) -> Migrator:
    return Migrator(engine, folder, {"birds"}, FakeClock())


def file_names(migrations: list[Migration]) -> list[str]:
    return [migration.file_name for migration in migrations]


async def tables(engine: SqliteEngine) -> list[str]:
    return [name for (name,) in await engine.fetch_rows(TABLES)]


async def make_dirty(engine: SqliteEngine, version: int) -> None:
    await engine.execute("UPDATE schema_migrations SET dirty = 1 WHERE version = ?", (version,))


async def test_the_files_of_the_store_are_applied_in_order_and_once(engine: SqliteEngine, folder: Path) -> None:
    assert file_names(await migrator(engine, folder).up()) == ["0001_birds.sql", "0003_nests.sql"]
    assert await tables(engine) == ["birds", "nests", "schema_migrations"]
    assert await migrator(engine, folder).up() == []
    write(folder, "0004_eggs.sql", "-- store: birds\nCREATE TABLE eggs (id TEXT);")
    assert file_names(await migrator(engine, folder).up()) == ["0004_eggs.sql"]


async def test_two_stores_can_share_a_database(engine: SqliteEngine, folder: Path) -> None:
    await migrator(engine, folder).up()
    assert file_names(await Migrator(engine, folder, {"birds", "fish"}).up()) == ["0002_fish.sql"]


async def test_status_says_how_each_file_stands(engine: SqliteEngine, folder: Path) -> None:
    before = [(each.migration.version, each.state, each.applied_at) for each in await migrator(engine, folder).status()]
    assert before == [(1, State.PENDING, None), (3, State.PENDING, None)]
    await migrator(engine, folder).up()
    write(folder, "0003_nests.sql", "-- store: birds\nCREATE TABLE nests (id TEXT, tree TEXT);")
    write(folder, "0004_eggs.sql", "-- store: birds\nCREATE TABLE eggs (id TEXT);")
    await make_dirty(engine, 1)
    after = [(each.migration.version, each.state, each.applied_at) for each in await migrator(engine, folder).status()]
    assert after == [(1, State.DIRTY, START_MS), (3, State.EDITED, START_MS), (4, State.PENDING, None)]


async def test_a_dry_run_says_what_is_pending_and_changes_nothing(engine: SqliteEngine, folder: Path) -> None:
    assert file_names(await migrator(engine, folder).up(dry_run=True)) == ["0001_birds.sql", "0003_nests.sql"]
    assert await tables(engine) == []
    assert len(await migrator(engine, folder).pending()) == 2


async def test_a_file_that_fails_leaves_nothing_and_stops_what_comes_after(engine: SqliteEngine, folder: Path) -> None:
    write(folder, "0002_fish.sql", "-- store: birds\nCREATE TABLE half (id TEXT);\nCREATE TABLE birds (id TEXT);\n")
    with pytest.raises(MigrationError, match=r"0002_fish\.sql: table birds already exists") as refused:
        await migrator(engine, folder).up()
    assert "goimctl migrate" in str(refused.value.hint)
    assert await tables(engine) == ["birds", "schema_migrations"]
    write(folder, "0002_fish.sql", "-- store: birds\nCREATE TABLE half (id TEXT);\n")
    assert file_names(await migrator(engine, folder).up()) == ["0002_fish.sql", "0003_nests.sql"]


async def test_a_file_edited_after_it_was_applied_is_refused(engine: SqliteEngine, folder: Path) -> None:
    await migrator(engine, folder).up()
    original = (folder / "0001_birds.sql").read_text()
    write(folder, "0001_birds.sql", original + "-- better\n")
    write(folder, "0004_eggs.sql", "-- store: birds\nCREATE TABLE eggs (id TEXT);")
    for refused in (migrator(engine, folder).up(), migrator(engine, folder).pending()):
        with pytest.raises(MigrationError, match=r"0001_birds\.sql was edited") as error:
            await refused
        assert "restore" in str(error.value.hint)
    assert "eggs" not in await tables(engine)
    write(folder, "0001_birds.sql", original.replace("\n", "\r\n"))  # another line end is not an edit
    assert file_names(await migrator(engine, folder).up()) == ["0004_eggs.sql"]


async def test_a_half_applied_schema_is_refused_until_somebody_resolves_it(engine: SqliteEngine, folder: Path) -> None:
    await migrator(engine, folder).up()
    await make_dirty(engine, 3)
    write(folder, "0004_eggs.sql", "-- store: birds\nCREATE TABLE eggs (id TEXT);")
    with pytest.raises(MigrationError, match=r"0003_nests\.sql") as refused:
        await migrator(engine, folder).up()
    assert "goimctl migrate resolve 3" in str(refused.value.hint)
    await migrator(engine, folder).resolve(3)
    assert file_names(await migrator(engine, folder).up()) == ["0004_eggs.sql"]


async def test_a_schema_newer_than_this_version_is_refused(engine: SqliteEngine, folder: Path) -> None:
    write(folder, "0004_eggs.sql", "-- store: birds\nCREATE TABLE eggs (id TEXT);")
    await Migrator(engine, folder, {"birds", "fish"}).up()
    assert await migrator(engine, folder).up() == []  # what another part has applied in the same database is known
    (folder / "0004_eggs.sql").unlink()
    old = migrator(engine, folder)
    for refused in (old.up(), old.up(dry_run=True), old.pending(), old.require()):
        with pytest.raises(MigrationError, match=r"the schema is newer than goim .*: it has 0004_eggs") as error:
            await refused
        assert "install the goim that ran `goimctl migrate` last" in str(error.value.hint)
    assert [status.state for status in await old.status()] == [State.APPLIED] * 2  # to look at it is no harm


async def test_only_what_is_dirty_can_be_resolved(engine: SqliteEngine, folder: Path) -> None:
    with pytest.raises(MigrationError, match="version 3 is not dirty"):
        await migrator(engine, folder).resolve(3)
    await migrator(engine, folder).up()
    with pytest.raises(MigrationError, match="version 3 is not dirty"):
        await migrator(engine, folder).resolve(3)


async def test_what_another_process_did_meanwhile_is_looked_at_again(engine: SqliteEngine, folder: Path) -> None:
    async with asyncio.TaskGroup() as tasks, engine.transaction():
        waiting = tasks.create_task(refusal(migrator(engine, folder)), context=contextvars.Context())
        for _ in range(10):
            await engine.fetch_rows("SELECT 1")  # time for it to find everything pending and to want the lock
        assert not waiting.done()
        await engine.run_ddl(CREATE_TABLE)
        await engine.execute(RECORD, (1, "birds", "of another release", START_MS, 0))
    assert "was edited" in waiting.result()
    assert await tables(engine) == ["schema_migrations"]


async def refusal(migrator: Migrator) -> str:
    with pytest.raises(MigrationError) as refused:
        await migrator.up()
    return refused.value.message


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("4_eggs.sql", "-- store: birds\n", "not a migration"),
        ("0004_eggs.sql", "CREATE TABLE eggs (id TEXT);", "not a migration"),
        ("0003_eggs.sql", "-- store: birds\n", "one number"),
    ],
)
def test_a_folder_that_is_not_in_order_is_refused(
    engine: SqliteEngine, folder: Path, name: str, text: str, reason: str
) -> None:
    write(folder, name, text)
    with pytest.raises(MigrationError, match=reason):
        migrator(engine, folder)


async def test_a_database_in_trouble_is_not_the_fault_of_the_file(engine: SqliteEngine, folder: Path) -> None:
    three_pages = "PRAGMA max_page_count = 3"  # enough for schema_migrations
    await engine.write(lambda connection: connection.execute(three_pages).fetchone())
    with pytest.raises(StoreDown, match="full"):
        await migrator(engine, folder).up()


MIGRATE = """
import asyncio, sys
from pathlib import Path
from goim.stores.migrate import Migrator
from goim.stores.sqlite import SqliteEngine

async def main(path, folder):
    async with SqliteEngine(path) as engine:
        for migration in await Migrator(engine, Path(folder), {"birds"}).up():
            print(migration.version)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main(*sys.argv[1:]))
"""


async def test_two_processes_at_once_apply_each_file_once(tmp_path: Path, folder: Path) -> None:
    versions = range(4, 40)
    for version in versions:
        write(folder, f"{version:04}_more.sql", f"-- store: birds\nCREATE TABLE more_{version} (id TEXT);")
    path = tmp_path / "shared.db"
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MIGRATE, str(path), str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0]
    applied = sorted(int(line) for out, _ in told for line in out.split())
    assert applied == [1, 3, *versions]
    async with SqliteEngine(path) as engine:
        assert len(await tables(engine)) == len(applied) + 1


async def test_the_schemas_that_ride_along_can_be_applied(engine: SqliteEngine) -> None:
    parts = {"structured", "messages"}
    applied = await Migrator(engine, bundled("schemas") / "sqlite", parts).up()
    assert {migration.part for migration in applied} == parts
    assert {"messages", "changes", "conv_deletes", "im_users"} <= set(await tables(engine))
