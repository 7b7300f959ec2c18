"""Starts Debian's MariaDB with a folder and a port of its own, for one run or one test; stops it by its process id."""

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

from loadtest.errors import Refused
from loadtest.server import free_port, leashed

DATABASE = "goim"
PATIENCE = 60.0
_READY = "ready for connections"
# Every commit is on disk before it is told, as by default.
_MEASURED = ("--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=1G")
MISSING = "no MariaDB (Debian and Ubuntu: apt-get install mariadb-server-core mariadb-client-core)"


def is_installed() -> bool:
    """Whether there is a MariaDB to be started."""
    return bool(shutil.which("mariadb-install-db")) and Path(_program()).exists()


class MariaDbProcess:
    """A server process of our own, to be killed and started again. `root` has no password; it listens on loopback.

    What is told to another program of the family than MariaDB is for a subclass to say.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.lines: list[str] = []
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def _first_sql(self) -> str:
        return f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;\n"

    @property
    def goim_dsn(self) -> str:
        """What `IM_MYSQL_DSN` would be."""
        return f"mysql://root@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def install(self) -> None:
        """Make its data folder, with an empty database `goim`; `Refused` with what was said if that cannot be done."""
        (self.folder / "begin.sql").write_text(self._first_sql)
        command = self._installing()
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=self._environ())
        if done.returncode:
            raise Refused(f"{Path(command[0]).name} ended with {done.returncode}:\n{done.stdout}{done.stderr}".rstrip())

    def _environ(self) -> dict[str, str]:
        """With a place of its own for temporary tables: a server that starts removes all that it finds there."""
        place = self.folder / "tmp"
        place.mkdir(exist_ok=True)
        return {**os.environ, "TMPDIR": str(place)}

    def _installing(self) -> list[str]:
        return [
            "mariadb-install-db",
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--extra-file={self.folder / 'begin.sql'}",
            f"--user={user()}",
            f"--datadir={self.folder / 'data'}",
        ]

    def _serving(self) -> list[str]:
        return [_program(), "--no-defaults"]

    def start(self) -> None:
        """Return when it can be connected to; `Refused` with what it said if it cannot."""
        self._process = subprocess.Popen(
            [
                *self._serving(),
                f"--user={user()}",
                f"--datadir={self.folder / 'data'}",
                "--socket=../s",  # seen from its data, for the system takes no long path for one
                f"--pid-file={self.folder / 'pid'}",
                f"--port={self.port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--character-set-server=utf8mb4",
                "--collation-server=utf8mb4_bin",
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environ(),
            start_new_session=True,  # Ctrl-C is for those who started it
        )
        said: Queue[str | None] = Queue()
        threading.Thread(target=self._listen, args=(self._process, said), daemon=True).start()
        if not _is_ready(said):
            self.end(signal.SIGKILL)
            raise Refused("\n".join(self.lines))

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

    def _listen(self, process: subprocess.Popen[str], said: Queue[str | None]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.lines.append(line.rstrip())
                said.put(line)
        said.put(None)


def _is_ready(said: Queue[str | None]) -> bool:
    """Whether it says so, before it has ended or all patience has."""
    try:
        while (line := said.get(timeout=PATIENCE)) is not None:
            if _READY in line:
                return True
    except Empty:
        pass
    return False


def _program() -> str:
    return shutil.which("mariadbd") or "/usr/sbin/mariadbd"


def user() -> str:
    """Whom the server is to run as: it wants to be told that it may be root."""
    return "root" if os.geteuid() == 0 else os.environ.get("USER", "mysql")


class _Measured(MariaDbProcess):
    def _serving(self) -> list[str]:
        return leashed(super()._serving())


@contextlib.contextmanager
def measured_mariadb(folder: Path, *, is_kept: bool = False) -> Iterator[MariaDbProcess]:
    """A server as somebody would run it who does not want to lose anything: a new one, or what was kept there."""
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    server = _Measured(folder, *_MEASURED)
    if is_new:
        server.install()
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGTERM if is_kept else signal.SIGKILL)  # else nobody needs its data any more
