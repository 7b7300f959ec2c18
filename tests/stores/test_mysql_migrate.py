"""Migrations where a change of the schema cannot be undone: a lock, and files that stay dirty until somebody looks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goim.errors import MigrationError
from goim.resources import bundled
from goim.stores.migrate import Migrator, State
from goim.stores.mysql import MysqlEngine
from tests.mysql_server import MysqlServer

DATABASE = "goim_migrate"
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def engine(mysql_server: MysqlServer) -> AsyncIterator[MysqlEngine]:
    async with MysqlEngine(await mysql_server.empty(DATABASE)) as engine:
        yield engine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_birds.sql", "CREATE TABLE birds (id BIGINT);")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"-- store: birds\n{text}\n")


async def tables(engine: MysqlEngine) -> list[str]:
    return [name for (name,) in await engine.fetch_rows(TABLES)]


async def states(engine: MysqlEngine, folder: Path) -> list[State]:
    return [status.state for status in await Migrator(engine, folder, {"birds"}).status()]


async def test_files_are_applied_once(engine: MysqlEngine, folder: Path) -> None:
    assert await states(engine, folder) == [State.PENDING]
    assert await tables(engine) == []
    assert len(await Migrator(engine, folder, {"birds"}).up(dry_run=True)) == 1
    assert await tables(engine) == []
    assert len(await Migrator(engine, folder, {"birds"}).up()) == 1
    assert await tables(engine) == ["birds", "schema_migrations"]
    assert await Migrator(engine, folder, {"birds"}).up() == []


async def test_a_schema_that_is_too_old_is_refused_with_the_command(engine: MysqlEngine, folder: Path) -> None:
    migrator = Migrator(engine, folder, {"birds"})
    with pytest.raises(MigrationError, match=r"0001_birds\.sql not applied") as refused:
        await migrator.require()
    assert refused.value.hint == "goimctl migrate"
    await migrator.up()
    await migrator.require()


async def test_who_is_interrupted_finishes_the_file_that_is_under_way(engine: MysqlEngine, folder: Path) -> None:
    slow = "CREATE TABLE eggs (id BIGINT);\nDO GET_LOCK('bred', 60);\nCREATE TABLE nests (id BIGINT);"
    write(folder, "0002_slow.sql", slow)
    write(folder, "0003_late.sql", "CREATE TABLE late (id BIGINT);")
    async with engine.pool.link() as link, asyncio.TaskGroup() as tasks:
        await link.run("DO GET_LOCK('bred', 0)")
        migrating = tasks.create_task(Migrator(engine, folder, {"birds"}).up())
        while "eggs" not in await tables(engine):
            assert not migrating.done()
        migrating.cancel()  # as Ctrl-C does
        assert "nests" not in await tables(engine)
        assert not migrating.done()
        await link.run("DO RELEASE_LOCK('bred')")
    assert migrating.cancelled()
    assert await states(engine, folder) == [State.APPLIED, State.APPLIED, State.PENDING]
    assert await tables(engine) == ["birds", "eggs", "nests", "schema_migrations"]


async def test_a_file_that_fails_half_way_is_dirty_until_somebody_resolves_it(
    engine: MysqlEngine, folder: Path
) -> None:
    write(folder, "0002_half.sql", "CREATE TABLE half (id BIGINT);\nCREATE TABLE birds (id BIGINT);")
    write(folder, "0003_nests.sql", "CREATE TABLE nests (id BIGINT);")
    migrator = Migrator(engine, folder, {"birds"})
    with pytest.raises(MigrationError, match=r"0002_half\.sql") as failed:
        await migrator.up()
    assert "1 of its statements stand" in str(failed.value.hint)
    assert "goimctl migrate resolve 2" in str(failed.value.hint)
    assert await states(engine, folder) == [State.APPLIED, State.DIRTY, State.PENDING]
    for refused in (migrator.up(), migrator.require()):
        with pytest.raises(MigrationError, match="only in part"):
            await refused
    await migrator.resolve(2)
    assert [migration.version for migration in await migrator.up()] == [3]
    assert await tables(engine) == ["birds", "half", "nests", "schema_migrations"]


async def test_a_file_that_fails_at_once_can_be_mended_and_tried_again(engine: MysqlEngine, folder: Path) -> None:
    write(folder, "0002_fish.sql", "CREATE TABLE fish (id NONSENSE);")
    migrator = Migrator(engine, folder, {"birds"})
    with pytest.raises(MigrationError, match="NONSENSE"):
        await migrator.up()
    write(folder, "0002_fish.sql", "CREATE TABLE fish (id BIGINT);")
    assert [migration.version for migration in await Migrator(engine, folder, {"birds"}).up()] == [2]


MIGRATE = """
import asyncio, sys
from pathlib import Path
from goim.config.dsn import parse_dsn
from goim.stores.migrate import Migrator
from goim.stores.mysql import MysqlEngine

async def main(dsn, folder):
    async with MysqlEngine(parse_dsn(dsn)) as engine:
        for migration in await Migrator(engine, Path(folder), {"birds"}).up():
            print(migration.version)

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main(*sys.argv[1:]))
"""


async def test_three_processes_at_once_apply_each_file_once(
    engine: MysqlEngine, mysql_server: MysqlServer, folder: Path
) -> None:
    versions = range(2, 12)
    for version in versions:
        write(folder, f"{version:04}_more.sql", f"CREATE TABLE more_{version} (id BIGINT);")
    dsn = mysql_server.url(DATABASE)
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MIGRATE, dsn, str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(int(line) for out, _ in told for line in out.split()) == [1, *versions]
    assert len(await tables(engine)) == len(versions) + 2


@pytest.mark.parametrize("dialect", ["mysql", "tidb"])
async def test_the_schemas_that_ride_along_can_be_applied(engine: MysqlEngine, dialect: str) -> None:
    """TiDB's own words stand in comments that only TiDB reads."""
    if engine.is_tidb and dialect == "mysql":
        pytest.skip("TiDB has a schema of its own")
    applied = await Migrator(engine, bundled("schemas") / dialect, {"structured", "messages", "words"}).up()
    assert len(applied) == len(list((bundled("schemas") / dialect).glob("*.sql")))
    assert {"messages", "changes", "conv_deletes", "im_users"} <= set(await tables(engine))


async def test_tidb_has_the_tables_of_mysql(mysql_server: MysqlServer) -> None:
    """Whatever way leads there: some keys TiDB can only change by making the table anew."""
    made = {}
    for dialect in ("mysql", "tidb"):
        async with MysqlEngine(await mysql_server.empty(DATABASE)) as engine:
            if engine.is_tidb:
                pytest.skip("TiDB has a schema of its own")
            await Migrator(engine, bundled("schemas") / dialect, {"structured", "messages", "words"}).up()
            made[dialect] = {name: await shape(engine, name) for name in await tables(engine)}
    assert made["tidb"] == made["mysql"]
    assert len(made["tidb"]) > 20


async def shape(engine: MysqlEngine, table: str) -> list[str]:
    """Its columns and keys, in whatever order."""
    ((_, text),) = await engine.fetch_rows(f"SHOW CREATE TABLE {table}")
    return sorted(line.strip(" ,") for line in str(text).split("\n"))
