"""Starts Debian's PostgreSQL with a folder and a port of its own for one run: each commit on disk before it is told."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from loadtest.errors import Refused
from loadtest.peers.process import running, takes_connections
from loadtest.server import free_port

MISSING = "no PostgreSQL (Debian and Ubuntu: apt-get install postgresql)"
NAME = "peer"
"""Of the database and of its owner, who needs no password."""
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "max_connections": "100",
}


class Postgres:
    """A running one."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def run(self, *options: str, text: str = "") -> str:
        """What psql says."""
        command = [program("psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port)]
        done = subprocess.run(
            [*command, "-U", NAME, *options, NAME], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Refused(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def count(self, table: str) -> int:
        return int(self.run("-c", f"SELECT count(*) FROM {table}"))  # noqa: S608  # a table of a server that we started


def program(name: str) -> str:
    """Where a program of PostgreSQL is: Debian keeps those of the server beside the path, by version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise Refused(MISSING)
    return found


def version() -> str:
    said = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return f"PostgreSQL {said.split()[2]}"


@contextlib.contextmanager
def measured_postgres(folder: Path, *, is_relaxed: bool) -> Iterator[Postgres]:
    """A new one. If `is_relaxed`, a commit is told before it is on disk."""
    user = "postgres" if os.geteuid() == 0 else None  # it does not run as root
    data, port = folder / "data", free_port()
    folder.mkdir()
    folder.parent.chmod(0o711)
    if user:
        shutil.chown(folder, user)
    initdb = [program("initdb"), "-D", str(data), "-U", NAME, "--auth=trust", "--locale=C", "-E", "UTF8"]
    made = subprocess.run(initdb, cwd=folder, user=user, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Refused(f"initdb: {made.stderr.strip()}")
    options = _OPTIONS | {"port": str(port), "synchronous_commit": "off" if is_relaxed else "on"}
    command = [program("postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
    with running(command, folder, lambda: takes_connections(port), user=user, end=signal.SIGQUIT) as pid:
        server = Postgres(pid, port)
        _wait_and_create(server)
        yield server


def _wait_and_create(server: Postgres) -> None:
    """It takes connections a little before it serves them."""
    command = [program("psql"), "-X", "-q", "-h", "127.0.0.1", "-p", str(server.port), "-U", NAME, "-d", "postgres"]
    for _ in range(100):
        done = subprocess.run([*command, "-c", f"CREATE DATABASE {NAME}"], capture_output=True, text=True, check=False)
        if not done.returncode:
            return
        if "starting up" not in done.stderr:
            break
    raise Refused(f"psql: {done.stderr.strip()}")
