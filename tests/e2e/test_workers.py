"""`goimctl serve` with several workers: one port, one supervisor, figures of all; and what becomes of them when one
dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from goim.client import Client
from goim.clock import SystemClock
from goim.figures import Page
from goim.resp.link import Login, Server
from tests.cli.conftest import Goimctl, goimctl
from tests.client import World, world
from tests.e2e.test_client import client_of, says, texts, until
from tests.e2e.test_process import check_draining
from tests.e2e.test_tcp import Town
from tests.mysql_server import MysqlServer
from tests.process import ServerProcess, free_port

SECRET = "a secret that is long enough for the tests of goim"
DEVICES = 12
PATIENCE = 40.0
clock = SystemClock()

pytestmark = pytest.mark.timeout(240)


__all__ = ["goimctl"]  # the fixture


class Cluster(ServerProcess):
    """A supervisor and its two workers."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.tcp_port = free_port()
        super().__init__(folder, IM_TCP_ADDR=f"127.0.0.1:{self.tcp_port}", TMPDIR=str(folder), **variables)

    async def start(self) -> None:
        """Return when both serve."""
        await super().start()
        await eventually(lambda: "2 workers" in self.log.read_text())

    def workers(self) -> dict[int, int]:
        """The process of each worker, the latest one, as its log says."""
        whole, _, _ = self.log.read_text().rpartition("\n")
        said = [json.loads(line) for line in whole.splitlines() if '"event": "serving"' in line]
        return {line["worker"]: line["pid"] for line in said}

    def pages(self) -> list[Page]:
        """What each worker has written down of what it counts."""
        return [msgspec.json.decode(path.read_bytes(), type=Page) for path in self.folder.glob("goim-*/*.figures")]


def variables(dsn: str, redis: Server, login: Login) -> dict[str, str]:
    return {
        "IM_MYSQL_DSN": dsn,
        "IM_REDIS_ADDR": f"{redis.host}:{redis.port}",
        "IM_REDIS_DB": str(login.db),
        "IM_JWT_SECRET": SECRET,
        "IM_SERVER_WORKERS": "2",
    }


@pytest.fixture
async def cluster(
    request: pytest.FixtureRequest, mysql_server: MysqlServer, redis_server: Server, redis_login: Login, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """What is left of it at the end is killed, and its workers are to end by themselves then."""
    dsn = await mysql_server.migrated("structured", "messages", "words")
    drain = {"IM_SERVER_DRAIN_SECONDS": getattr(request, "param", "2")}
    server = Cluster(tmp_path, **variables(mysql_server.url(dsn.database), redis_server, redis_login), **drain)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
        await eventually(lambda: not any(map(is_there, server.workers().values())))


@pytest.fixture
async def people(cluster: Cluster) -> AsyncIterator[World]:
    async with world(cluster.url) as people:
        yield people


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await clock.sleep(0.05)


def is_there(pid: int) -> bool:
    """Whether a process lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def counted(people: World, name: str, **labels: str) -> float:
    """A number of /metrics."""
    async with httpx.AsyncClient(base_url=people.base_url, verify=False, timeout=PATIENCE) as http:
        text = (await http.get("/metrics")).text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


async def counts(people: World, wanted: float, name: str, **labels: str) -> None:
    """Wait until a number of /metrics is this: of the others a worker knows what they have written down."""
    async with asyncio.timeout(PATIENCE):
        while (found := await counted(people, name, **labels)) != wanted:
            assert found < wanted or name == "im_workers", f"{name} {labels}: {found}"
            await clock.sleep(0.05)


async def counts_at_least(people: World, wanted: float, name: str, **labels: str) -> None:
    """The same where nobody knows how much more it may be."""
    async with asyncio.timeout(PATIENCE):
        while await counted(people, name, **labels) < wanted:
            await clock.sleep(0.05)


def of_each(cluster: Cluster, name: str, **labels: str) -> list[float]:
    """The same of each worker, as it has written it down."""
    return [
        sum(
            sample.value
            for family in page.counted
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )
        for page in cluster.pages()
    ]


@pytest.mark.parametrize("cluster", ["8"], indirect=True)  # half of it passes before anybody is sent away
async def test_two_workers_on_one_port_are_one_server_and_end_together(cluster: Cluster, people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    anns = [await people.device(ann, f"ann{number}") for number in range(DEVICES)]
    bobs = [await people.device(bob, f"bob{number}") for number in range(DEVICES)]
    await anns[0].ask("send", ann.text(bob, "0"))
    for device in (*anns[1:], *bobs):  # else a worker might begin with the second one, and owe the first to a sync
        assert (await device.push("message"))["seq"] == 1
    for number, device in enumerate(anns[1:], 1):
        await device.ask("send", ann.text(bob, f"{number}"))
    for own, device in enumerate((*anns, *bobs), 1):
        others = [seq for seq in range(2, DEVICES + 1) if seq != own]
        assert [(await device.push("message"))["seq"] for _ in others] == others

    async with contextlib.AsyncExitStack() as stack:
        town = Town(people, cluster.tcp_port, stack)
        for number in range(2 * DEVICES):  # of so many both get some
            await town.device(ann, f"line{number}")
        for transport, count in (("websocket", 2 * DEVICES), ("tcp", 2 * DEVICES)):
            await counts(people, count, "im_connections", transport=transport)
            each = of_each(cluster, "im_connections", transport=transport)
            assert (len(each), sum(each)) == (2, count)
            assert min(each) > 0, "all on one of them"

    await counts(people, 2, "im_workers")
    for name in ("im_ws_messages_total", "im_send_latency_ms_count", "im_commit_batch_size_sum"):
        await counts(people, DEVICES, name, **({"action": "send"} if name == "im_ws_messages_total" else {}))
    for worker in ("1", "2"):
        assert await counted(people, "process_resident_memory_bytes", worker=worker) > 0

    probe = await people.http()
    await probe.get("/readyz")  # reaches one of them, and both have been asked
    ending = asyncio.get_running_loop().create_task(cluster.end(signal.SIGTERM))
    await check_draining(people, probe, ann)
    after = [(await device.push("reconnect"))["afterMs"] for device in bobs]
    assert min(after) >= 1000, "who asks whether it is ready hears first that it is not"
    assert [await device.closed() for device in bobs] == [4012] * DEVICES
    assert await ending == 0
    assert not any(map(is_there, cluster.workers().values()))
    assert list(cluster.folder.glob("goim-*")) == []


async def test_a_worker_that_is_killed_is_started_again_and_costs_nobody_a_message(
    cluster: Cluster, people: World
) -> None:
    names = [f"talker{number}" for number in range(6)]
    await people.friends(*names)
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        killed = dict(cluster.workers())
        clients = [await stack.enter_async_context(client_of(cluster.url, name)) for name in names]
        over = asyncio.Event()
        pairs = list(zip(clients[::2], clients[1::2], strict=True))
        said: list[list[str]] = [[] for _ in pairs]
        talks = [tasks.create_task(talk(*pair, over, mine)) for pair, mine in zip(pairs, said, strict=True)]
        sums = tasks.create_task(watch_sums(people, over))
        await eventually(lambda: min(map(len, said)) > 20)
        unwritten = sum(map(len, said)) - sum(of_each(cluster, "im_ws_messages_total", action="send"))
        os.kill(killed[2], signal.SIGKILL)
        await eventually(lambda: "worker_serves_again" in cluster.log.read_text())
        over.set()
        await asyncio.gather(*talks, sums)
        for (_, hearer), everything in zip(pairs, said, strict=True):
            assert texts(await until(hearer, says(everything[-1]))) == everything
    assert cluster.workers()[1] == killed[1]
    assert cluster.workers()[2] != killed[2]
    await counts_at_least(people, sum(map(len, said)) - unwritten - len(pairs), "im_ws_messages_total", action="send")
    await counts(people, 2, "im_workers")


@pytest.mark.parametrize("cluster", ["600"], indirect=True)
async def test_while_one_worker_goes_alone_the_other_takes_whoever_comes(cluster: Cluster, people: World) -> None:
    await (await people.http()).get("/readyz")  # from now on a drain waits half of its time
    leaving = cluster.workers()[1]
    os.kill(leaving, signal.SIGTERM)
    await eventually(lambda: '"draining"' in cluster.log.read_text())
    for _ in range(40):
        async with httpx.AsyncClient(base_url=cluster.url, verify=False) as fresh:
            assert (await fresh.get("/readyz")).status_code == 200
    assert is_there(leaving)
    await cluster.kill()
    for worker in cluster.workers().values():
        os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("cluster", ["60"], indirect=True)
async def test_one_that_cannot_start_again_is_tried_again_and_a_second_signal_ends_all(
    cluster: Cluster, people: World
) -> None:
    settings = cluster.folder / "goimctl.toml"
    settings.write_text('[log]\nlevel = "loud"\n')
    os.kill(cluster.workers()[2], signal.SIGKILL)
    await eventually(lambda: cluster.log.read_text().count("error: log.level = 'loud'") >= 2)
    assert '"how": "exit code 2"' in cluster.log.read_text()
    await counts(people, 1, "im_workers")
    settings.unlink()
    await eventually(lambda: "worker_serves_again" in cluster.log.read_text())
    await counts(people, 2, "im_workers")

    ann = await people.person("ann")
    devices = [await people.device(ann, f"device{number}") for number in range(DEVICES)]
    await (await people.http()).get("/readyz")  # from now on a drain waits half of its minute
    os.kill(cluster.pid, signal.SIGTERM)
    for pid in cluster.workers().values():
        os.kill(pid, signal.SIGTERM)  # as systemd does; that makes no second one
    assert min([(await device.push("reconnect"))["afterMs"] for device in devices]) >= 30_000
    await clock.sleep(0.5)
    assert all(device.ws.close_code is None for device in devices)
    assert await cluster.end(signal.SIGTERM) == 0
    assert {await device.closed() for device in devices} == {1012}


async def talk(one: Client, other: Client, over: asyncio.Event, said: list[str]) -> None:
    """Say one thing after another until it is over; what was acknowledged is `said`."""
    while not over.is_set():
        await one.send(str(len(said)), to=other.user_id)
        said.append(str(len(said)))
        await clock.sleep(0.005)


async def watch_sums(people: World, over: asyncio.Event) -> None:
    """What was counted never falls, whoever answers and whoever has died."""
    seen = [0.0]
    while not over.is_set():
        with contextlib.suppress(httpx.TransportError):  # it was just asked that died
            seen.append(await counted(people, "im_ws_messages_total", action="send"))
        assert seen[-1] >= max(seen), seen


async def test_what_keeps_a_worker_from_serving_is_said_once_and_ends_all_of_it(
    goimctl: Goimctl, mysql_server: MysqlServer, redis_server: Server, redis_login: Login
) -> None:
    await mysql_server.empty("goim_nothing")
    given = variables(mysql_server.url("goim_nothing"), redis_server, redis_login) | {"IM_LISTEN_ADDR": "127.0.0.1:0"}
    done = await asyncio.to_thread(goimctl, "serve", **given)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert said[0].startswith("error: the schema is older than this version: ")
    assert said[1:] == ["hint: goimctl migrate"]
