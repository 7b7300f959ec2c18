"""Turns what came of a run into figures: a table for people, JSON for programs."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from goim import __version__
from loadtest.histogram import Latency
from loadtest.plan import Outcome
from loadtest.scenarios import Load, Scenario
from loadtest.watch import Share, Watch

_PIPE_WIDTH = 120
_BUSY = 0.9  # a generator that uses more of its core than this may be what limits the figures
_FULL = 0.95
_CURVE = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0]
_KIB = 1024
_IDLE_MARGIN = 0.6


class Step(Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that was counted, and how long it took (ms)."""

    name: str
    count: int
    per_second: float
    latency_ms: Latency | None
    curve_ms: list[tuple[float, float]]


class Process(Struct, frozen=True, kw_only=True, rename="camel"):
    """One of the server's: µs of CPU per unit of its main thread and of its others."""

    pid: int
    name: str
    main_us: float
    threads_us: float
    memory_bytes: int


class ServerUse(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the server used: cores' worth of CPU, µs per unit, memory at the end; per connection if they only idled."""

    cpu_us: float
    busy: float
    memory_bytes: int
    bytes_per_connection: float | None
    processes: list[Process]


class GeneratorUse(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the load generators used themselves."""

    processes: int
    cpu_us: float
    busy: float
    busiest: float


class Moment(Struct, frozen=True, kw_only=True, rename="camel"):
    """One point of the run, in seconds since the measured time began."""

    at: float
    per_second: dict[str, float]
    latest_p50_ms: float | None
    latest_p99_ms: float | None
    server_busy: float | None
    server_memory_bytes: int | None


class Machine(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the generators ran."""

    system: str
    processor: str
    cores: int
    python: str
    goim: str


class Report(Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything that is known of a run. `unit` is what CPU is divided by."""

    title: str
    url: str
    unit: str
    load: Load
    settings: dict[str, str]
    seconds: float
    steps: list[Step]
    server: ServerUse | None
    generator: GeneratorUse
    commit_batch: float | None
    commit_ms: float | None
    problems: dict[str, int]
    refused: dict[str, int]
    examples: list[str]
    acknowledged: int
    remarks: list[str]
    moments: list[Moment]
    machine: Machine

    @property
    def is_good(self) -> bool:
        """Whether every message was answered, and came once and in order."""
        return not self.problems and not self.refused

    def count(self, name: str) -> int:
        return next((step.count for step in self.steps if step.name == name), 0)


def report_of(
    load: Load,
    url: str,
    settings: Mapping[str, str],
    outcomes: Sequence[Outcome],
    whole: Outcome,
    watch: Watch,
    metrics: Mapping[str, float],
    moments: list[Moment],
) -> Report:
    """Figures from what the generators saw, from the server's processes, and from what /metrics counted meanwhile."""
    seconds = max(whole.ended - whole.begun, 1e-9)
    units = max(1, _units(load, whole))
    server = _server_use(load, watch, whole, units) if watch.samples else None
    busiest = max(each.cpu / max(each.ended - each.begun, 1e-9) for each in outcomes)
    generator = GeneratorUse(
        processes=len(outcomes), cpu_us=whole.cpu / units * 1e6, busy=whole.cpu / seconds, busiest=busiest
    )
    commits = metrics.get("im_commit_batch_size_count", 0.0)
    return Report(
        title=load.title,
        url=url,
        unit=load.unit,
        load=load,
        settings=dict(settings),
        seconds=seconds,
        steps=[_step(name, whole, seconds) for name in whole.counts],
        server=server,
        generator=generator,
        commit_batch=metrics["im_commit_batch_size_sum"] / commits if commits else None,
        commit_ms=metrics.get("im_commit_seconds_sum", 0.0) / commits * 1000 if commits else None,
        problems=whole.problems,
        refused=whole.refused,
        examples=whole.examples,
        acknowledged=whole.acknowledged,
        remarks=list(_remarks(load, whole, seconds, server, generator)),
        moments=moments,
        machine=_machine(),
    )


def _units(load: Load, whole: Outcome) -> int:
    """What CPU is divided by; an act is everything that somebody did."""
    if load.scenario is Scenario.MIXED:
        return sum(number for name, number in whole.counts.items() if name != "delivery")
    return whole.counts.get(load.unit, 0)


def as_json(report: Report) -> str:
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def show(report: Report) -> None:
    """Print it for people."""
    console = Console(
        highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH, soft_wrap=True
    )
    console.print(f"{report.title}; {report.seconds:.1f} s", style="bold")
    console.print(_table(report.steps))
    for line in lines(report):
        console.print(line)


def lines(report: Report) -> list[str]:
    """What else there is to say, one a line."""
    told = [_server_line(report), *_process_lines(report), _generator_line(report)]
    if report.commit_batch is not None and report.commit_ms is not None:
        told.append(f"commits     {report.commit_batch:.1f} messages and {report.commit_ms:.2f} ms each")
    told += [f"PROBLEM     {count} × {kind}" for kind, count in sorted(report.problems.items())]
    told += [f"REFUSED     {count} × {code}" for code, count in sorted(report.refused.items())]
    told += [f"            e.g. {example}" for example in report.examples]
    if report.is_good:
        told.append("checked     everything sent and delivered: nothing lost, doubled or out of order")
    return told + [f"note: {remark}" for remark in report.remarks]


def _table(steps: Sequence[Step]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for title in ("number", "per second", "p50 ms", "p90", "p99", "p99.9", "max"):
        table.add_column(title, justify="right", no_wrap=True)
    for step in steps:
        latency = step.latency_ms
        told = [latency.p50, latency.p90, latency.p99, latency.p999, latency.max] if latency else []
        numbers = [f"{step.count:,}", f"{step.per_second:,.0f}", *(f"{ms:.2f}" for ms in told)]
        table.add_row(step.name, *numbers)
    return table


def _server_line(report: Report) -> str:
    use = report.server
    if use is None:
        return "server      its processes are not to be seen from here (--pid)"
    memory = f"{use.memory_bytes / _KIB**2:.0f} MiB"
    if use.bytes_per_connection is not None:
        memory += f", {use.bytes_per_connection / _KIB:.1f} KiB a connection"
    return f"server      {use.cpu_us:.1f} µs of CPU a {report.unit}, {use.busy:.2f} cores busy, {memory}"


def _process_lines(report: Report) -> list[str]:
    if report.server is None:
        return []
    return [
        f"  {each.name:<9} {each.main_us:.1f} µs main thread, {each.threads_us:.1f} µs other threads, "
        f"{each.memory_bytes / _KIB**2:.0f} MiB (pid {each.pid})"
        for each in report.server.processes
    ]


def _generator_line(report: Report) -> str:
    use = report.generator
    cost = f"{use.cpu_us:.1f} µs of CPU a {report.unit}"
    text = f"generator   {cost} in {use.processes} × {use.busy / use.processes:.2f} cores"
    if report.server and use.cpu_us:
        text += f": {report.server.cpu_us / use.cpu_us:.1f} times cheaper than the server"
    return text


def _step(name: str, whole: Outcome, seconds: float) -> Step:
    histogram = whole.latencies.get(name)
    return Step(
        name=name,
        count=whole.counts[name],
        per_second=whole.counts[name] / whole.periods.get(name, seconds),
        latency_ms=histogram.percentiles() if histogram else None,
        curve_ms=list(zip(_CURVE, histogram.curve(_CURVE), strict=True)) if histogram else [],
    )


def _server_use(load: Load, watch: Watch, whole: Outcome, units: int) -> ServerUse:
    is_short = load.scenario in (Scenario.IDLE, Scenario.CONNECT)  # and before and after is nothing
    margin = _IDLE_MARGIN if is_short else 0.0
    shares = watch.shares(whole.begun - margin, whole.ended + margin)
    cpu = sum(share.cpu for share in shares)
    is_idle = load.scenario is Scenario.IDLE
    return ServerUse(
        cpu_us=cpu / units * 1e6,
        busy=cpu / max(whole.ended - whole.begun, 1e-9),
        memory_bytes=sum(share.memory for share in shares),
        bytes_per_connection=watch.grown_since(whole.begun) / units if is_idle else None,
        processes=[_process(share, units) for share in shares],
    )


def _process(share: Share, units: int) -> Process:
    return Process(
        pid=share.pid,
        name=share.name,
        main_us=share.main / units * 1e6,
        threads_us=share.threads / units * 1e6,
        memory_bytes=share.memory,
    )


def _remarks(load: Load, whole: Outcome, seconds: float, server: ServerUse | None, use: GeneratorUse) -> list[str]:
    told: list[str] = []
    if use.busiest > _BUSY:
        told.append(f"a generator was {use.busiest:.0%} busy: it was the limit, not the server (--processes)")
    cores = os.cpu_count() or 1
    if server and server.busy + use.busy > _FULL * cores:
        told.append(f"server and generator together filled this machine's {cores} cores")
    is_paced = load.rate and load.scenario in (Scenario.C2C, Scenario.GROUP, Scenario.FANOUT)
    offered = whole.counts.get("message", 0) / seconds
    if is_paced and offered < _FULL * load.rate:
        told.append(f"of {load.rate:,.0f} messages a second only {offered:,.0f} were answered: it is overloaded")
    return told


def _machine() -> Machine:
    return Machine(
        system=platform.platform(terse=True),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        goim=__version__,
    )


def _processor() -> str:
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next((line.partition(":")[2].strip() for line in said if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
