"""Two servers over a Redis that is cut, stalled, killed and emptied while everybody talks: at the end, everybody has
the log."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from goim.clock import SystemClock
from tests.client import Device, Person, Refused, World, world
from tests.fault_proxy import FaultProxy
from tests.process import ServerProcess
from tests.redis_server import RedisServer, running_redis

PEOPLE = 16
PATIENCE = 60.0  # for what takes seconds, on a machine that has much else to do
SECRET = secrets.token_urlsafe(48)
clock = SystemClock()


@dataclass
class Cluster:
    """Two servers at one database, each with a proxy of its own to one Redis."""

    redis: RedisServer
    proxies: list[FaultProxy]
    servers: list[ServerProcess]
    worlds: list[World]


@contextlib.asynccontextmanager
async def two_servers(folder: Path, **variables: str) -> AsyncIterator[Cluster]:
    async with contextlib.AsyncExitStack() as stack:
        redis = stack.enter_context(running_redis(folder / "redis"))
        cluster = Cluster(redis, [], [], [])
        for number in range(2):
            proxy = await stack.enter_async_context(FaultProxy("127.0.0.1", redis.port).running())
            place = folder / str(number)
            place.mkdir()
            server = ServerProcess(
                place,
                IM_SERVER_DATA_DIR=str(folder / "data"),
                IM_REDIS_ADDR=f"127.0.0.1:{proxy.port}",
                IM_JWT_SECRET=SECRET,
                IM_SERVER_DRAIN_SECONDS="0.1",
                **variables,
            )
            await server.start()
            stack.push_async_callback(server.kill)
            cluster.proxies.append(proxy)
            cluster.servers.append(server)
            cluster.worlds.append(await stack.enter_async_context(world(server.url)))
        yield cluster


@dataclass
class Talker:
    """Somebody who talks, and keeps everything that they are shown."""

    person: Person
    device: Device
    group: str
    has: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    live: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    sent: list[str] = field(default_factory=list)
    other: Device | None = None

    def take(self) -> None:
        """Look at what was pushed: each message once and in order."""
        pushes, self.device.pushes = self.device.pushes, []
        for push in pushes:
            if push["action"] == "message":
                data = push["data"]
                assert not self.live[data["convId"]] or data["seq"] > self.live[data["convId"]][-1], (
                    f"{data['seq']} after {self.live[data['convId']][-3:]} in {data['convId']}"
                )
                self.live[data["convId"]].append(data["seq"])
                self.keep(data)

    def keep(self, message: Any) -> None:
        self.has[message["convId"]][message["seq"]] = message["payload"]["text"]

    async def say(self, data: Any, text: str) -> None:
        """Send until it is acknowledged."""
        request = {"type": "text", "payload": {"text": text}, "clientMsgId": text, **data}
        try:
            ack = await self.device.ask("send", request)
        except (ConnectionClosed, TimeoutError):
            assert self.other is not None
            self.device, self.other = self.other, None
            self.live.clear()
            ack = await self.device.ask("send", request)
        self.keep({"convId": ack["convId"], "seq": ack["seq"], "payload": {"text": text}})
        self.sent.append(text)
        self.take()


async def talk(talkers: list[Talker], until: asyncio.Event) -> None:
    """Everybody says something to somebody, all the time."""
    numbers = itertools.count()

    async def one(me: Talker, chance: random.Random) -> None:
        while not until.is_set():
            to = chance.choice(talkers)
            is_group = to is me or chance.random() < 0.3
            target = {"convId": me.group} if is_group else {"convType": "c2c", "to": to.person.user_id}
            await me.say(target, f"{me.person.username}-{next(numbers)}")
            await clock.sleep(chance.random() * 0.05)

    async with asyncio.TaskGroup() as tasks:
        for place, talker in enumerate(talkers):
            tasks.create_task(one(talker, random.Random(place)))


async def much_is_said(talkers: list[Talker]) -> None:
    """Let them talk for a second, and until they have said enough for something to go wrong with."""
    enough = sum(len(each.sent) for each in talkers) + 80
    await clock.sleep(1)
    async with asyncio.timeout(PATIENCE):
        while sum(len(each.sent) for each in talkers) < enough:
            await clock.sleep(0.05)


async def gather(cluster: Cluster, count: int) -> list[Talker]:
    """Friends of each other in one group, on both servers in turn."""
    people = await cluster.worlds[0].friends(*(f"talker{n}" for n in range(count)))
    ids = [person.user_id for person in people[1:]]
    group = await people[0].post("/api/groups", {"name": "all", "memberIds": ids})
    return [
        Talker(person, await cluster.worlds[place % 2].device(person), group["convId"])
        for place, person in enumerate(people)
    ]


async def log_of(talker: Talker) -> dict[str, dict[int, str]]:
    """Everything that the log has for somebody."""
    found: dict[str, dict[int, str]] = {}
    for line in (await talker.person.get("/api/conversations", limit=200))["conversations"]:
        messages: dict[int, str] = {}
        while max(messages, default=0) < line["lastSeq"]:
            after = max(messages, default=0)
            page = await talker.person.get("/api/messages/history", convId=line["convId"], fromSeq=after, limit=200)
            messages |= {message["seq"]: message["payload"]["text"] for message in page["messages"]}
        if messages:
            found[line["convId"]] = messages
    return found


async def everybody_has_the_log(talkers: list[Talker]) -> int:
    """Wait until everybody was shown everything, without asking; how many messages there are.

    Only what came before the first message that somebody was shown of a conversation is theirs to ask for.
    """
    logs = [await log_of(talker) for talker in talkers]
    for talker, log in zip(talkers, logs, strict=True):
        for conv_id, messages in log.items():  # a conversation that began with a later message: its client syncs
            first = min(talker.has[conv_id], default=0)
            talker.has[conv_id] |= {seq: text for seq, text in messages.items() if seq < first}
        try:
            async with asyncio.timeout(PATIENCE):
                while talker.has != log:
                    await talker.device.ask("ping")
                    talker.take()
                    await clock.sleep(0.05)
        except TimeoutError:
            missing = {
                conv_id: sorted(set(messages) - set(talker.has[conv_id]))[:9]
                for conv_id, messages in log.items()
                if talker.has[conv_id] != messages
            }
            pytest.fail(f"{talker.person.username} was not shown {missing}")
        for conv_id, messages in log.items():
            assert sorted(messages) == list(range(1, len(messages) + 1)), f"{conv_id} is not dense"
    everything = {text for log in logs for messages in log.values() for text in messages.values()}
    assert everything == {text for talker in talkers for text in talker.sent}
    return len(everything)


async def trouble(cluster: Cluster, name: str) -> None:
    """Something bad, and its end."""
    one, other = cluster.proxies
    match name:
        case "cut":
            one.cut()
        case "kill":
            await cluster.redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        case "stall":
            one.stall()
            await clock.sleep(4.5)
            one.restore()
        case "partition":
            other.refuse()
            await clock.sleep(1.5)
            other.restore()
        case "restart":
            cluster.redis.end()
            await clock.sleep(0.5)
            cluster.redis.start()


@pytest.mark.timeout(240)
async def test_whatever_happens_to_redis_everybody_is_shown_everything_once_and_in_order(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        talkers = await gather(cluster, PEOPLE)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(talk(talkers, over))
            for name in ("cut", "kill", "stall", "partition", "restart", "cut"):
                await much_is_said(talkers)
                await trouble(cluster, name)
            await much_is_said(talkers)
            over.set()
        assert await everybody_has_the_log(talkers) > 500
        http = await cluster.worlds[0].http()
        async with asyncio.timeout(PATIENCE):
            while (ready := await http.get("/readyz")).json()["status"] != "ready":
                await clock.sleep(0.05)
        assert ready.json() == {"status": "ready", "dependencies": {"data": "ok", "messages": "ok", "redis": "ok"}}


@pytest.mark.timeout(240)
async def test_a_server_that_is_killed_while_all_talk_costs_nobody_a_message(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        talkers = await gather(cluster, PEOPLE)
        for talker in talkers[1::2]:  # they can send to either server, as behind a load balancer
            talker.other = await cluster.worlds[0].device(talker.person, "reserve")
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(talk(talkers, over))
            await much_is_said(talkers)
            await cluster.servers[1].kill()
            await much_is_said(talkers)
            over.set()
        for talker in talkers[1::2]:
            talker.device = await cluster.worlds[0].device(talker.person, "after")
            talker.live.clear()
            log = await log_of(talker)
            talker.has = defaultdict(dict, log)  # they connect again and sync
        assert await everybody_has_the_log(talkers) > 100


async def test_without_redis_each_server_serves_its_own_people_and_says_so(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        talkers = await gather(cluster, 4)
        for proxy in cluster.proxies:
            proxy.refuse()
        http = await cluster.worlds[0].http()
        async with asyncio.timeout(PATIENCE):
            while (ready := await http.get("/readyz")).json()["status"] == "ready":
                await clock.sleep(0.05)
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["dependencies"]["redis"] == "down"
        await talkers[0].say({"convType": "c2c", "to": talkers[2].person.user_id}, "local")
        assert (await talkers[2].device.push("message"))["payload"]["text"] == "local"
        await talkers[0].say({"convType": "c2c", "to": talkers[1].person.user_id}, "elsewhere")
        late = await cluster.worlds[0].device(talkers[1].person, "late")
        await late.ask("ping")
        for proxy in cluster.proxies:
            proxy.restore()
        assert (await talkers[1].device.push("message"))["payload"]["text"] == "elsewhere"


async def test_a_login_that_ends_on_one_server_ends_on_the_other(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        ann = await cluster.worlds[0].person("ann")
        phone = await cluster.worlds[1].device(ann, "phone")
        again = await cluster.worlds[0].device(ann, "phone")
        assert await phone.closed() == 4009
        other = await cluster.worlds[0].log_in(ann)
        tablet = await cluster.worlds[1].device(other, "tablet")
        await _until(lambda: _listed(ann, {"phone": True, "tablet": True}))
        await ann.delete("/api/users/me/devices/tablet")
        assert await tablet.closed() == 4010
        await ann.post("/api/logout")
        assert await again.closed() == 4001


async def test_a_device_that_moved_stays_when_its_first_server_is_heard_of_late(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        ann, bob = await cluster.worlds[0].friends("ann", "bob")
        bobs = await cluster.worlds[1].device(bob)
        cluster.proxies[0].stall()
        old = await cluster.worlds[0].device(ann, "phone")
        new = await cluster.worlds[1].device(ann, "phone")
        await new.ask("ping")
        cluster.proxies[0].restore()
        assert await old.closed() == 4009
        for text in ("after the first server was heard of", "still"):
            await bobs.ask("send", bob.text(ann, text))
            assert (await new.push("message"))["payload"]["text"] == text


async def test_people_on_two_servers_see_each_other_call_each_other_and_go_on_when_one_dies(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        here, there = cluster.worlds
        ann, bob = await here.friends("ann", "bob")
        phone = await here.device(ann, "phone")
        await phone.ask("ping")
        laptop = await there.device(bob, "laptop")
        assert (await phone.push("presence"))["online"]
        await _until(lambda: _online(bob, ann))
        assert await _online(ann, bob)
        other = await there.device(ann, "tablet")
        await _until(lambda: _listed(ann, {"phone": True, "tablet": True}))

        call = await phone.ask("call_start", {"to": bob.user_id, "type": "audio"})
        assert (await laptop.push("call_incoming"))["callId"] == call["callId"]
        await laptop.ask("call_answer", {"callId": call["callId"]})
        assert (await phone.push("call_answered"))["status"] == "answered"
        signal = {"callId": call["callId"], "type": "offer", "sdp": "v=0", "to": bob.user_id}
        await phone.ask("webrtc_signaling", signal)
        assert (await laptop.push("webrtc_signaling"))["sdp"] == "v=0"
        with pytest.raises(Refused, match="CALL_BUSY"):
            await other.ask("call_start", {"to": bob.user_id, "type": "audio"})

        text = {"convType": "c2c", "to": ann.user_id, "type": "stream", "payload": {"text": "so "}}
        stream = await laptop.ask("start_stream", text)
        await laptop.ws.send(json.dumps({"action": "stream_chunk", "data": _chunk(stream, "far ")}))
        assert (await phone.push("stream_chunk"))["delta"] == "far "
        moved = await here.device(bob, "laptop")  # its owner goes on through the other server
        await moved.ws.send(json.dumps({"action": "stream_chunk", "data": _chunk(stream, "so good")}))
        chunk = await phone.push("stream_chunk")
        assert (chunk["index"], chunk["delta"]) == (2, "so good")
        await moved.ask("end_stream", {"streamId": stream["streamId"]})
        assert (await phone.push("stream_end"))["text"] == "so far so good"

        bob_again = await there.device(bob, "desk")
        await cluster.servers[1].kill()
        with contextlib.suppress(TimeoutError):
            await bob_again.closed()
        await phone.ask("call_end", {"callId": call["callId"]})
        assert (await moved.push("call_ended"))["status"] == "ended"
        await _until(lambda: _gone(ann, "tablet"))
        await phone.ask("send", ann.text(bob, "still here"))
        assert (await moved.push("message", lambda data: data["type"] == "text"))["payload"]["text"] == "still here"


async def test_who_is_added_to_a_group_on_one_server_hears_all_of_it_on_the_other(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        ann, bob = await cluster.worlds[0].friends("ann", "bob")
        phone, laptop = await cluster.worlds[0].device(ann), await cluster.worlds[1].device(bob)
        for number in range(5):
            group = await ann.post("/api/groups", {"name": f"group {number}", "memberIds": [bob.user_id]})
            for text in ("at once", "and then"):
                await phone.ask("send", {"convId": group["convId"], "type": "text", "payload": {"text": text}})
            assert (await laptop.push("group_created"))["groupId"] == group["groupId"]
            assert [(await laptop.push("message"))["payload"]["text"] for _ in range(2)] == ["at once", "and then"]
        assert [push for push in await laptop.quiet() if push["action"] != "presence"] == []


@pytest.mark.timeout(240)
async def test_friends_of_those_on_a_server_that_died_hear_that_they_went(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        ann, bob = await cluster.worlds[0].friends("ann", "bob")
        phone = await cluster.worlds[0].device(ann, "phone")
        await cluster.worlds[1].device(bob, "laptop")
        assert (await phone.push("presence"))["online"]
        call = await phone.ask("call_start", {"to": bob.user_id, "type": "audio"})
        await cluster.servers[1].kill()
        async with asyncio.timeout(PATIENCE):
            while not (gone := [each for each in await phone.quiet() if each["action"] == "presence"]):
                await clock.sleep(0.2)
        assert not gone[0]["data"]["online"]
        assert not await _online(ann, bob)
        assert (await phone.ask("call_end", {"callId": call["callId"]}))["status"] == "cancelled"


def _chunk(stream: Any, delta: str) -> Any:
    return {"streamId": stream["streamId"], "delta": delta}


async def _online(asker: Person, other: Person) -> bool:
    answer = await asker.get("/api/presence", userIds=other.user_id)
    return bool(answer["presence"][0]["online"])


async def _listed(person: Person, devices: dict[str, bool]) -> bool:
    """Whether these are all of somebody's devices, and online as said."""
    listed = (await person.get("/api/users/me/devices"))["devices"]
    return {each["deviceId"]: each["online"] for each in listed} == devices


async def _gone(person: Person, device_id: str) -> bool:
    devices = (await person.get("/api/users/me/devices"))["devices"]
    return not any(each["online"] for each in devices if each["deviceId"] == device_id)


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await holds():
            await clock.sleep(0.1)
