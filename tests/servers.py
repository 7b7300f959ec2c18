"""Starts real servers in a folder of their own, runs a command with their addresses, and ends them.

    python -m tests.servers mariadb redis kafka -- python -m loadtest.group_update

What is started is told in `IM_MYSQL_DSN` (with `GOIM_DATABASE_PID`), `IM_REDIS_ADDR` and `IM_KAFKA_BROKERS`. `mysql` is
the server of `GOIM_TEST_MYSQL_ROOT` (`tests/debian_mysql.py`), instead of MariaDB.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from loadtest.mariadb import measured_mariadb
from tests.debian_mysql import mysql_root
from tests.events.broker import Broker
from tests.mysql_server import own_server
from tests.redis_server import running_redis


def _mariadb(folder: Path, stack: ExitStack) -> dict[str, str]:
    server = stack.enter_context(measured_mariadb(folder / "mariadb"))
    return {"IM_MYSQL_DSN": server.goim_dsn, "GOIM_DATABASE_PID": str(server.pid)}


def _mysql(folder: Path, stack: ExitStack) -> dict[str, str]:
    if mysql_root() is None:
        sys.exit("there is no MySQL: python -m tests.debian_mysql FOLDER makes one and says what to set")
    server = stack.enter_context(own_server(folder))
    return {"IM_MYSQL_DSN": server.url("goim"), "GOIM_DATABASE_PID": str(server.pid)}


def _redis(folder: Path, stack: ExitStack) -> dict[str, str]:
    return {"IM_REDIS_ADDR": stack.enter_context(running_redis(folder)).addr}


def _kafka(folder: Path, stack: ExitStack) -> dict[str, str]:
    broker = Broker(folder)
    stack.callback(broker.kill)
    broker.start()
    return {"IM_KAFKA_BROKERS": broker.address}


STARTERS: dict[str, Callable[[Path, ExitStack], dict[str, str]]] = {
    "mariadb": _mariadb,
    "mysql": _mysql,
    "redis": _redis,
    "kafka": _kafka,
}


def main(names: list[str], command: list[str]) -> int:
    """Run `command` with these servers; its exit code."""
    with tempfile.TemporaryDirectory(prefix="goim-servers-") as root, ExitStack() as stack:
        variables: dict[str, str] = {}
        for name in names:
            folder = Path(root) / name
            folder.mkdir()
            variables |= STARTERS[name](folder, stack)
        return subprocess.run(command, env=os.environ | variables, check=False).returncode


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # whoever is told to end ends what they started
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else 0
    if not end or not words[end + 1 :] or not set(words[:end]) <= STARTERS.keys():
        sys.exit(f"usage: python -m tests.servers {' '.join(f'[{name}]' for name in STARTERS)} -- COMMAND …")
    sys.exit(main(words[:end], words[end + 1 :]))
