"""What `goimctl doctor` looks at in a server of the MySQL family."""

from __future__ import annotations

from collections.abc import Iterator

from goim.app.databases import Database
from goim.stores.mysql_health import Health
from goimctl.findings import Finding, State

_CLOCK_MS = 1_000
_PACKET = 4 * 1024 * 1024
_SLOW_MS = 5.0


async def server(database: Database) -> list[Finding]:
    """Nothing, if the database is another."""
    if database.health is None:
        return []
    return list(_findings(database.name, await database.health()))


def _findings(name: str, health: Health) -> Iterator[Finding]:
    wrong = "; ".join(_wrong(health))
    session = f"{health.isolation}, {health.charset}, sql_mode {health.sql_mode}"
    yield _finding(f"{name} session", session, wrong, "see what a proxy or init_connect of the server sets")
    old = "older than what goim is made for" if health.is_too_old else ""
    yield _finding(f"{name} server", "new enough", old, "MariaDB 10.5, MySQL 8.0.17, TiDB 7.4 or later")
    notes = "; ".join(_notes(health))
    found = f"answers within {health.latency_ms} ms, its clock is {health.clock_ms} ms ahead"
    note = State.NOTE if notes else State.OK
    yield Finding(name=f"{name} speed and clock", found=found, state=note, way_out=notes or None)
    if not health.has_tables:
        yield Finding(name=f"{name} indexes", found="no tables yet", state=State.NOTE, way_out="goimctl migrate")
        return
    missing = f"missing: {', '.join(health.missing)}" if health.missing else ""
    yield _finding(f"{name} indexes", "all there", missing, "make them as the files in schemas/ do")


def _finding(name: str, found: str, wrong: str, way_out: str) -> Finding:
    if wrong:
        return Finding(name=name, found=wrong, state=State.WRONG, way_out=way_out)
    return Finding(name=name, found=found)


def _wrong(health: Health) -> Iterator[str]:
    if not health.is_strict:
        yield f"sql_mode is {health.sql_mode}, not what goim has set"
    if health.charset != "utf8mb4":
        yield f"the connection speaks {health.charset}, not utf8mb4"
    if health.isolation != "READ-COMMITTED":
        yield f"the isolation is {health.isolation}, not READ-COMMITTED"


def _notes(health: Health) -> Iterator[str]:
    if not health.is_flushed:
        yield "innodb_flush_log_at_trx_commit is not 1: a power cut takes acknowledged messages"
    if not health.is_binlog_flushed:
        yield "sync_binlog is not 1: a power cut takes acknowledged messages"
    if abs(health.clock_ms) > _CLOCK_MS:
        yield "the clocks differ: run NTP on both"
    if health.latency_ms > _SLOW_MS:
        yield "every commit waits for that: bring the server nearer"
    if health.max_packet < _PACKET:
        yield f"max_allowed_packet is {health.max_packet}: set it to 16M or more"
