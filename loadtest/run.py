"""One load test from end to end: a server (ours or any), its people, the generators, the report."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from loadtest.direct import populate_directly
from loadtest.errors import Refused
from loadtest.generators import generators, together
from loadtest.live import Live
from loadtest.mariadb import MISSING, MariaDbProcess, is_installed, measured_mariadb
from loadtest.metrics import metrics_of
from loadtest.plan import Plan, Progress
from loadtest.population import Population, Wanted, settled
from loadtest.processes import listening_on
from loadtest.profile import Profiling
from loadtest.report import Report, report_of
from loadtest.scenarios import Load
from loadtest.server import environment_of, migrate, running_server
from loadtest.target import Target, target_of
from loadtest.watch import Watch


class Screen(Protocol):
    """Who is told what goes on."""

    def say(self, text: str) -> None: ...

    def step(self, what: str, done: int, total: int) -> None: ...

    def live(self, live: Live) -> None: ...


class Store(StrEnum):
    """Where our own server keeps everything: in its files, or in a MariaDB that is started for the run."""

    SQLITE = "sqlite"
    MYSQL = "mysql"


class Where(Struct, frozen=True, kw_only=True):
    """The server: any by `url`, or without it one of our own in a temporary folder."""

    url: str = ""
    pids: list[int] = []
    admin_token: str = ""
    variables: dict[str, str] = {}
    store: Store = Store.SQLITE


class Stage(Struct, frozen=True):
    """A server with people on it."""

    target: Target
    people: Population
    pids: list[int]
    settings: dict[str, str] = {}
    has_metrics: bool = True


def run(load: Load, where: Where, screen: Screen, profiling: Profiling | None = None) -> Report:
    """Measure, and leave nothing behind."""
    with _stage(load.wanted(), where, screen) as stage:
        return measure(load, load.plans(stage.target, stage.people), stage, screen, profiling)


@contextlib.contextmanager
def _stage(wanted: Wanted, where: Where, screen: Screen) -> Iterator[Stage]:
    if where.url:
        target = target_of(where.url)
        pids = where.pids or listening_on(target.host, target.port)
        with settled(target, wanted, where.admin_token, screen.step, screen.say) as people:
            yield Stage(target, people, pids)
        return
    with tempfile.TemporaryDirectory(prefix="goim-bench-") as name:
        folder = Path(name)
        screen.say(f"a server of our own, with {wanted.people} people, in {folder}")
        with _database(where.store, folder) as database:
            environ = environment_of(folder, secrets.token_urlsafe(48))
            if database is not None:
                environ["IM_MYSQL_DSN"] = database.goim_dsn
            environ |= where.variables
            if database is not None:
                migrate(environ, folder)
            people = populate_directly(environ, wanted)
            with running_server(environ, folder) as server:
                pids = [server.pid, *([database.pid] if database is not None else []), *where.pids]
                yield Stage(server.target, people, pids, where.variables)


def _database(store: Store, folder: Path) -> contextlib.AbstractContextManager[MariaDbProcess | None]:
    """The database server of a run, if it has one."""
    if store is Store.SQLITE:
        return contextlib.nullcontext()
    if not is_installed():
        raise Refused(MISSING)
    return measured_mariadb(folder / "mariadb")


def measure(load: Load, plans: list[Plan], stage: Stage, screen: Screen, profiling: Profiling | None = None) -> Report:
    """Let generators do what is planned, and look at the server meanwhile."""
    watch = Watch(stage.pids)
    live = Live(load, watch)
    before = _metrics(stage)
    with generators(plans) as started, contextlib.ExitStack() as stack:

        def begun(start: float, end: float) -> None:
            live.begin(start, end)
            if profiling is not None:
                stack.enter_context(profiling.of(stage.pids[0], start, end, load.title))

        def turn(progress: Progress) -> None:
            watch.turn()
            live.turn(progress)
            screen.live(live)

        outcomes = started.run(turn, begun)
        watch.finish()
    counted = {name: value - before.get(name, 0.0) for name, value in _metrics(stage).items()}
    whole = together(outcomes)
    return report_of(
        load, stage.target.url, stage.settings, outcomes, whole, watch, counted, live.moments(whole.begun, whole.ended)
    )


def _metrics(stage: Stage) -> dict[str, float]:
    return metrics_of(stage.target) if stage.has_metrics else {}
