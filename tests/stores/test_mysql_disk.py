"""A disk that is full under MariaDB: who sends is told to try again, and nothing is lost, doubled or half stored."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from goim.clock import SystemClock
from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.model.conversations import of_group
from goim.model.messages import Draft
from goim.stores.log import Log
from goim.stores.mysql import MysqlEngine
from goim.stores.sql import SqlMessages
from tests.mysql_server import OwnServer, needs_mariadb, own_server

LITTLE = ("--loose-innodb-log-file-size=4M", "--loose-innodb-redo-log-capacity=8M")  # MariaDB, MySQL
DISK = 160 << 20
PAYLOAD = "x" * (256 << 10)

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory, where that is allowed."""
    needs_mariadb()
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def draft(number: int) -> Draft:
    return Draft(conv=of_group("g1"), from_user_id="ann", client_msg_id=f"m{number}", type="text", payload=PAYLOAD)


async def _goes_on(mariadb: OwnServer, engine: MysqlEngine) -> bool:
    """Whether it answers. InnoDB ends itself when it cannot write: connections first, the process a moment later."""
    while mariadb.is_running:
        with contextlib.suppress(StoreDown):
            return bool(await engine.fetch_rows("SELECT 1"))
    return False


async def test_messages_on_a_full_disk_are_refused_and_go_on_when_there_is_room(small_disk: Path) -> None:
    with own_server(small_disk, *LITTLE, "--innodb-buffer-pool-size=16M") as mariadb:
        async with MysqlEngine(await mariadb.migrated("messages")) as engine:
            log = Log(SqlMessages(engine), SystemClock(), Metrics())
            filler = small_disk / "filler"
            filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - (4 << 20)))
            acked: dict[int, int] = {}
            refused = None
            for number in range(200):
                try:
                    [place] = await log.append([draft(number)])
                except StoreDown:
                    refused = number
                    break
                acked[number] = place.seq
            assert refused is not None, "it never was full"
            filler.unlink()
            if not await _goes_on(mariadb, engine):
                mariadb.start()
            for number in (refused, refused + 1):
                [place] = await log.append([draft(number)])
                acked[number] = place.seq
            rows = await engine.fetch_rows("SELECT client_msg_id, seq FROM messages ORDER BY seq")
    assert rows == [(f"m{number}", seq) for number, seq in acked.items()]
    assert list(acked.values()) == list(range(1, len(acked) + 1))
