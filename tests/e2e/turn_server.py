"""A real TURN server for a test: coturn on a free port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.process import free_port

SECRET = "a secret that goim and coturn share"
_PATIENCE = 30.0


@dataclass
class TurnServer:
    """Where it listens, and what it has said."""

    port: int
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"turn:127.0.0.1:{self.port}?transport=udp"


@pytest.fixture(name="turn")
async def run_turn_server(tmp_path: Path) -> AsyncIterator[TurnServer]:
    """One for a test."""
    async with turn_server(tmp_path) as server:
        yield server


@contextlib.asynccontextmanager
async def turn_server(tmp_path: Path) -> AsyncIterator[TurnServer]:
    """coturn, taking only passwords made of the shared secret."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (Debian and Ubuntu: apt-get install coturn)")
    async with _running(program, TurnServer(free_port()), tmp_path) as server:
        yield server


@contextlib.asynccontextmanager
async def _running(program: str, server: TurnServer, folder: Path) -> AsyncIterator[TurnServer]:
    process = await asyncio.create_subprocess_exec(
        program,
        "-n",  # no configuration file
        "--verbose",
        "--log-file=stdout",
        f"--pidfile={folder / 'turn.pid'}",
        f"--userdb={folder / 'turn.db'}",
        "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1",
        f"--listening-port={server.port}",
        "--allow-loopback-peers",
        "--no-cli",
        "--no-tls",
        "--no-dtls",
        "--realm=goim.test",
        "--use-auth-secret",
        f"--static-auth-secret={SECRET}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            is_ready = asyncio.Event()
            reading = tasks.create_task(_read(process, server, is_ready))
            async with asyncio.timeout(_PATIENCE):
                await is_ready.wait()
            assert process.returncode is None, server.lines
            yield server
            reading.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _read(process: asyncio.subprocess.Process, server: TurnServer, is_ready: asyncio.Event) -> None:
    """Keep what it says; its pipe must not fill up. Ready, too, when it has ended at once."""
    assert process.stdout is not None
    async for line in process.stdout:
        server.lines.append(line.decode(errors="replace").rstrip())
        if "UDP listener opened" in server.lines[-1]:
            is_ready.set()
    is_ready.set()
