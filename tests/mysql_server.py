"""A MySQL-family server for tests: Debian's MariaDB, the MySQL of `GOIM_TEST_MYSQL_ROOT`, or one that a DSN names."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from goim.config.dsn import Dsn, parse_dsn
from goim.resources import bundled
from goim.stores.migrate import Migrator
from goim.stores.mysql import MysqlEngine
from loadtest.mariadb import MISSING, MariaDbProcess, is_installed
from tests.debian_mysql import PASSWORD, DebianMysqlProcess, mysql_root
from tests.process import free_port

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"


class MysqlServer:
    """Where a server is, and databases on it."""

    def __init__(self, dsn: Dsn) -> None:
        self.dsn = dsn
        self._migrated: set[str] = set()

    def database(self, name: str) -> Dsn:
        return replace(self.dsn, database=name)

    def url(self, name: str) -> str:
        """What `IM_MYSQL_DSN` would be."""
        dsn = self.dsn
        return f"mysql://{quote(dsn.user)}:{quote(dsn.password, safe='')}@{dsn.host}:{dsn.port}/{name}"

    async def empty(self, name: str) -> Dsn:
        """A database with nothing in it."""
        async with MysqlEngine(self.database("information_schema"), connections=1) as engine:
            await engine.run_ddl(f"DROP DATABASE IF EXISTS {name}")
            await engine.run_ddl(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.database(name)

    async def migrated(self, *parts: str, dialect: str | None = None) -> Dsn:
        """A database with the schema of these parts and nothing in it: made once, then swept, which is much quicker."""
        name = "_".join(("goim", dialect or "own", *parts))
        if name not in self._migrated:
            await self.empty(name)
        async with MysqlEngine(self.database(name), connections=2) as engine:
            if engine.is_tidb and dialect == "mysql":
                pytest.skip("TiDB has a schema of its own")
            if name not in self._migrated:
                own = "tidb" if engine.is_tidb else "mysql"
                await Migrator(engine, bundled("schemas") / (dialect or own), parts).up()
                self._migrated.add(name)
            tables = [table for (table,) in await engine.fetch_rows(TABLES) if table != "schema_migrations"]
            await engine.run_ddl(";\n".join(f"DELETE FROM {table}" for table in tables))
        return self.database(name)


_SMALL = (
    "--innodb-buffer-pool-size=64M",
    "--loose-innodb-log-file-size=48M",  # MariaDB's name of it, and MySQL's
    "--loose-innodb-redo-log-capacity=48M",
)


class MariaDb(MysqlServer, MariaDbProcess):
    """A server process of our own, to be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        MariaDbProcess.__init__(self, folder, *_SMALL, *options)
        self.port = free_port()  # one that stays free while it is down
        MysqlServer.__init__(self, Dsn(user="root", port=self.port, database="mysql"))


class DebianMysql(MysqlServer, DebianMysqlProcess):
    """The same, of MySQL."""

    def __init__(self, folder: Path, *options: str) -> None:
        DebianMysqlProcess.__init__(self, folder, *_SMALL, *options)
        self.port = free_port()
        MysqlServer.__init__(self, Dsn(user="root", password=PASSWORD, port=self.port, database="mysql"))


OwnServer = MariaDb | DebianMysql


def needs_mariadb() -> None:
    """Skip where there is no MariaDB; in CI there has to be."""
    if is_installed():
        return
    if os.environ.get("CI"):
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@contextlib.contextmanager
def own_server(folder: Path, *options: str) -> Iterator[OwnServer]:
    """A server of one's own: MariaDB, or MySQL if there is a folder of it."""
    if mysql_root() is None:
        needs_mariadb()
    server = MariaDb(folder, *options) if mysql_root() is None else DebianMysql(folder, *options)
    server.install()
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGKILL)


@contextlib.contextmanager
def shared_server(folder: Path) -> Iterator[MysqlServer]:
    """The server of most tests: that of a DSN in the environment, else one that takes its time to write to the disk."""
    if dsn := os.environ.get("GOIM_TEST_TIDB_DSN") or os.environ.get("GOIM_TEST_MYSQL_DSN"):
        yield MysqlServer(parse_dsn(dsn))
        return
    with own_server(folder, "--innodb-flush-log-at-trx-commit=2") as server:
        yield server
