"""Measures goim (`python -m loadtest.bench --help`): every run has a server of its own with an empty database."""

from __future__ import annotations

import contextlib
import resource
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from rich.console import Console

from loadtest import profile, report
from loadtest.direct import populate_directly
from loadtest.mariadb import MISSING, MariaDbProcess, is_installed, measured_mariadb
from loadtest.plan import Finished, Measuring, Outcome, Plan
from loadtest.population import Population, Wanted, populate_by_api
from loadtest.server import ROOT, Pin, Refused, Server, environment_of, migrate, running_server

_OPEN_FILES = 20_000
_log = Console(stderr=True, highlight=False, markup=False)


class Kind(StrEnum):
    """What can be measured."""

    C2C = "c2c"
    FANOUT = "fanout"
    IDLE = "idle"


class Prepare(StrEnum):
    """How people come to be: written into the database before the server starts, or by the server's own API."""

    DIRECT = "direct"
    API = "api"


class Store(StrEnum):
    """Where everything is kept: in files of the server, or in a MariaDB that is started for the run."""

    SQLITE = "sqlite"
    MYSQL = "mysql"


class Run(Struct, frozen=True):
    """One line of the report: `size` is the senders of c2c, the hearers of fanout, the connections of idle."""

    kind: Kind
    size: int
    window: int = 1

    @property
    def name(self) -> str:
        match self.kind:
            case Kind.C2C:
                return f"c2c, {self.size} senders, window {self.window}"
            case Kind.FANOUT:
                return f"fanout 1 → {self.size}, window {self.window}"
            case Kind.IDLE:
                return f"{self.size} idle"

    @property
    def unit(self) -> str:
        return {Kind.C2C: "message", Kind.FANOUT: "delivery", Kind.IDLE: "handshake"}[self.kind]

    @property
    def wanted(self) -> Wanted:
        match self.kind:
            case Kind.C2C:
                return Wanted(people=2 * self.size, are_pairs=True)
            case Kind.FANOUT:
                return Wanted(people=1 + self.size, are_group=True)
            case Kind.IDLE:
                return Wanted(people=self.size)

    def plan(self, people: Population, server: Server, database_pid: int | None, how: How) -> Plan:
        """What the generator is to do."""
        plan = Plan(
            port=server.port,
            server_pid=server.pid,
            database_pid=database_pid,
            core=how.pin.generator_core,
            window=self.window,
            settling=how.settling,
            warmup=how.warmup,
            seconds=how.seconds,
        )
        match self.kind:
            case Kind.C2C:
                return msgspec.structs.replace(plan, conversations=people.pairs())
            case Kind.FANOUT:
                return msgspec.structs.replace(plan, conversations=people.group(), until_heard=True)
            case Kind.IDLE:
                return msgspec.structs.replace(plan, idlers=people.people)


class How(Struct, frozen=True, kw_only=True):
    """What is the same for all runs."""

    seconds: float
    warmup: float
    settling: float = 2.5
    prepare: Prepare
    pin: Pin
    store: Store = Store.SQLITE
    folder: Path | None = None
    variables: dict[str, str] = {}
    profiles: Path | None = None
    profile_format: profile.Format = profile.Format.RAW


def measure(run: Run, how: How) -> report.Row:
    """Make the people, start a server, load it, stop it."""
    with tempfile.TemporaryDirectory(prefix="goim-bench-", dir=how.folder) as name:
        folder, secret = Path(name), secrets.token_urlsafe(48)
        environment = {**environment_of(folder, secret), **how.variables}
        with _database(how.store, folder) as database:
            if database is not None:
                environment["IM_MYSQL_DSN"] = database.goim_dsn
                migrate(environment, folder)
            people = None
            if how.prepare is Prepare.DIRECT:
                people = populate_directly(folder / "data", secret, run.wanted, database.goim_dsn if database else "")
            with running_server(environment, folder, how.pin) as server:
                if people is None:
                    people = populate_by_api(server.url, run.wanted)
                before = server.metrics()
                plan = run.plan(people, server, database.pid if database else None, how)
                outcome = _generate(run, plan, how)
                counted = {metric: value - before.get(metric, 0.0) for metric, value in server.metrics().items()}
    return report.row_of(run.name, run.unit, outcome, counted)


def _database(store: Store, folder: Path) -> contextlib.AbstractContextManager[MariaDbProcess | None]:
    """The database server of a run, if it has one."""
    return measured_mariadb(folder / "mariadb") if store is Store.MYSQL else contextlib.nullcontext()


def _generate(run: Run, plan: Plan, how: How) -> Outcome:
    """Run the generator, and the profiler while it measures."""
    command = [sys.executable, "-m", "loadtest.generator"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)  # nothing left to kill unless something went wrong
        process.stdin.write(msgspec.json.encode(plan))
        process.stdin.close()
        for line in process.stdout:
            event = _read_event(line)
            if isinstance(event, Measuring):
                stack.enter_context(_profiling(run, plan.server_pid, event.seconds, how))
            else:
                return event.outcome
    raise Refused("the load generator ended without a result")


def _read_event(line: bytes) -> Measuring | Finished:
    event: Measuring | Finished = msgspec.json.decode(line, type=Measuring | Finished)
    return event


@contextlib.contextmanager
def _profiling(run: Run, pid: int, seconds: float, how: How) -> Iterator[None]:
    """The profiler if one is wanted; it disturbs the figures of its run."""
    if how.profiles is None:
        yield
        return
    name = "-".join(filter(None, (run.kind.value, str(run.size), f"w{run.window}")))
    target = how.profiles / (name + how.profile_format.suffix)
    with profile.profiling(pid, seconds, target, how.profile_format):
        yield
    _log.print(f"profile: {target}")
    if how.profile_format is profile.Format.RAW and target.exists():
        for function, own, within in profile.top_functions(target.read_text()):
            _log.print(f"{own:7.1%} {within:7.1%}  {function}", soft_wrap=True)


def _runs(kinds: list[Kind], senders: list[int], windows: list[int], hearers: int, connections: int) -> list[Run]:
    """What was asked for, in order; without windows the usual ones of each kind."""
    runs: list[Run] = []
    if Kind.C2C in kinds:
        runs += [Run(Kind.C2C, size, window) for size in senders for window in windows or (1, 4)]
    if Kind.FANOUT in kinds:
        runs += [Run(Kind.FANOUT, hearers, window) for window in windows or (1, 8)]
    if Kind.IDLE in kinds:
        runs.append(Run(Kind.IDLE, connections))
    return runs


def main(
    kinds: Annotated[list[Kind] | None, typer.Argument(help="What to measure; all by default.")] = None,
    *,
    senders: Annotated[list[int] | None, typer.Option(help="c2c: how many send (64 and 500).")] = None,
    window: Annotated[
        list[int] | None, typer.Option(help="Messages under way (c2c: 1 and 4, fanout: 1 and 8).")
    ] = None,
    hearers: Annotated[int, typer.Option(help="fanout: members besides the sender.")] = 1000,
    connections: Annotated[int, typer.Option(help="idle: connections.", min=200)] = 5000,
    seconds: Annotated[float, typer.Option(help="Measured time.", min=0.1)] = 5.0,
    warmup: Annotated[float, typer.Option(help="Time under load before that.", min=0.0)] = 2.0,
    prepare: Annotated[Prepare, typer.Option(help="How the people are made.")] = Prepare.DIRECT,
    store: Annotated[Store, typer.Option(help="sqlite, or mysql: a MariaDB that is started.")] = Store.SQLITE,
    pin: Annotated[
        Pin, typer.Option(help="Cores: split (one each), float (server threads anywhere), none.")
    ] = Pin.NONE,
    folder: Annotated[
        Path | None, typer.Option(help="Where databases are made; the default is the temporary folder.")
    ] = None,
    variable: Annotated[list[str] | None, typer.Option("--set", help="IM_NAME=value for the server.")] = None,
    profiles: Annotated[
        Path | None, typer.Option("--profile", help="Folder for py-spy's profiles of the server.")
    ] = None,
    profile_format: Annotated[profile.Format, typer.Option(help="raw is summed up, too.")] = profile.Format.RAW,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of tables.")] = False,
) -> None:
    """Measure a goim server on this machine, checking every message. Exits with 1 if any was wrong."""
    how = How(
        seconds=seconds,
        warmup=warmup,
        prepare=prepare,
        pin=pin,
        store=store,
        folder=folder,
        variables=_variables(variable or []),
        profiles=profiles,
        profile_format=profile_format,
    )
    if sys.platform != "linux":
        raise typer.BadParameter("the figures are read from /proc: this runs on Linux only")
    if store is Store.MYSQL and not is_installed():
        raise typer.BadParameter(MISSING)
    if profiles:
        profiles.mkdir(parents=True, exist_ok=True)
    _raise_file_limit()
    rows: list[report.Row] = []
    for run in _runs(kinds or list(Kind), senders or [64, 500], window or [], hearers, connections):
        _log.print(f"{run.name} …")
        try:
            rows.append(measure(run, how))
        except (Refused, profile.ProfilerMissing) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
    if as_json:
        typer.echo(report.as_json(rows))
    else:
        report.show(rows)
    raise typer.Exit(any(row.problems for row in rows))


def _variables(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    if any(not sign for _, sign, _ in split):
        raise typer.BadParameter("--set takes IM_NAME=value")
    return {name: value for name, _, value in split}


def _raise_file_limit() -> None:
    """As many open files as the system allows us; the server and the generator inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


if __name__ == "__main__":
    typer.run(main)
