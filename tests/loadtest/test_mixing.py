"""The village: people who mostly read."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest

from goim.gateway import server
from tests.node import started_node

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


async def test_no_connection_is_opened_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server closes one on which nothing is asked; that is no fault of its."""
    monkeypatch.setattr(server, "_HEAD_SECONDS", 0.5)
    few = ("--senders", "3", "--rate", "20", "--seconds", "2", "--warmup", "0.1", "--rest", "0.3")
    async with started_node(tmp_path) as (_, people):
        command = (sys.executable, "-m", "goimctl", "bench", "mixed", "--url", people.base_url, *few)
        run = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
        said, _ = await run.communicate()
    assert run.returncode == 0, said.decode()
    assert b"nothing lost, doubled or out of order" in said
