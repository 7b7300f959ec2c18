"""A Redis for tests: Debian's server on a port of its own that keeps nothing, or that of `GOIM_TEST_REDIS`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue
from unittest.mock import patch

import pytest

from goim.clock import Clock
from goim.resp import client, link
from goim.resp.client import RedisClient
from goim.resp.link import Login, Server, checked, dial
from goim.resp.places import OneServer
from tests.process import free_port

PATIENCE = 60.0


class RedisServer:
    """A server process of our own, to be killed and started again."""

    def __init__(
        self, folder: Path, *options: str, program: str = "redis-server", ready: str = "Ready to accept"
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.options: Sequence[str] = options
        self._program = program
        self._ready = ready
        self._process: subprocess.Popen[str] | None = None

    @property
    def server(self) -> Server:
        return Server("127.0.0.1", self.port)

    @property
    def addr(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it can be connected to."""
        listen: tuple[str, ...] = ("--port", str(self.port))
        if "--tls-cert-file" in self.options:
            listen = ("--port", "0", "--tls-port", str(self.port))
        self._process = subprocess.Popen(
            [self._program, *self._config(), *listen, "--bind", "127.0.0.1", "--dir", str(self.folder), *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests
        )
        said: Queue[str] = Queue()
        threading.Thread(target=_listen, args=(self._process, said), daemon=True).start()
        lines = []
        try:
            while self._ready not in (line := said.get(timeout=PATIENCE)):
                lines.append(line)
        except Empty:
            self.end(signal.SIGKILL)
            raise AssertionError("".join(lines)) from None

    def _config(self) -> Sequence[str]:
        return ("--save", "", "--appendonly", "no", "--daemonize", "no")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait until it is gone."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        self._process.wait(PATIENCE)

    async def ask(self, *command: str | int) -> object:
        """One command on a connection of its own."""
        return await ask(self.server, *command)


class Sentinel(RedisServer):
    """A Sentinel that watches a master."""

    def __init__(self, folder: Path, master: RedisServer, name: str = "mymaster") -> None:
        super().__init__(folder, program="redis-sentinel", ready="+monitor master")
        file = folder / "sentinel.conf"
        file.write_text(
            f"sentinel monitor {name} 127.0.0.1 {master.port} 1\n"
            f"sentinel down-after-milliseconds {name} 1000\n"
            f"sentinel failover-timeout {name} 5000\n"
        )
        self._file = file

    def _config(self) -> Sequence[str]:
        return (str(self._file),)


async def ask(server: Server, *command: str | int, login: Login | None = None) -> object:
    """One command on a connection of its own."""
    dialled = await dial(server, login or Login())
    try:
        answer: object = checked(await dialled.ask(*command))
        return answer
    finally:
        await dialled.end()


def _listen(process: subprocess.Popen[str], said: Queue[str]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            said.put(line)


def _needed(program: str) -> None:
    if shutil.which(program) is None:
        why = f"{program} is not installed (Debian: apt install redis-server redis-sentinel)"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)


@contextlib.contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server of one's own while the context is open."""
    _needed("redis-server")
    folder.mkdir(exist_ok=True)
    redis = RedisServer(folder, *options)
    redis.start()
    try:
        yield redis
    finally:
        redis.end(signal.SIGKILL)


@contextlib.contextmanager
def running_sentinel(folder: Path, master: RedisServer) -> Iterator[Sentinel]:
    """A Sentinel while the context is open."""
    _needed("redis-sentinel")
    folder.mkdir(exist_ok=True)
    sentinel = Sentinel(folder, master)
    sentinel.start()
    try:
        yield sentinel
    finally:
        sentinel.end(signal.SIGKILL)


@contextlib.contextmanager
def shared_redis_server(folder: Path) -> Iterator[Server]:
    """The server of most tests: that of `GOIM_TEST_REDIS` (host:port), else one of our own."""
    if named := os.environ.get("GOIM_TEST_REDIS"):
        host, _, port = named.rpartition(":")
        yield Server(host, int(port))
        return
    with running_redis(folder, "--databases", "16") as redis:
        yield redis.server


async def empty_database(server: Server) -> Login:
    """How to reach a database of its own with nothing in it: tests run one after another."""
    login = Login(db=9)
    await ask(server, "FLUSHDB", login=login)
    return login


@contextlib.asynccontextmanager
async def patient_client(server: Server, login: Login, clock: Clock) -> AsyncIterator[RedisClient]:
    """A client that waits for an answer as long as a busy machine takes: a node takes two seconds for an absence."""
    with patch.object(client, "ANSWER_SECONDS", PATIENCE), patch.object(link, "DIAL_SECONDS", PATIENCE):
        async with RedisClient(OneServer(server), login, clock).open() as patient:
            yield patient
