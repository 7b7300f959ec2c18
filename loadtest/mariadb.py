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
from loadtest.server import free_port

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
    """A server process of our own, to be killed and started again. `root` has no password; it listens on loopback."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = f"{folder}/s"
        self.lines: list[str] = []
        self._options = options
        self._process: subprocess.Popen[str] | None = None

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
        """Make its data folder, with an empty database `goim`."""
        (self.folder / "begin.sql").write_text(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;\n")
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                f"--extra-file={self.folder / 'begin.sql'}",
                f"--user={_user()}",
                f"--datadir={self.folder / 'data'}",
            ],
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        """Return when it can be connected to; `Refused` with what it said if it cannot."""
        self._process = subprocess.Popen(
            [
                _program(),
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
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for those who started it
        )
        said: Queue[str] = Queue()
        threading.Thread(target=self._listen, args=(self._process, said), daemon=True).start()
        try:
            while _READY not in said.get(timeout=PATIENCE):
                pass
        except Empty:
            self.end(signal.SIGKILL)
            raise Refused("\n".join(self.lines)) from None

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


def _program() -> str:
    return shutil.which("mariadbd") or "/usr/sbin/mariadbd"


def _user() -> str:
    """mariadbd wants to be told that it may be root."""
    return "root" if os.geteuid() == 0 else os.environ.get("USER", "mysql")


@contextlib.contextmanager
def measured_mariadb(folder: Path, *, is_kept: bool = False) -> Iterator[MariaDbProcess]:
    """A server as somebody would run it who does not want to lose anything: a new one, or what was kept there."""
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    server = MariaDbProcess(folder, *_MEASURED)
    if is_new:
        server.install()
    server.start()
    try:
        yield server
    finally:
        server.end(signal.SIGTERM if is_kept else signal.SIGKILL)  # else nobody needs its data any more
