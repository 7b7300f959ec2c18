"""Makes a node one of several processes that serve one port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator

from goim.clock import Clock
from goim.figures import JointFigures
from goim.gateway.server import NodeServer
from goim.metrics import Metrics
from goim.rest.operations import AskedAnyOfUs, Readiness
from goim.workers import END, Worker

_LONGEST = 4096


@contextlib.asynccontextmanager
async def joined(worker: Worker, metrics: Metrics, readiness: Readiness, clock: Clock) -> AsyncIterator[JointFigures]:
    """Count together with the others while the context is open; and who asks one of them has asked them all."""
    readiness.asked = AskedAnyOfUs(worker.folder / "asked")
    figures = JointFigures(metrics, worker.folder, worker.number)
    async with figures.running(clock):
        yield figures


@contextlib.contextmanager
def supervised(server: NodeServer) -> Iterator[None]:
    """Have the server do what its supervisor says on stdin while the context is open."""
    server.is_supervised, server.goes_with_all = True, False
    loop, place = asyncio.get_running_loop(), sys.stdin.fileno()

    def listen() -> None:
        said = os.read(place, _LONGEST)
        server.goes_with_all = True
        if END in said:
            server.force_exit = True
        server.handle_exit(signal.SIGTERM, None)
        if not said:  # the supervisor is gone
            loop.remove_reader(place)

    loop.add_reader(place, listen)
    try:
        yield
    finally:
        loop.remove_reader(place)
