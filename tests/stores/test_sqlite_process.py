"""How the process that writes to SQLite begins."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvloop

from goim.stores.sqlite_process import SqliteProcessEngine
from goim.stores.sqlite_writer import framed, orders_of


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_writer_that_is_ready_before_anybody_listens_is_heard(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """As on a busy machine, where it may have begun before its node goes on."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        loop = runner.get_loop()
        at_once: Any = loop.create_connection

        async def late(factory: Any, *, sock: socket.socket) -> Any:
            assert select.select([sock], [], [], 60)[0], "it has not said that it is ready"
            return await at_once(factory, sock=sock)

        loop.create_connection = late  # type: ignore[method-assign, assignment]
        runner.run(_written(tmp_path / "marks.db"))


async def _written(path: Path) -> None:
    async with SqliteProcessEngine(path) as engine:
        await engine.run_ddl("CREATE TABLE marks (name TEXT NOT NULL PRIMARY KEY)")
        await engine.insert_rows("marks", [("one",)])
        assert await engine.fetch_rows("SELECT name FROM marks") == [("one",)]


@pytest.mark.parametrize("torn", [0, 1, 4, 5], ids=lambda torn: f"{torn} bytes of one more")
def test_orders_are_read_as_they_come_and_one_that_was_cut_short_is_none(torn: int) -> None:
    """A node that is killed stops in the middle of what it says."""
    order = ("execute", "SELECT ?", ["x" * 3_000_000])  # more than is read at once
    node, writer = socket.socketpair()
    with node, writer, ThreadPoolExecutor() as beside:
        read = beside.submit(lambda: [each for orders in orders_of(writer) for each in orders])
        node.sendall(framed(order) * 2 + framed(order)[:torn])
        node.shutdown(socket.SHUT_WR)
        assert read.result(60) == [order, order]
