"""Turns outcomes into rows of figures, a table for people, and JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from loadtest.plan import Latency, Outcome

_PIPE_WIDTH = 200
_BUSY = 0.9  # a generator that uses more of its core than this may be what limits the figures


class Row(Struct, frozen=True, kw_only=True, rename="camel"):
    """The figures of one run: CPU in µs per `unit` (message, delivery or handshake), latency in milliseconds."""

    name: str
    unit: str
    messages_per_second: float
    deliveries_per_second: float
    ack_ms: Latency | None
    delivery_ms: Latency | None
    cpu_us: float
    main_us: float
    threads_us: float
    children_us: float
    database_us: float
    server_busy: float
    generator_us: float
    generator_busy: float
    batch: float | None
    commit_ms: float | None
    bytes_per_connection: float | None
    problems: dict[str, int]
    examples: list[str]


def row_of(name: str, unit: str, outcome: Outcome, metrics: dict[str, float]) -> Row:
    """Figures from an outcome and from what /metrics counted during the run."""
    counts = {"message": outcome.messages, "delivery": outcome.deliveries, "handshake": outcome.handshakes}
    per_unit = 1e6 / max(1, counts[unit])
    cpu, seconds = outcome.server_cpu, outcome.seconds
    commits = metrics.get("im_commit_batch_size_count", 0.0)
    return Row(
        name=name,
        unit=unit,
        messages_per_second=outcome.messages / seconds,
        deliveries_per_second=outcome.deliveries / seconds,
        ack_ms=outcome.ack,
        delivery_ms=outcome.delivery,
        cpu_us=cpu.total * per_unit,
        main_us=cpu.main * per_unit,
        threads_us=cpu.threads * per_unit,
        children_us=cpu.children * per_unit,
        database_us=outcome.database_cpu * per_unit,
        server_busy=cpu.total / seconds,
        generator_us=outcome.generator_cpu * per_unit,
        generator_busy=outcome.generator_cpu / seconds,
        batch=metrics["im_commit_batch_size_sum"] / commits if commits else None,
        commit_ms=metrics["im_commit_seconds_sum"] / commits * 1000 if commits else None,
        bytes_per_connection=outcome.memory_bytes / outcome.handshakes if outcome.handshakes else None,
        problems=outcome.problems,
        examples=outcome.examples,
    )


def as_json(rows: Sequence[Row]) -> str:
    return msgspec.json.format(msgspec.json.encode(rows)).decode()


def show(rows: Sequence[Row]) -> None:
    """Print the tables that have rows, and what went wrong."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    talks = [row for row in rows if row.unit != "handshake"]
    idles = [row for row in rows if row.unit == "handshake"]
    if talks:
        console.print(_talk_table(talks))
    if idles:
        console.print(_idle_table(idles))
    for row in rows:
        for line in _remarks(row):
            console.print(f"{row.name}: {line}", markup=False)


def _talk_table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, header_style="bold", title="server CPU in µs per message (fan-out: per delivery)")
    table.add_column("run", no_wrap=True)
    for title in ("msg/s", "deliv/s", "ack p50", "p99", "deliv p50", "p99 ms"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("CPU µs", "main", "threads", "procs", "DB µs"):
        table.add_column(title, justify="right", no_wrap=True)
    for title in ("busy", "batch", "commit ms", "gen µs", "gen busy"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        latencies = [*_latency(row.ack_ms), *_latency(row.delivery_ms)]
        kinds = (row.cpu_us, row.main_us, row.threads_us, row.children_us, row.database_us)
        cpu = [f"{value:.2f}" for value in kinds]
        rest = [f"{row.server_busy:.0%}", _number(row.batch), _number(row.commit_ms)]
        generator = [f"{row.generator_us:.2f}", f"{row.generator_busy:.0%}"]
        rates = [f"{row.messages_per_second:,.0f}", f"{row.deliveries_per_second:,.0f}"]
        table.add_row(row.name, *rates, *latencies, *cpu, *rest, *generator)
    return table


def _idle_table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, header_style="bold", title="idle connections")
    table.add_column("run", no_wrap=True)
    for title in ("KiB/connection", "CPU µs/handshake", "main", "threads", "generator µs"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        memory = (row.bytes_per_connection or 0) / 1024
        table.add_row(
            row.name,
            f"{memory:.1f}",
            *(f"{us:.0f}" for us in (row.cpu_us, row.main_us, row.threads_us, row.generator_us)),
        )
    return table


def _remarks(row: Row) -> list[str]:
    lines = [f"PROBLEM {count} × {kind}" for kind, count in sorted(row.problems.items())]
    lines += [f"  e.g. {example}" for example in row.examples]
    if row.generator_busy > _BUSY:
        lines.append(f"the generator was {row.generator_busy:.0%} busy: the rates may be its limit, not the server's")
    return lines


def _latency(latency: Latency | None) -> list[str]:
    return [f"{latency.p50:.2f}", f"{latency.p99:.2f}"] if latency else ["–", "–"]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
