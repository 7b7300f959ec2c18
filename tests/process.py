"""A real `goimctl serve` in a process of its own, started and ended as a user or an accident would."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.client import World, world

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
_LAST_LINES = 20
_FEW = 100


@functools.cache
def _ports() -> Iterator[int]:
    """The ports of this process: others that run tests see by the first of them, listened on until it ends, that they
    are taken."""
    for first in range(10_000, 32_000, _FEW):
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", first)).detach()
            return itertools.cycle(range(first + 1, first + _FEW))
    raise RuntimeError("more processes run tests than there are ports for")


async def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def free_port() -> int:
    """A port nobody listens on now, and none that the kernel gives to whoever wants any, or that another process that
    runs tests takes: it stays free while a server is down."""
    for port in itertools.islice(_ports(), _FEW):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("a hundred ports are taken")


class ServerProcess:
    """`goimctl serve` (or `consume`) on one data folder and port; it may be started again after its end."""

    def __init__(self, folder: Path, *, command: str = "serve", **variables: str) -> None:
        self.folder = folder
        self._command = command
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{command}-{self.port}.log"
        self._variables = {
            "IM_LISTEN_ADDR": f"127.0.0.1:{self.port}",
            "IM_KAFKA_CONSUMER_ADDR": f"127.0.0.1:{self.port}",
            "IM_SERVER_DATA_DIR": str(folder / "data"),
            "IM_WS_SEND_QPS": "1000000",
            "IM_WS_SEND_BURST": "1000000",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}",
        } | variables
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it answers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("IM_", "GOIM_"))}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from goimctl.__main__ import main; main()",
                self._command,
                cwd=self.folder,
                env=kept | self._variables,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE):
            while not await answers(self.port):
                assert self._process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)  # noqa: TID251 it has no way to tell another process

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """`kill -9`: no chance to finish anything."""
        await self.end(signal.SIGKILL)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.send_signal(how)
        assert self._process is not None
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    def send_signal(self, how: signal.Signals) -> None:
        """Send a signal, if it still runs, and wait for nothing."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)


@contextlib.asynccontextmanager
async def running_server(folder: Path, **variables: str) -> AsyncIterator[tuple[ServerProcess, World]]:
    """A started server and the people on it; ended at the end of the block whatever happens."""
    server = ServerProcess(folder, **variables)
    try:
        await server.start()
        async with world(server.url) as people:
            yield server, people
    except Exception as error:
        error.add_note("\n".join(["the last the server said:", *server.log.read_text().splitlines()[-_LAST_LINES:]]))
        raise
    finally:
        await server.kill()
