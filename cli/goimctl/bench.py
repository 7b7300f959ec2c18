"""`goimctl bench`: puts a server under load, checks every message, and says what it took."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from goim.resources import bundled
from goimctl.bench_locust import run_locust
from goimctl.bench_options import Connections, Groups, Online, Rate, Seconds, Senders, Size, Warmup, Window
from goimctl.bench_screen import Screen
from goimctl.options import way_to
from goimctl.output import ExitCode, Failed

if TYPE_CHECKING:
    from loadtest.profile import Profiling
    from loadtest.report import Report
    from loadtest.run import Where
    from loadtest.scenarios import Load

E = TypeVar("E", bound=StrEnum)
_Scenario = Annotated[
    list[str] | None, typer.Argument(help="c2c, group, fanout, idle, connect, stream or mixed.", metavar="SCENARIO")
]
_Url = Annotated[str, typer.Option(help="The server; without it one of our own, in a temporary folder.", metavar="URL")]
_Pid = Annotated[
    list[int] | None,
    typer.Option(help="A process of the server; on this machine it is found by its port.", metavar="N"),
]
_AdminToken = Annotated[
    str,
    typer.Option(
        envvar="GOIM_ADMIN_TOKEN",
        show_envvar=True,
        help="Makes the people without limits of rate. Better in the variable: who is on this machine sees arguments.",
        metavar="TOKEN",
    ),
]
_Set = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of a server of our own.", metavar="IM_NAME=VALUE")
]
_Profile = Annotated[
    Path | None, typer.Option(help="py-spy's profile of the server: .svg, .json, or text.", metavar="FILE")
]


def bench(
    scenario: _Scenario = None,
    *,
    url: _Url = "",
    pid: _Pid = None,
    admin_token: _AdminToken = "",
    senders: Senders = 500,
    window: Window = 1,
    rate: Rate = 0,
    groups: Groups = 10,
    size: Size = 100,
    online: Online = 0.5,
    speakers: Annotated[int, typer.Option(help="group: how many speak in each.", metavar="N", min=1)] = 1,
    hearers: Annotated[int, typer.Option(help="fanout: members besides the sender.", metavar="N", min=1)] = 1000,
    connections: Connections = 2000,
    chunk_rate: Annotated[
        float, typer.Option(help="stream: chunks a second of each.", metavar="N", min=0.1, max=150)
    ] = 20,
    chunks: Annotated[int, typer.Option(help="stream: chunks of each answer.", metavar="N", min=1)] = 100,
    text_bytes: Annotated[
        int, typer.Option(help="Length of a text (100) or chunk (12).", metavar="N", min=0, max=60_000)
    ] = 0,
    seconds: Seconds = 10,
    warmup: Warmup = 2,
    rest: Annotated[float, typer.Option(help="Silence before the load, and after it.", metavar="N", min=0)] = 2.5,
    processes: Annotated[int, typer.Option(help="Load generators; 0: as the machine allows.", metavar="N", min=0)] = 0,
    store: Annotated[
        str, typer.Option(help="sqlite, or mysql: a MariaDB that is started for the run.", metavar="DATABASE")
    ] = "sqlite",
    variable: _Set = None,
    profile: _Profile = None,
    locust: Annotated[bool, typer.Option("--locust", help="The same people under locust; -- and its options.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write the report, with charts, to this file.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Measure a server under load; exit code 1 if a message is lost."""
    if locust:
        raise typer.Exit(run_locust(url, senders, seconds, html, scenario or []))
    if len(scenario or []) != 1:
        raise Failed("name one scenario", hint="goimctl bench c2c", code=ExitCode.WRONG_USE)
    if html and not html.parent.is_dir():  # after the run would be too late
        raise Failed(f"there is no folder {html.parent} for the report", code=ExitCode.WRONG_USE)
    _find_loadtest()
    from loadtest.html import as_html
    from loadtest.report import as_json as json_of
    from loadtest.report import show
    from loadtest.run import Store, Where
    from loadtest.scenarios import Load, Scenario

    load = Load(
        scenario=_one_of(Scenario, (scenario or [""])[0], "scenario"),
        senders=senders,
        window=window,
        rate=rate,
        groups=groups,
        size=size,
        online=online,
        speakers=speakers,
        hearers=hearers,
        connections=connections,
        text_bytes=text_bytes,
        chunk_rate=chunk_rate,
        chunks=chunks,
        seconds=seconds,
        warmup=warmup,
        rest=rest,
        processes=processes or _usual_processes(),
    )
    where = Where(
        url=url,
        pids=pid or [],
        admin_token=admin_token,
        variables=_variables(variable or []),
        store=_one_of(Store, store, "database"),
    )
    report, profiling = _measure(load, where, profile)
    if html:
        html.write_text(as_html(report), encoding="utf-8")
    if as_json:
        typer.echo(json_of(report))
    else:
        show(report)
        _show_steps(report, profiling)
    raise typer.Exit(ExitCode.DONE if report.is_good else ExitCode.FAILED)


def _measure(load: Load, where: Where, profile: Path | None) -> tuple[Report, Profiling | None]:
    from goimctl import open_files
    from loadtest.errors import Away, Refused
    from loadtest.profile import Profiling
    from loadtest.run import run

    open_files.take_all()
    try:
        with _screen() as screen:
            profiling = Profiling(profile) if profile else None
            return run(load, where, screen, profiling), profiling
    except Away as error:
        raise Failed(str(error), hint=way_to(where.url), code=ExitCode.DEPENDENCY_DOWN) from None
    except Refused as error:
        raise Failed(str(error), hint=error.hint) from None


def _show_steps(report: Report, profiling: Profiling | None) -> None:
    """What each step of a message costs the node, where there is a profile that can be read."""
    from loadtest.steps import lines

    if profiling is None or not profiling.stacks or report.server is None:
        return
    node = report.server.processes[0]
    typer.echo(f"main thread of {node.pid}, of each {report.unit}")
    typer.echo("\n".join(lines(profiling.stacks, node.main_us)))


def _find_loadtest() -> None:
    """The load test is a package of its own beside this one; in a wheel it is among goim's own files."""
    if not hasattr(__import__("select"), "epoll"):
        raise Failed("goimctl bench runs on Linux only; it measures a server anywhere: --url")
    place = str(bundled("loadtest").parent)
    if place not in sys.path:
        sys.path.insert(0, place)


def _usual_processes() -> int:
    """Half of the cores, for the other half is the server's if it is here."""
    import os

    return max(1, (os.cpu_count() or 1) // 2)


def _one_of(choices: type[E], chosen: str, what: str) -> E:
    if chosen not in list(choices):
        raise Failed(f"there is no {what} {chosen}", hint=f"one of {', '.join(choices)}", code=ExitCode.WRONG_USE)
    return choices(chosen)


def _variables(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    if any(not sign or not name.startswith("IM_") for name, sign, _ in split):
        raise Failed("--set takes IM_NAME=value", hint="--set IM_GROUP_BATCH_SIZE=100", code=ExitCode.WRONG_USE)
    return {name: value for name, _, value in split}


@contextlib.contextmanager
def _screen() -> Iterator[Screen]:
    """SIGTERM ends a run as Ctrl-C does: what was made is removed."""
    import signal

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    screen = Screen()
    try:
        yield screen
    finally:
        screen.close()
        signal.signal(signal.SIGTERM, before)
