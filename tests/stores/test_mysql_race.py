"""Four processes write to one log, one conversation hot in all of them: dense, once, in order, whatever is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from goim.stores.mysql import MysqlEngine
from tests.mysql_server import MysqlServer
from tests.process import ROOT

NAMES = ("ann", "bob", "cleo", "dora")

pytestmark = pytest.mark.timeout(240)


async def start(dsn: str, name: str, batches: int, folder: Path) -> Process:
    module = ("-m", "tests.stores.race_writer")
    return await asyncio.create_subprocess_exec(
        sys.executable, *module, dsn, name, str(batches), str(folder), cwd=ROOT, stdout=PIPE
    )


async def figures(process: Process) -> dict[str, Any]:
    out, _ = await process.communicate()
    assert process.returncode == 0
    told: dict[str, Any] = json.loads(out)
    return told


async def test_four_processes_at_one_log_lose_nothing_double_nothing_and_leave_no_gap(
    mysql_server: MysqlServer, tmp_path: Path
) -> None:
    name = (await mysql_server.migrated("messages")).database
    dsn = mysql_server.url(name)
    lives = [await start(dsn, who, 1_000_000, tmp_path) for who in NAMES]
    for round_ in range(6):  # each is killed in the middle of what it is at, and begins anew
        await _some_acks(tmp_path, NAMES[round_ % 4])
        lives[round_ % 4].kill()
        await lives[round_ % 4].communicate()
        lives[round_ % 4] = await start(dsn, NAMES[round_ % 4], 1_000_000, tmp_path)
        await _some_acks(tmp_path, NAMES[round_ % 4])
    for life in lives:
        life.kill()
        await life.communicate()
    told = [await figures(await start(dsn, who, 1, tmp_path)) for who in NAMES]
    assert len(told) == 4
    async with MysqlEngine(mysql_server.database(name)) as engine:
        rows = await engine.fetch_rows("SELECT conv_id, seq, from_user_id, client_msg_id FROM messages")
    _check(rows, tmp_path)


async def _some_acks(folder: Path, who: str) -> None:
    """Wait until one of them has got on."""
    path = folder / f"{who}.acked"

    def size() -> int:
        return path.stat().st_size if path.exists() else 0

    before = size()
    while size() < before + 4_000:  # noqa: ASYNC110 it is another process
        await asyncio.sleep(0.01)  # noqa: TID251


def _check(rows: list[tuple[Any, ...]], folder: Path) -> None:
    seqs: dict[str, list[int]] = defaultdict(list)
    order: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    stored: dict[tuple[str, str], int] = {}
    for conv_id, seq, who, number in rows:
        seqs[conv_id].append(seq)
        order[conv_id, who].append((seq, int(number)))
        assert (who, number) not in stored, "twice"
        stored[who, number] = seq
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in seqs.values()), "a gap"
    for places in order.values():
        numbers = [number for _, number in sorted(places)]
        assert numbers == sorted(numbers), "out of a sender's order"
    for who in NAMES:
        asked = [line.split()[0] for line in (folder / f"{who}.asked").read_text().splitlines()]
        acked = [line.split() for line in (folder / f"{who}.acked").read_text().splitlines()]
        assert {number for owner, number in stored if owner == who} == set(asked)
        assert all(stored[who, number] == int(seq) for number, seq, _ in acked), "an ack that is not true"
    assert len(seqs["group:hot"]) > 100
