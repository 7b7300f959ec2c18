"""A real node in the test's own loop: SQLite files, uvicorn on a free port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from goim.app.node import Node, open_node, server_for
from goim.bus.base import Bus
from goim.clock import Clock
from goim.config import Settings
from goim.services import presence
from tests.client import World, world
from tests.fake_clock import FakeClock

LIMITLESS = {"send_qps": 1e6, "send_burst": 1_000_000}


def node_settings(folder: Path, **sections: Any) -> Settings:
    """The embedded default on a free port, with nothing in the way of fast tests."""
    server = {"listen_addr": "127.0.0.1:0", "data_dir": folder, "drain_seconds": 0.2} | sections.pop("server", {})
    return Settings.model_validate({"server": server, "ws": LIMITLESS} | sections)


@contextlib.contextmanager
def presence_untold() -> Iterator[None]:
    """Nobody is told who comes and goes: that is pushed after two seconds, and nobody knows how long a test takes."""
    with patch.object(presence, "LASTING_SECONDS", 86_400.0):
        yield


@contextlib.asynccontextmanager
async def serving(node: Node, *, is_direct: bool = True, clock: Clock | None = None) -> AsyncIterator[str]:
    """Serve a node and say where. A clock of the test's goes by itself at the end: to drain takes time."""
    server = server_for(node, is_direct=is_direct)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server.on_started = started.set_result
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve())
        running.add_done_callback(lambda _: started.cancel())
        await started
        try:
            yield started.result()
        finally:
            server.end()
            while isinstance(clock, FakeClock) and not running.done():
                clock.advance(0.1)
                await asyncio.wait([running], timeout=0.01)
            await running


@contextlib.asynccontextmanager
async def started_node(
    folder: Path,
    *,
    is_direct: bool = True,
    bus: Bus | None = None,
    clock: Clock | None = None,
    **sections: Any,
) -> AsyncIterator[tuple[Node, World]]:
    """A served node and the people on it."""
    async with (
        open_node(node_settings(folder, **sections), bus=bus, clock=clock) as node,
        serving(node, is_direct=is_direct, clock=clock) as url,
        world(url) as people,
    ):
        yield node, people
