"""Measures how conversations keep their order when several nodes write to them: hot ones, cold ones, both at once.

    python -m tests.servers mariadb redis -- python -m loadtest.ordering

Writers are processes that write to the log as nodes do, without sockets; nodes are real ones over Redis, with everybody
on a WebSocket. After each run the log is read: seqs without a gap, and a row for each message that was acknowledged.
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from rich.console import Console

from goim.config import parse_dsn
from goim.stores.mysql import MysqlEngine
from loadtest.log_writer import Orders, Written
from loadtest.ordering_nodes import Talked, talk_on_nodes
from loadtest.paced import Latency, latency_of
from loadtest.processes import sample
from loadtest.seed import migrated, settings_of
from loadtest.server import ROOT

_COUNT = "SELECT COUNT(*), MAX(seq), MIN(seq) FROM messages WHERE conv_id LIKE ? GROUP BY conv_id"
_log = Console(stderr=True, highlight=False, markup=False)


class Run(Struct, frozen=True, kw_only=True):
    """One row: who writes how, and which share of it goes to the hot conversation."""

    name: str
    hot_share: float
    writers: int = 4
    senders: int = 16
    think: float = 0.0
    has_turns: bool = True
    is_deaf: bool = False
    is_real: bool = False
    is_warm: bool = False


class How(Struct, frozen=True, kw_only=True):
    """What is the same for all runs."""

    dsn: str
    redis: str = ""
    cold: int = 10_000
    seconds: float = 5.0
    warmup: float = 1.0
    database: int | None = None


RUNS = (
    Run(name="1 writer, cold", hot_share=0.0, writers=1, senders=64),
    Run(name="1 writer, hot only", hot_share=1.0, writers=1, senders=64),
    Run(name="4 writers, cold", hot_share=0.0),
    Run(name="4 writers, the same cold ones, deaf", hot_share=0.0, is_deaf=True),
    Run(name="4 writers, hot only", hot_share=1.0),
    Run(name="4 writers, hot only, no turns", hot_share=1.0, has_turns=False),
    Run(name="4 writers, 10 % hot", hot_share=0.1),
    Run(name="4 writers, 10 % hot, no turns", hot_share=0.1, has_turns=False),
    Run(name="4 writers, hot only, not in a hurry", hot_share=1.0, senders=4, think=0.08),
    Run(name="4 nodes, first message of each", hot_share=0.0, is_real=True),
    Run(name="4 nodes, cold", hot_share=0.0, is_real=True, is_warm=True),
    Run(name="4 nodes, hot only", hot_share=1.0, is_real=True),
    Run(name="4 nodes, 10 % hot", hot_share=0.1, is_real=True, is_warm=True),
)


class Row(Struct, frozen=True, kw_only=True):
    """What came of a run; CPU in µs a message.

    `problems`: what is wrong with the log or with what was pushed, and how often.
    """

    name: str
    hot_per_second: float
    cold_per_second: float
    hot: Latency | None
    cold: Latency | None
    lost_races: int
    batch: float
    writer_us: float
    database_us: float
    problems: dict[str, int]


async def measured(run: Run, how: How) -> Row:
    """One run in a database that may be empty; the loop goes on meanwhile."""
    await migrated(settings_of({"IM_MYSQL_DSN": how.dsn}))
    return await asyncio.to_thread(measure, run, how)


def measure(run: Run, how: How) -> Row:
    """Do one run, and look at what it left in the log."""
    prefix = f"o{secrets.token_hex(4)}"
    orders = [_orders(run, how, prefix, f"w{number}") for number in range(run.writers)]
    if run.is_real:
        variables = {"IM_MYSQL_DSN": how.dsn, "IM_REDIS_ADDR": how.redis}
        with tempfile.TemporaryDirectory(prefix="goim-ordering-") as folder:
            talked = talk_on_nodes(variables, Path(folder), orders, how.database)
    else:
        talked = _write(orders, how.database)
    written = talked.written
    hot, cold = [ms for each in written for ms in each.hot_ms], [ms for each in written for ms in each.cold_ms]
    per_message = 1e6 / max(1, len(hot) + len(cold))
    stored = sum(each.stored for each in written)
    problems = talked.problems | asyncio.run(_problems(how.dsn, talked.conversations, stored))
    return Row(
        name=run.name,
        hot_per_second=len(hot) / how.seconds,
        cold_per_second=len(cold) / how.seconds,
        hot=latency_of(hot),
        cold=latency_of(cold),
        lost_races=sum(each.lost_races for each in written),
        batch=(len(hot) + len(cold)) / max(1, sum(each.batches for each in written)),
        writer_us=sum(each.cpu for each in written) * per_message,
        database_us=talked.database_cpu * per_message,
        problems={what: count for what, count in problems.items() if count > 0},
    )


def _orders(run: Run, how: How, prefix: str, name: str) -> Orders:
    return Orders(
        dsn=how.dsn,
        name=name,
        prefix=prefix,
        cold=how.cold if run.is_deaf or run.is_real else max(1, how.cold // run.writers),
        hot_share=run.hot_share,
        senders=run.senders,
        think=run.think,
        has_turns=run.has_turns,
        is_deaf=run.is_deaf,
        is_warm=run.is_warm,
        warmup=how.warmup,
        seconds=how.seconds,
    )


def _write(orders: list[Orders], database: int | None) -> Talked:
    """Start the writers, let all begin at once, and read what they say."""
    command = [sys.executable, "-m", "loadtest.log_writer"]
    writers = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in orders]
    try:
        for writer, order in zip(writers, orders, strict=True):
            _tell(writer, msgspec.json.encode(order))
        for writer in writers:
            _hear(writer)
        for writer in writers:
            _tell(writer, b"go")
        _wait(orders[0].warmup)
        cpu = _cpu(database)
        _wait(orders[0].seconds)
        cpu = _cpu(database) - cpu
        written = [msgspec.json.decode(_hear(writer), type=Written) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    return Talked(written=written, database_cpu=cpu, conversations=[f"group:{orders[0].prefix}%"])


def _tell(writer: subprocess.Popen[bytes], line: bytes) -> None:
    assert writer.stdin
    writer.stdin.write(line + b"\n")
    writer.stdin.flush()


def _hear(writer: subprocess.Popen[bytes]) -> bytes:
    assert writer.stdout
    line = writer.stdout.readline()
    if not line:
        raise RuntimeError("a writer ended without a result")
    return line


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _cpu(pid: int | None) -> float:
    return 0.0 if pid is None else sample([pid]).cpu


async def _problems(dsn: str, conversations: list[str], stored: int) -> dict[str, int]:
    """What is wrong with the log."""
    gaps = rows = 0
    async with MysqlEngine(parse_dsn(dsn), connections=1) as engine:
        for pattern in conversations:
            for count, last, first in await engine.fetch_rows(_COUNT, (pattern,)):
                gaps += not (first == 1 and last == count)
                rows += count
    return {"gaps": gaps, "acknowledged but not there": stored - rows, "there but not acknowledged": rows - stored}


def show(rows: list[Row]) -> None:
    """Markdown, as the page has it."""
    print("| | hot msg/s | p50 / p99 ms | cold msg/s | p50 / p99 ms | lost races | batch | writer µs | database µs |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        hot, cold = _latency(row.hot), _latency(row.cold)
        rates = f"{row.hot_per_second:,.0f} | {hot} | {row.cold_per_second:,.0f} | {cold}"
        costs = f"{row.lost_races} | {row.batch:.1f} | {row.writer_us:.1f} | {row.database_us:.1f}"
        print(f"| {row.name} | {rates} | {costs} |")
    for row in rows:
        if row.problems:
            print(f"PROBLEM {row.name}: {row.problems}")


def _latency(latency: Latency | None) -> str:
    return f"{latency.p50:.1f} / {latency.p99:.1f}" if latency else "–"


def main(
    *,
    mysql: Annotated[str, typer.Option(envvar="IM_MYSQL_DSN", help="The database; rows are added to it.")],
    redis: Annotated[str, typer.Option(envvar="IM_REDIS_ADDR", help="For real nodes; without it only writers.")] = "",
    database_pid: Annotated[int | None, typer.Option(envvar="GOIM_DATABASE_PID", help="Whose CPU to read.")] = None,
    seconds: Annotated[float, typer.Option(help="Measured time of each run.", min=0.2)] = 5.0,
    cold: Annotated[int, typer.Option(help="Cold conversations.", min=1)] = 10_000,
    only: Annotated[str, typer.Option(help="Runs whose name begins like this.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Measure it. Exits with 1 if anything is wrong with the log or with what was pushed."""
    how = How(dsn=mysql, redis=redis, cold=cold, seconds=seconds, database=database_pid)
    asyncio.run(migrated(settings_of({"IM_MYSQL_DSN": mysql})))
    rows = []
    for run in RUNS:
        if run.name.startswith(only) and (redis or not run.is_real):
            _log.print(f"{run.name} …")
            rows.append(measure(run, how))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows)).decode())
    else:
        show(rows)
    raise typer.Exit(any(row.problems for row in rows))


if __name__ == "__main__":
    typer.run(main)
