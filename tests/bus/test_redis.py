"""The bus over a Redis that goes away, stands still, forgets everything or moves."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from goim.bus import redis as redis_module
from goim.bus.base import Interruption
from goim.bus.redis import RedisBus
from goim.clock import Clock, SystemClock
from goim.metrics import Metrics
from goim.resp.client import RedisClient
from goim.resp.link import Login, RedisDown, Server
from goim.resp.places import Cluster, OneServer, Places, Sentinels
from tests.contract.test_bus import Ear, subscribed
from tests.fault_proxy import FaultProxy
from tests.redis_server import RedisServer, ask, running_redis, running_sentinel

NOBODY = Login()


class Bus(Ear):
    """A bus, what it heard, and when it says that it was interrupted."""

    bus: RedisBus

    def __init__(self, places: Places, login: Login = NOBODY, clock: Clock | None = None) -> None:
        self.metrics = Metrics()
        super().__init__(RedisBus(places, login, self.metrics, clock or SystemClock()))
        self.alarms: asyncio.Queue[Interruption] = asyncio.Queue()
        self.bus.on_interruption(self.alarms.put_nowait)

    async def alarm(self) -> Interruption:
        async with asyncio.timeout(60):  # a Sentinel that could not run for two seconds trusts nobody for thirty
            return await self.alarms.get()


@contextlib.asynccontextmanager
async def joined(*places: Places, login: Login = NOBODY) -> AsyncIterator[list[Bus]]:
    async with contextlib.AsyncExitStack() as stack:
        buses = [Bus(each, login) for each in places]
        for each in buses:
            each.bus.subscribe("im:g:g")
            await stack.enter_async_context(each.bus.running())
        yield buses


async def hears_again(one: Bus, other: Bus, text: bytes) -> None:
    one.bus.publish("im:g:g", text)
    async with asyncio.timeout(20):
        while (await other.hears(1))[0][1] != text:
            pass


@pytest.mark.parametrize("fault", ["cut", "stall", "kill"])
async def test_a_connection_that_is_lost_is_made_anew_and_the_node_is_told_since_when(
    redis_server: Server, fault: str
) -> None:
    proxy = FaultProxy(redis_server.host, redis_server.port)
    async with proxy.running():
        through = Server("127.0.0.1", proxy.port)
        async with joined(OneServer(redis_server), OneServer(through)) as (well, ill):
            await hears_again(well, ill, b"before")
            now = SystemClock().now_ms()
            if fault == "kill":
                await ask(redis_server, "CLIENT", "KILL", "TYPE", "pubsub")
            else:
                getattr(proxy, fault)()
                ill.bus.subscribe("im:u:later")
                ill.bus.publish("im:u:nobody", b"on its way")
            lost = SystemClock().now_ms()
            if fault == "stall":
                async with asyncio.timeout(20):
                    while ill.bus._is_up.is_set():
                        await SystemClock().sleep(0.05)
                proxy.restore()
                proxy.cut()
            alarm = await ill.alarm()
            assert alarm.is_mutual
            assert now - 6000 < alarm.since <= lost
            await hears_again(well, ill, b"after")
            await hears_again(ill, well, b"back")
            if fault != "kill":
                well.bus.publish("im:u:later", b"subscribed while it was away")
                assert await ill.hears(1) == [("im:u:later", b"subscribed while it was away")]
            assert ill.metrics.bus_reconnects == 1


class CutAtFirst(RedisBus):
    """Loses its first connections as soon as it is heard through them."""

    cuts: list[Callable[[], None]]

    def _flush(self) -> None:
        super()._flush()
        if self.cuts:
            self.cuts.pop()()


async def test_who_loses_a_new_connection_again_is_told_since_when_nothing_was_heard(redis_server: Server) -> None:
    proxy, metrics, alarms = FaultProxy(redis_server.host, redis_server.port), Metrics(), asyncio.Queue[Interruption]()
    async with proxy.running():
        bus = CutAtFirst(OneServer(Server("127.0.0.1", proxy.port)), NOBODY, metrics, SystemClock())
        bus.cuts = [proxy.cut, proxy.cut]
        bus.on_interruption(alarms.put_nowait)
        made = SystemClock().now_ms()
        async with bus.running(), asyncio.timeout(20):
            alarm = await alarms.get()
        assert alarm.is_mutual
        assert alarm.since <= made
        assert metrics.bus_reconnects == 1


class WrongClock(SystemClock):
    """Behind by some milliseconds, until it is set."""

    behind_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() - self.behind_ms


@pytest.mark.parametrize("behind_ms", [90_000, -90_000])
async def test_nodes_have_the_clock_of_redis_in_common_also_when_its_answer_is_late(
    redis_server: Server, behind_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "SILENCE_SECONDS", 20.0)  # it is late here, and not away
    proxy, wrong = FaultProxy(redis_server.host, redis_server.port), WrongClock()
    wrong.behind_ms = behind_ms
    async with proxy.running():
        node = Bus(OneServer(Server("127.0.0.1", proxy.port)), clock=wrong)
        async with node.bus.running():
            async with asyncio.timeout(20):
                while abs(node.bus.ahead_ms - behind_ms) > 100:
                    await wrong.sleep(0.01)
            before = node.bus.ahead_ms
            proxy.stall()
            asked = wrong.monotonic()
            while wrong.monotonic() - asked < 1.5:
                await wrong.sleep(0.05)
            proxy.restore()
            async with asyncio.timeout(20):
                while node.metrics.bus_lag_seconds < 0.3:
                    await wrong.sleep(0.01)
            assert abs(node.bus.ahead_ms - before) < 100, "half the way there and back is not the difference"
            wrong.behind_ms = 0
            async with asyncio.timeout(20):
                while abs(node.bus.ahead_ms) > 100:
                    await wrong.sleep(0.01)


async def test_what_is_told_while_redis_is_away_is_kept_up_to_a_bound(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "KEPT_BYTES", 1000)
    proxy = FaultProxy(redis_server.host, redis_server.port)
    async with proxy.running():
        through = Server("127.0.0.1", proxy.port)
        async with joined(OneServer(redis_server), OneServer(through)) as (well, ill):
            proxy.refuse()
            async with asyncio.timeout(20):
                while ill.bus._is_up.is_set():
                    await SystemClock().sleep(0.01)
            with pytest.raises(RedisDown):
                await ill.bus.check()
            for _ in range(30):
                ill.bus.publish("im:g:g", b"x" * 100)
            proxy.restore()
            await ill.alarm()
            assert len(await well.hears(11)) == 11
            assert ill.metrics.bus_dropped == 19
            await ill.bus.check()


async def test_a_node_starts_without_redis_and_joins_when_it_is_there(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis") as redis:
        redis.end()
        async with joined(OneServer(redis.server)) as (one,):
            with pytest.raises(RedisDown):
                await one.bus.check()
            await one.bus.settled()  # does not wait for what is not there
            redis.start()
            await one.alarm()
            await one.bus.check()


async def test_a_redis_that_comes_back_empty_is_used_as_before(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis") as redis:
        async with joined(OneServer(redis.server), OneServer(redis.server)) as (one, other):
            await hears_again(one, other, b"before")
            redis.end()
            redis.start()
            await one.alarm()
            await other.alarm()
            await hears_again(one, other, b"after")


async def test_a_wrong_password_is_said_and_no_secret_is_shown(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis", "--requirepass", "right") as redis:
        async with joined(OneServer(redis.server), login=Login(password="right")) as (one,):
            await one.bus.check()
        wrong = Login(password="wrong secret")
        async with joined(OneServer(redis.server), login=wrong) as (one,):
            with pytest.raises(RedisDown, match="WRONGPASS") as refused:
                await one.bus.check()
        assert "wrong secret" not in f"{refused.value}{wrong}"


async def test_databases_of_one_server_do_not_hear_each_other(redis_server: Server) -> None:
    async with (
        joined(OneServer(redis_server)) as (one,),
        joined(OneServer(redis_server), login=Login(db=3)) as (other,),
    ):
        one.bus.publish("im:g:g", b"in 0")
        await one.bus.settled()
        await other.bus.settled()
        assert other.heard == []


async def test_sentinels_tell_where_the_master_is_after_a_failover(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(running_redis(tmp_path / "master"))
        replica = stack.enter_context(running_redis(tmp_path / "replica", "--replicaof", "127.0.0.1", str(master.port)))
        sentinel = stack.enter_context(running_sentinel(tmp_path / "sentinel", master))
        await _until_a_replica_is_known(sentinel)
        places = [Sentinels([Server("127.0.0.1", 1), sentinel.server], "mymaster", Login()) for _ in range(2)]
        async with joined(*places) as (one, other):
            await hears_again(one, other, b"before")
            master.end()
            await one.alarm()
            await other.alarm()
            await hears_again(one, other, b"after")
            assert str(one.bus._layout and one.bus._layout.masters[0]) == str(replica.server)


async def _until_a_replica_is_known(sentinel: RedisServer) -> None:
    async with asyncio.timeout(20):
        while not await sentinel.ask("SENTINEL", "REPLICAS", "mymaster"):
            await SystemClock().sleep(0.1)


async def test_a_cluster_carries_each_topic_by_the_server_of_its_slot(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(running_redis(tmp_path / str(n), "--cluster-enabled", "yes")) for n in range(3)]
        await _make_cluster(servers)
        places = [Cluster([servers[0].server], Login()) for _ in range(2)]
        async with joined(*places) as (one, other):
            topics = [f"im:u:user{n}" for n in range(50)]
            await subscribed(other, *topics)
            for topic in topics:
                one.bus.publish(topic, topic.encode())
            assert sorted(await other.hears(50)) == sorted((topic, topic.encode()) for topic in topics)
            await hears_again(one, other, b"before")
            await servers[1].ask("CLIENT", "KILL", "TYPE", "pubsub")
            await other.alarm()
            await hears_again(one, other, b"after")


async def _make_cluster(servers: list[RedisServer]) -> None:
    for place, each in enumerate(servers):
        first, last = place * 16384 // 3, (place + 1) * 16384 // 3 - 1
        await each.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        await each.ask("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
    for each in servers[1:]:
        await each.ask("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    async with asyncio.timeout(20):
        for each in servers:
            while b"cluster_state:ok" not in str(await each.ask("CLUSTER", "INFO")).encode():
                await SystemClock().sleep(0.1)


async def test_questions_find_their_server_in_a_cluster(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(running_redis(tmp_path / str(n), "--cluster-enabled", "yes")) for n in range(3)]
        await _make_cluster(servers)
        async with RedisClient(Cluster([servers[2].server], NOBODY), NOBODY, SystemClock()).open() as client:
            keys = [f"im:d:user{n}" for n in range(30)]
            await client.ask_all([("HSET", key, "phone", key) for key in keys])
            found = await client.ask_all([("HVALS", key) for key in keys])
            assert found == [[key.encode()] for key in keys]
            assert (
                await client.ask("EVAL", "return redis.call('HGET', KEYS[1], 'phone')", 1, keys[7]) == keys[7].encode()
            )
            sizes = [await each.ask("DBSIZE") for each in servers]
            assert all(sizes)
            assert sum(int(str(size)) for size in sizes) == 30


async def test_a_question_that_gets_no_answer_is_refused_in_time_and_later_ones_at_once(redis_server: Server) -> None:
    proxy = FaultProxy(redis_server.host, redis_server.port)
    async with proxy.running():
        through = OneServer(Server("127.0.0.1", proxy.port))
        async with RedisClient(through, NOBODY, SystemClock()).open() as client:
            assert await client.ask("GET", "im:nothing") is None
            proxy.stall()
            with pytest.raises(RedisDown):
                await client.ask("GET", "im:nothing")
            proxy.refuse()
            for _ in range(2):
                with pytest.raises(RedisDown):
                    await client.ask("GET", "im:nothing")
            proxy.restore()
            await _answers_again(client)


async def _answers_again(client: RedisClient) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(RedisDown):
                assert await client.ask("GET", "im:nothing") is None
                return
            await SystemClock().sleep(0.05)


async def test_it_is_spoken_to_by_tls_where_that_is_asked_for(tmp_path: Path) -> None:
    _certify(tmp_path)
    options = ("--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem"))
    with running_redis(tmp_path / "redis", *options, "--tls-auth-clients", "no") as redis:
        with pytest.raises(RedisDown):
            await ask(redis.server, "PING")
        trusting = Login(tls=ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))
        async with joined(OneServer(redis.server), OneServer(redis.server), login=trusting) as (one, other):
            await hears_again(one, other, b"in secret")
        with pytest.raises(RedisDown, match="CERTIFICATE_VERIFY_FAILED"):
            await ask(redis.server, "PING", login=Login(tls=ssl.create_default_context()))


def _certify(folder: Path) -> None:
    """A certificate for this machine that nobody has signed."""
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names, *files],
        check=True,
        capture_output=True,
    )
