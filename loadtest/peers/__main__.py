"""Measures other servers and goim with the same work, one after another on this machine.

    python -m loadtest.peers
    python -m loadtest.peers c2c --server goim --server ejabberd --seconds 8
    python -m loadtest.peers --synapse ../synapse/bin/python --json

Each server is started on loopback in a temporary folder, and stopped again. What is not installed is left out.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from goimctl.bench_options import Connections, Groups, Online, Rate, Seconds, Senders, Size, Warmup, Window
from goimctl.bench_screen import Screen as Terminal
from goimctl.open_files import take_all
from msgspec import Struct
from rich.console import Console

from goim import __version__
from loadtest.errors import Refused
from loadtest.mariadb import is_installed
from loadtest.peers.ejabberd import ejabberd
from loadtest.peers.postgres import Postgres, measured_postgres
from loadtest.peers.prosody import prosody
from loadtest.peers.rows import HEAD, IDLE_HEAD, Row, as_json, line_of, row_of
from loadtest.peers.site import Site, package_version
from loadtest.peers.synapse import synapse
from loadtest.run import Screen, Store, Where, measure, run
from loadtest.scenarios import Load, Scenario

_log = Console(stderr=True, highlight=False, markup=False)


class Server(StrEnum):
    """What can be measured."""

    GOIM = "goim"
    GOIM_MYSQL = "goim-mysql"
    EJABBERD = "ejabberd"
    PROSODY = "prosody"
    PROSODY_FILES = "prosody-files"
    SYNAPSE = "synapse"


class How(Struct, frozen=True):
    """What is the same for all."""

    synapse: str
    is_relaxed: bool


def measured(server: Server, load: Load, how: How, screen: Screen) -> Row:
    """One server under one load."""
    if server in (Server.GOIM, Server.GOIM_MYSQL):
        return _goim(server, load, screen)
    with (
        tempfile.TemporaryDirectory(prefix="goim-peers-") as name,
        _site(server, load, Path(name), how, screen) as site,
    ):
        pids = site.server_pids if load.scenario is Scenario.IDLE else site.stage.pids
        report = measure(load, site.plans, msgspec.structs.replace(site.stage, pids=pids), screen)
        archived = site.archived() if report.acknowledged else None
        database = f"{site.database}, commits not waited for" if how.is_relaxed else site.database
        return row_of(server, site.version, database, report, archived, site.copies)


def _goim(server: Server, load: Load, screen: Screen) -> Row:
    if server is Server.GOIM:
        return row_of(server, f"goim {__version__}", "SQLite", run(load, Where(), screen), None, 1)
    if not is_installed():
        raise Refused("no MariaDB (Debian and Ubuntu: apt-get install mariadb-server-core mariadb-client-core)")
    report = run(load, Where(store=Store.MYSQL), screen)
    database = f"MariaDB {package_version('mariadb-server-core')}"
    return row_of(server, f"goim {__version__}", database, report, None, 1)


@contextlib.contextmanager
def _site(server: Server, load: Load, folder: Path, how: How, screen: Screen) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:

        def database() -> Postgres:
            return stack.enter_context(measured_postgres(folder / "postgres", is_relaxed=how.is_relaxed))

        match server:
            case Server.EJABBERD:
                site = ejabberd(load, folder, database())
            case Server.PROSODY:
                site = prosody(load, folder, database())
            case Server.SYNAPSE:
                site = synapse(load, folder, database(), how.synapse, screen)
            case _:
                site = prosody(load, folder, None)
        yield stack.enter_context(site)


def main(
    scenarios: Annotated[list[Scenario] | None, typer.Argument(help="c2c, group or idle; all by default.")] = None,
    *,
    server: Annotated[list[Server] | None, typer.Option(help="Which to measure; all by default.")] = None,
    senders: Senders = 100,
    window: Window = 1,
    rate: Rate = 0,
    groups: Groups = 10,
    size: Size = 100,
    online: Online = 0.5,
    connections: Connections = 1000,
    seconds: Seconds = 8,
    warmup: Warmup = 2,
    relaxed: Annotated[bool, typer.Option("--relaxed", help="PostgreSQL acknowledges before it is on disk.")] = False,
    synapse_python: Annotated[
        str, typer.Option("--synapse", envvar="GOIM_SYNAPSE_PYTHON", help="The python that has Synapse.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Measure them. Exits with 1 if a message was lost, doubled or refused."""
    take_all()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends a run as Ctrl-C does: every server is stopped
    screen, how, rows = Terminal(), How(synapse_python, relaxed), list[Row]()
    try:
        for scenario in scenarios or [Scenario.C2C, Scenario.GROUP, Scenario.IDLE]:
            load = Load(
                scenario=scenario,
                senders=senders,
                window=window,
                rate=rate,
                groups=groups,
                size=size,
                online=online,
                connections=connections,
                seconds=seconds if scenario is not Scenario.IDLE else 1.0,
                warmup=warmup,
            )
            if not json:
                print(f"\n{load.title}\n\n{IDLE_HEAD if scenario is Scenario.IDLE else HEAD}", flush=True)
            for row in _each(server or list(Server), load, how, screen):
                rows.append(row)
                if not json:
                    print(line_of(row), flush=True)
    finally:  # also what was measured before somebody ended it
        if json:
            print(as_json(rows))
    sys.exit(any(not row.is_good for row in rows))


def _each(servers: list[Server], load: Load, how: How, screen: Terminal) -> Iterator[Row]:
    """What can be measured here."""
    for server in servers:
        with contextlib.suppress(Refused):
            yield _one(server, load, how, screen)


def _one(server: Server, load: Load, how: How, screen: Terminal) -> Row:
    _log.print(f"{server}: {load.title} …")
    try:
        row = measured(server, load, how, screen)
    except Refused as error:
        _log.print(f"{server} is left out: {error}", style="red")
        raise
    finally:
        screen.close()
    for remark in [*row.examples, *row.remarks]:
        _log.print(f"{server}: {remark}")
    return row


if __name__ == "__main__":
    typer.run(main)
