"""A MySQL-family server for tests: Debian's MariaDB with a folder of its own, or one that a DSN names."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from goim.config.dsn import Dsn, parse_dsn
from goim.resources import bundled
from goim.stores.migrate import Migrator
from goim.stores.mysql import MysqlEngine
from tests.process import free_port

PATIENCE = 60.0
READY = "ready for connections"
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
        return f"mysql://{quote(dsn.user)}:{quote(dsn.password)}@{dsn.host}:{dsn.port}/{name}"

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
            if name not in self._migrated:
                own = "tidb" if engine.is_tidb else "mysql"
                await Migrator(engine, bundled("schemas") / (dialect or own), parts).up()
                self._migrated.add(name)
            tables = [table for (table,) in await engine.fetch_rows(TABLES) if table != "schema_migrations"]
            await engine.run_ddl(";\n".join(f"DELETE FROM {table}" for table in tables))
        return self.database(name)


class MariaDb(MysqlServer):
    """A server process of our own, to be killed and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = f"{folder}/s"
        super().__init__(Dsn(user="root", port=self.port, database="mysql"))
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    def install(self) -> None:
        """Make its data folder."""
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                f"--user={_user()}",
                f"--datadir={self.folder / 'data'}",
            ],
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        """Return when it can be connected to."""
        self._process = subprocess.Popen(
            [
                shutil.which("mariadbd") or "/usr/sbin/mariadbd",
                "--no-defaults",
                f"--user={_user()}",
                f"--datadir={self.folder / 'data'}",
                f"--socket={self.socket}",
                f"--pid-file={self.folder / 'pid'}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--character-set-server=utf8mb4",
                "--collation-server=utf8mb4_bin",
                "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=48M",
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests
        )
        said: Queue[str] = Queue()
        threading.Thread(target=self._listen, args=(self._process, said), daemon=True).start()
        try:
            while READY not in said.get(timeout=PATIENCE):
                pass
        except Empty:
            self.end(signal.SIGKILL)
            raise AssertionError("\n".join(self.lines)) from None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait until it is gone."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        self._process.wait(PATIENCE)

    def _listen(self, process: subprocess.Popen[str], said: Queue[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.lines.append(line.rstrip())
                said.put(line)


def _user() -> str:
    """mariadbd wants to be told that it may be root."""
    return "root" if os.geteuid() == 0 else os.environ.get("USER", "mysql")


def needs_mariadb() -> None:
    """Skip where there is no MariaDB; in CI there has to be."""
    if shutil.which("mariadb-install-db") and (shutil.which("mariadbd") or Path("/usr/sbin/mariadbd").exists()):
        return
    reason = "no MariaDB (Debian and Ubuntu: apt-get install mariadb-server-core mariadb-client-core)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def running_mariadb(folder: Path, *options: str) -> Iterator[MariaDb]:
    """A server of one's own."""
    needs_mariadb()
    server = MariaDb(folder, *options)
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
    with running_mariadb(folder, "--innodb-flush-log-at-trx-commit=2") as server:
        yield server
