"""What `goimctl doctor` asks a server of the MySQL family: its settings, its clock, what is missing there."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from time import perf_counter

from msgspec import Struct

from goim.clock import Clock
from goim.stores.mysql import MysqlEngine

SESSION = "SELECT @@sql_mode, @@character_set_connection, @@max_allowed_packet, @@innodb_flush_log_at_trx_commit"
BINLOG = "SELECT @@log_bin, @@sync_binlog"
ISOLATION = "SELECT @@transaction_isolation"
ISOLATION_OF_OLD = "SELECT @@tx_isolation"
CLOCK = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
INDEXES = "SELECT DISTINCT table_name, index_name FROM information_schema.statistics WHERE table_schema = DATABASE()"
APPLIED = "SELECT version FROM schema_migrations"

_OLDEST = {"MariaDB": (10, 5), "MySQL": (8, 0, 17), "TiDB": (7, 4)}
_FIRST_LINE = re.compile(r"-- store: (\w+)")
_TABLE = re.compile(r"^(?:CREATE|ALTER) TABLE (\w+)")
_KEY = re.compile(r"^    (?:ADD )?(?:UNIQUE )?KEY (\w+) \(")
_CREATED = re.compile(r"^CREATE (?:UNIQUE )?INDEX (\w+) ON (\w+) ")
_DROPPED = re.compile(r"^DROP INDEX (\w+) ON (\w+);")
_RENAMING = "RENAME TABLE "
_RENAMED = re.compile(r"(\w+) TO (\w+)")
_ASKED = 5
_MODES = {"ANSI_QUOTES", "STRICT_TRANS_TABLES"}


class Health(Struct, frozen=True, kw_only=True):
    """What was found; `clock_ms` is how far the server's clock is ahead of ours."""

    is_too_old: bool
    sql_mode: str
    is_strict: bool
    charset: str
    isolation: str
    max_packet: int
    is_flushed: bool
    is_binlog_flushed: bool
    clock_ms: int
    latency_ms: float
    has_tables: bool
    missing: list[str]


async def health_of(engine: MysqlEngine, folder: Path, parts: Collection[str], clock: Clock) -> Health:
    """Ask for everything; `missing` are indexes of these parts of the schema that somebody has dropped."""
    latencies = []
    for _ in range(_ASKED):
        started = perf_counter()
        before = clock.now_ms()
        [(theirs,)] = await engine.fetch_rows(CLOCK)
        latencies.append(perf_counter() - started)
    [(sql_mode, charset, max_packet, flush)] = await engine.fetch_rows(SESSION)
    there = {(table, index) for table, index in await engine.fetch_rows(INDEXES)}
    keys = _keys(folder, parts, await _applied(engine))
    tables = {table for table, _ in there} & {table for table, _ in keys}
    return Health(
        is_too_old=_version(engine) < _OLDEST[engine.product],
        sql_mode=sql_mode,
        is_strict=set(sql_mode.split(",")) >= _MODES,
        charset=charset,
        isolation=await _isolation(engine),
        max_packet=max_packet,
        is_flushed=engine.is_tidb or flush == 1,
        is_binlog_flushed=engine.is_tidb or await _is_binlog_flushed(engine),
        clock_ms=theirs - before - round(latencies[-1] * 500),
        latency_ms=round(sorted(latencies)[_ASKED // 2] * 1000, 2),
        has_tables=bool(tables),
        missing=sorted(f"{table}.{key}" for table, key in keys - there if table in tables),
    )


def _version(engine: MysqlEngine) -> tuple[int, ...]:
    text = engine.version.rpartition("TiDB-v")[2] if engine.is_tidb else engine.version
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


async def _isolation(engine: MysqlEngine) -> str:
    """MariaDB calls it by its old name before 11.1."""
    is_old = engine.product == "MariaDB" and _version(engine) < (11, 1)
    [(isolation,)] = await engine.fetch_rows(ISOLATION_OF_OLD if is_old else ISOLATION)
    return str(isolation)


async def _is_binlog_flushed(engine: MysqlEngine) -> bool:
    """Whether a binary log, if there is one, is on disk with every commit."""
    [(has_binlog, every)] = await engine.fetch_rows(BINLOG)
    return not has_binlog or every == 1


async def _applied(engine: MysqlEngine) -> set[int]:
    if not await engine.has_table("schema_migrations"):
        return set()
    return {version for (version,) in await engine.fetch_rows(APPLIED)}


def _keys(folder: Path, parts: Collection[str], applied: Collection[int]) -> set[tuple[str, str]]:
    """Every index that the applied files leave, with its table."""
    keys: set[tuple[str, str]] = set()
    for path in sorted(folder.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        first = _FIRST_LINE.match(text)
        if first is not None and first[1] in parts and int(path.name[:4]) in applied:
            _follow(text, keys)
    return keys


def _follow(text: str, keys: set[tuple[str, str]]) -> None:
    """What a file makes of the indexes before it."""
    table = ""
    for line in text.splitlines():
        if (begun := _TABLE.match(line)) is not None:
            table = begun[1]
        elif (key := _KEY.match(line)) is not None:
            keys.add((table, key[1]))
        elif (created := _CREATED.match(line)) is not None:
            keys.add((created[2], created[1]))
        elif (dropped := _DROPPED.match(line)) is not None:
            keys.remove((dropped[2], dropped[1]))
        elif line.startswith(_RENAMING):
            names = dict(_RENAMED.findall(line))
            renamed = {(names.get(each, each), key) for each, key in keys}
            keys.clear()
            keys |= renamed
