"""FerretDB over PostgreSQL, for tests: MongoDB's protocol from other hands, in two processes that can be killed.

`GOIM_TEST_FERRETDB` names the program; `docs/development.md` says how to build it. It is no part of the usual run, for
building it takes a compiler and minutes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.process import free_port

PATIENCE = 60.0
PROGRAM = "GOIM_TEST_FERRETDB"
_PAUSE = 0.05
_DATABASE = "ferretdb"
_OWNER = "postgres"
"""Who PostgreSQL runs as where we are root, as which it does not, and its own first user."""


class FerretDb:
    """Both processes, in a folder of their own; either may be killed, and both started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = str(folder / "data")
        self._postgres_port = free_port()
        self._port = free_port()
        self._postgres: subprocess.Popen[bytes] | None = None
        self._ferret: subprocess.Popen[bytes] | None = None
        self.uri = f"mongodb://127.0.0.1:{self._port}"

    def create(self) -> None:
        """An empty server."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, _OWNER, _OWNER)
        cluster = ("-D", self._data, "-U", _OWNER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        assert self._postgres_tool("initdb", *cluster).wait(PATIENCE) == 0, self._said("initdb")
        self._start_postgres()
        where = ("-h", "127.0.0.1", "-p", str(self._postgres_port), "-U", _OWNER, _DATABASE)
        assert self._postgres_tool("createdb", *where).wait(PATIENCE) == 0, self._said("createdb")
        self._start_ferret()

    def start(self) -> None:
        """What does not run; return when it answers."""
        if self._postgres is None:
            self._start_postgres()
        if self._ferret is None:
            self._start_ferret()

    def kill(self) -> None:
        """`kill -9` of both at once."""
        self.kill_ferret()
        self.kill_postgres()

    def kill_ferret(self) -> None:
        if self._ferret is not None:
            self._ferret.kill()
            self._ferret.wait(PATIENCE)
            self._ferret = None

    def kill_postgres(self) -> None:
        """With all its processes: it does not start again while one of them lives."""
        if self._postgres is None:
            return
        pid = self._postgres.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._postgres.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._postgres.wait(PATIENCE)
        self._postgres = None

    @property
    def kills(self) -> tuple[Callable[[], None], ...]:
        """The accidents that it can have."""
        return (self.kill_ferret, self.kill_postgres, self.kill)

    def _start_postgres(self) -> None:
        where = ("-D", self._data, "-p", str(self._postgres_port), "-k", str(self._folder))
        options = ("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:  # what a killed one shared with its processes goes a moment later
            self._postgres = self._postgres_tool("postgres", *where, *options)
            while self._postgres.poll() is None and time.monotonic() < end:
                if self._answers():
                    return
                time.sleep(_PAUSE)  # noqa: TID251 it does not say when it answers
        raise AssertionError(self._said("postgres"))

    def _answers(self) -> bool:
        asked = [_tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._postgres_port)]
        return subprocess.run(asked, check=False).returncode == 0

    def _start_ferret(self) -> None:
        """It inserts 100 documents as one by itself, and an ordered insert of more goes on after a taken key: so more
        of them are one here."""
        url = f"postgres://{_OWNER}@127.0.0.1:{self._postgres_port}/{_DATABASE}?pool_max_conns=50"
        listen = ("--listen-addr", f"127.0.0.1:{self._port}", "--debug-addr=-", "--telemetry=disable")
        where = ("--postgresql-url", url, "--state-dir", str(self._folder))
        self._ferret = self._popen(os.environ[PROGRAM], *listen, *where, "--test-batch-size=10000")
        end = time.monotonic() + PATIENCE
        while self._ferret.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)):
                return
            time.sleep(_PAUSE)  # noqa: TID251 it does not say when it answers
        raise AssertionError(self._said(Path(os.environ[PROGRAM]).name))

    def _popen(self, program: str, *arguments: str, owner: str | None = None) -> subprocess.Popen[bytes]:
        groups = None if owner is None else ()
        with (self._folder / f"{Path(program).name}.log").open("ab") as log:
            return subprocess.Popen(
                [program, *arguments], stdout=log, stderr=log, user=owner, group=owner, extra_groups=groups
            )

    def _postgres_tool(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """It does not run as root."""
        return self._popen(_tool(name), *arguments, owner=_OWNER if os.geteuid() == 0 else None)

    def _said(self, program: str) -> str:
        return (self._folder / f"{program}.log").read_text()


def _tool(name: str) -> str:
    """A program of PostgreSQL's; Debian has those of the server in a folder of the version's."""
    found = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    program = found[-1] if found else shutil.which(name)
    assert program is not None, f"{name} is missing: install postgresql"
    return program


@contextlib.contextmanager
def running_ferretdb() -> Iterator[FerretDb]:
    """A server of one's own, to be killed. Not in a folder of pytest's: nobody but its owner gets into those."""
    with tempfile.TemporaryDirectory(prefix="goim-ferretdb-") as folder:
        server = FerretDb(Path(folder))
        try:
            server.create()
            yield server
        finally:
            server.kill()
