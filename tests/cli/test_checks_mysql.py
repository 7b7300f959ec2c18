"""What `goimctl doctor` makes of what it found in a server of the MySQL family."""

from __future__ import annotations

from goimctl.checks_mysql import _findings
from goimctl.findings import Finding, State
from msgspec.structs import replace

from goim.stores.mysql_health import Health

WELL = Health(
    is_too_old=False,
    sql_mode="ANSI_QUOTES,STRICT_TRANS_TABLES",
    is_strict=True,
    charset="utf8mb4",
    isolation="READ-COMMITTED",
    max_packet=16 * 1024 * 1024,
    is_flushed=True,
    is_binlog_flushed=True,
    clock_ms=0,
    latency_ms=1.0,
    has_tables=True,
    missing=[],
)


def found(health: Health, name: str) -> Finding:
    return next(each for each in _findings("MySQL", health) if each.name == f"MySQL {name}")


def test_a_database_without_tables_is_not_said_to_have_all_indexes() -> None:
    assert found(WELL, "indexes").state is State.OK
    indexes = found(replace(WELL, has_tables=False), "indexes")
    assert (indexes.state, indexes.way_out) == (State.NOTE, "goimctl migrate")


def test_a_binary_log_that_is_not_flushed_is_told() -> None:
    assert found(WELL, "speed and clock").way_out is None
    assert "sync_binlog" in (found(replace(WELL, is_binlog_flushed=False), "speed and clock").way_out or "")
