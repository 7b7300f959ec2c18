"""One line for each server: what is compared, as a table for people and as JSON for programs."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from loadtest.histogram import Latency
from loadtest.processes import DATABASES
from loadtest.report import Machine, Process, Report


class Row(Struct, frozen=True, kw_only=True, rename="camel"):
    """What came of one server. CPU is milliseconds of a core for 1,000 messages; `archived` is what its store has."""

    server: str
    version: str
    database: str
    load: str
    messages_per_second: float
    deliveries_per_second: float
    ack_ms: Latency | None
    delivery_ms: Latency | None
    server_cpu: float
    database_cpu: float
    generator_cpu: float
    cores_busy: float
    kib_per_connection: float | None
    acknowledged: int
    archived: int | None
    problems: dict[str, int]
    refused: dict[str, int]
    examples: list[str]
    remarks: list[str]
    machine: Machine

    @property
    def is_good(self) -> bool:
        return not self.problems and not self.refused


def row_of(server: str, version: str, database: str, report: Report, archived: int | None, copies: int) -> Row:
    steps = {step.name: step for step in report.steps}
    message, delivery = steps.get("message"), steps.get("delivery")
    per_message = report.count(report.unit) / max(1, message.count if message else report.count(report.unit))
    problems = dict(report.problems)
    if archived is not None and archived < copies * report.acknowledged:
        problems["acknowledged and not stored"] = copies * report.acknowledged - archived
    use = report.server
    processes = use.processes if use else []
    idle = use.bytes_per_connection if use else None
    return Row(
        server=server,
        version=version,
        database=database,
        load=report.title,
        messages_per_second=message.per_second if message else 0.0,
        deliveries_per_second=delivery.per_second if delivery else 0.0,
        ack_ms=message.latency_ms if message else None,
        delivery_ms=delivery.latency_ms if delivery else None,
        server_cpu=_cpu([each for each in processes if each.name not in DATABASES]) * per_message,
        database_cpu=_cpu([each for each in processes if each.name in DATABASES]) * per_message,
        generator_cpu=report.generator.cpu_us * per_message,
        cores_busy=(use.busy if use else 0.0) + report.generator.busy,
        kib_per_connection=idle / 1024 if idle is not None else None,
        acknowledged=report.acknowledged,
        archived=archived,
        problems=problems,
        refused=report.refused,
        examples=report.examples,
        remarks=report.remarks,
        machine=report.machine,
    )


def _cpu(processes: list[Process]) -> float:
    """µs a unit, which is the same number as ms for 1,000 of them."""
    return sum(each.main_us + each.threads_us for each in processes)


_COLUMNS = ["server", "store", "messages a second", "send → ack p50 / p99", "send → delivery p50 / p99"]
HEAD = f"| {' | '.join([*_COLUMNS, 'server', 'database', 'generator'])} |\n|{'---|' * 8}"
IDLE_HEAD = """| server | memory a connection |
|---|---|"""


def line_of(row: Row) -> str:
    """Markdown, as the page has it; CPU in ms for 1,000 messages."""
    problems = "".join(f" PROBLEM: {count} × {kind}" for kind, count in (row.problems | row.refused).items())
    if row.kib_per_connection is not None:
        return f"| {row.version} | {row.kib_per_connection:,.1f} KiB |{problems}"
    latencies = f"{_told(row.ack_ms)} | {_told(row.delivery_ms)}"
    costs = f"{row.server_cpu:,.0f} ms | {row.database_cpu:,.0f} ms | {row.generator_cpu:,.0f} ms"
    return f"| {row.version} | {row.database} | {row.messages_per_second:,.0f} | {latencies} | {costs} |{problems}"


def _told(latency: Latency | None) -> str:
    return f"{latency.p50:,.1f} / {latency.p99:,.1f} ms" if latency else "–"


def as_json(rows: list[Row]) -> str:
    return msgspec.json.format(msgspec.json.encode(rows)).decode()
