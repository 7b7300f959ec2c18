"""goim as it is run for many: three servers and a consumer as processes, MariaDB, Redis, Kafka, and haproxy before
them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from goim.clock import SystemClock
from goim.resources import bundled
from goim.stores.migrate import Migrator
from goim.stores.mysql import MysqlEngine
from tests.client import World, world
from tests.events.broker import Broker
from tests.mysql_server import OwnServer, own_server
from tests.process import ServerProcess, free_port
from tests.redis_server import RedisServer, running_redis

NODES = ("one", "two", "three")
DRAIN_SECONDS = 4.0
PATIENCE = 60.0
DATABASE = "goim_cluster"
clock = SystemClock()

# A node that is not ready gets nobody new, and those who are on it stay: it sends them away itself. Tests that want a
# certain node name it.
HAPROXY = """
global
    maxconn 4000
defaults
    mode http
    option forwardfor
    option redispatch
    retries 3
    timeout connect 2s
    timeout check 3s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend people
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 300ms fall 3 rise 1
{rules}
"""
NODE = """    use-server {name} if {{ req.hdr(x-node) {name} }}
    server {name} 127.0.0.1:{port}
"""


class Balancer:
    """haproxy in a process of its own."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._config = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        rules = "".join(NODE.format(name=name, port=port) for name, port in ports.items())
        self._config.write_text(HAPROXY.format(port=self.port, rules=rules))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it sends requests to somebody."""
        with self._log.open("ab") as log:
            command = (_haproxy(), "-db", "-f", str(self._config))
            self._process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(verify=False) as http:
            while not await _is_ready(http, self.url):
                assert self._process.returncode is None, self._log.read_text()
                await clock.sleep(0.02)

    async def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@dataclass
class Cluster:
    """Everything that runs. `people` reach it by the balancer, as do all their requests."""

    nodes: dict[str, ServerProcess]
    consumer: ServerProcess
    mariadb: OwnServer
    redis: RedisServer
    kafka: Broker
    balancer: Balancer
    people: World

    async def kill(self, name: str) -> None:
        """`kill -9` of a node or of something else."""
        match name:
            case "mariadb" | "redis":
                getattr(self, name).end(signal.SIGKILL)
            case "kafka":
                self.kafka.kill()
            case _:
                await self._process(name).kill()

    async def start(self, name: str) -> None:
        """Start it again, as it was, and return when it is ready."""
        match name:
            case "mariadb" | "redis" | "kafka":
                await asyncio.to_thread(getattr(self, name).start)
            case _:
                await self._process(name).start()

    def _process(self, name: str) -> ServerProcess | Balancer:
        others: dict[str, ServerProcess | Balancer] = {"consumer": self.consumer, "balancer": self.balancer}
        return others.get(name) or self.nodes[name]

    async def all_is_well(self) -> None:
        """Wait until every node and the consumer says that it has everything it needs."""
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(verify=False) as http:
            for each in (*self.nodes.values(), self.consumer):
                while not await _is_ready(http, each.url):
                    await clock.sleep(0.05)

    async def metric(self, name: str, of: ServerProcess) -> float:
        """The sum of a metric's samples as a process shows them."""
        async with httpx.AsyncClient(verify=False) as http:
            lines = (await http.get(f"{of.url}/metrics")).text.splitlines()
        samples = [line.rsplit(" ", 1)[1] for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(map(float, samples))


@contextlib.asynccontextmanager
async def running_cluster(folder: Path) -> AsyncIterator[Cluster]:
    """All of it while the context is open."""
    _haproxy()
    async with contextlib.AsyncExitStack() as stack:
        starting = asyncio.get_running_loop().run_in_executor(None, _started_broker, folder, stack)
        try:
            mariadb = stack.enter_context(own_server(_made(folder / "mariadb")))
            redis = stack.enter_context(running_redis(folder / "redis"))
            async with MysqlEngine(await mariadb.empty(DATABASE)) as engine:
                await Migrator(engine, bundled("schemas/mysql"), {"structured", "messages", "words"}).up()
        finally:
            kafka = await starting
        settings = _settings(folder, mariadb, redis, kafka)
        nodes = {name: ServerProcess(_made(folder / name), **settings) for name in NODES}
        consumer = ServerProcess(_made(folder / "consumer"), command="consume", **settings)
        for each in (*nodes.values(), consumer):
            await each.start()
            stack.push_async_callback(each.kill)
        balancer = Balancer(folder, {name: node.port for name, node in nodes.items()})
        await balancer.start()
        stack.push_async_callback(balancer.kill)
        people = await stack.enter_async_context(world(balancer.url))
        cluster = Cluster(nodes, consumer, mariadb, redis, kafka, balancer, people)
        await cluster.all_is_well()
        yield cluster


def _started_broker(folder: Path, stack: contextlib.AsyncExitStack) -> Broker:
    broker = Broker(folder)
    stack.callback(broker.kill)
    broker.start()
    return broker


def _settings(folder: Path, mariadb: OwnServer, redis: RedisServer, kafka: Broker) -> dict[str, str]:
    """The same for all processes, as in a file that all machines share."""
    return {
        "IM_SERVER_DATA_DIR": str(folder / "data"),
        "IM_MYSQL_DSN": mariadb.url(DATABASE),
        "IM_REDIS_ADDR": redis.addr,
        "IM_KAFKA_BROKERS": kafka.address,
        "IM_JWT_SECRET": secrets.token_urlsafe(48),
        "IM_SERVER_TRUSTED_PROXIES": "127.0.0.1",
        "IM_SERVER_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "IM_AUTH_LOGIN_PER_MINUTE": "3",  # in twenty seconds one more is free: time enough on a busy machine
    }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        answer = await http.get(f"{url}/readyz")
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and answer.json()["status"] == "ready"


def _haproxy() -> str:
    """The program; skips where there is none, but not in CI."""
    found = shutil.which("haproxy") or shutil.which("/usr/sbin/haproxy")
    if found is None:
        why = "haproxy is not installed (Debian and Ubuntu: apt-get install haproxy)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
        raise AssertionError
    return found
