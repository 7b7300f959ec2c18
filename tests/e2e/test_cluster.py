"""Three servers, a consumer, MariaDB, Redis, Kafka and a load balancer, each a process: to people they are one server,
also while any one of them is killed or the servers are restarted one after another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from goim.clock import SystemClock
from tests.client import PASSWORD, Device, Person, Refused
from tests.e2e.cluster import DRAIN_SECONDS, NODES, Cluster, running_cluster
from tests.e2e.crowd import gathered
from tests.process import ServerProcess

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
PATIENCE = 30.0
T = TypeVar("T")
clock = SystemClock()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """All of it, for all tests here: each brings people of its own."""
    async with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


async def on_each(cluster: Cluster, *people: Person, device: str = "phone") -> list[Device]:
    """A device of each of these, the first on the first node and so on."""
    return [
        await cluster.people.device(person, f"{device}-{name}", **{"x-node": name})
        for person, name in zip(people, NODES, strict=False)
    ]


async def say(device: Device, text: str, **where: Any) -> Any:
    return await device.ask("send", {"type": "text", "payload": {"text": text}, **where})


async def texts(device: Device, count: int) -> list[str]:
    """What the next so many messages say, in the order they came."""
    return [(await device.push("message"))["payload"]["text"] for _ in range(count)]


async def all_hear_the_first(*devices: Device) -> None:
    """Wait for it before another node says the next: whichever comes first is where a node begins, the rest it owes to
    a sync."""
    for device in devices:
        assert await texts(device, 1) == ["first"]


async def test_devices_on_three_nodes_hear_each_other(cluster: Cluster) -> None:
    ann, bob = await cluster.people.circle(2)
    anns, bobs, bobs_other = await on_each(cluster, ann, bob, bob)
    anns_other = await cluster.people.device(ann, "tablet", **{"x-node": "three"})
    await say(anns, "first", convType="c2c", to=bob.user_id)
    await all_hear_the_first(anns_other, bobs, bobs_other)
    for number in range(20):
        await say(anns, f"ann {number}", convType="c2c", to=bob.user_id)
        await say(bobs, f"bob {number}", convType="c2c", to=ann.user_id)
    talk = [f"{name} {number}" for number in range(20) for name in ("ann", "bob")]
    assert await texts(anns_other, 40) == await texts(bobs_other, 40) == talk
    assert await texts(anns, 20) == talk[1::2]
    assert await texts(bobs, 20) == talk[::2]


async def test_many_senders_on_many_nodes_are_heard_in_one_order(cluster: Cluster) -> None:
    people = await cluster.people.circle(6)
    ids = [each.user_id for each in people[1:]]
    group = await people[0].post("/api/groups", {"name": "all", "memberIds": ids})
    devices = [*await on_each(cluster, *people[:3]), *await on_each(cluster, *people[3:])]
    ears = await on_each(cluster, *people[:3], device="ear")

    async def talk(device: Device, name: str) -> None:
        for number in range(20):
            await say(device, f"{name} {number}", groupId=group["groupId"])

    await say(devices[0], "first", groupId=group["groupId"])
    await all_hear_the_first(*ears)
    async with asyncio.TaskGroup() as tasks:
        for device, person in zip(devices, people, strict=True):
            tasks.create_task(talk(device, person.username))
    heard = [[await ear.push("message") for _ in range(120)] for ear in ears]
    assert [each["seq"] for each in heard[0]] == list(range(2, 122))
    assert heard[0] == heard[1] == heard[2]
    for person in people:
        own = [each["payload"]["text"] for each in heard[0] if each["from"] == person.user_id]
        assert own == [f"{person.username} {number}" for number in range(20)]


async def test_who_reads_on_one_node_is_seen_to_have_read_on_the_others(cluster: Cluster) -> None:
    ann, bob, cat = await cluster.people.circle(3)
    anns, bobs, bobs_other = await on_each(cluster, ann, bob, bob)
    anns_other = await cluster.people.device(ann, "tablet", **{"x-node": "three"})
    for number in range(3):
        ack = await say(anns, f"number {number}", convType="c2c", to=bob.user_id)
    await texts(bobs, 3)
    assert await bobs.ask("read", {"convId": ack["convId"], "seq": 2}) == {"convId": ack["convId"], "seq": 2}
    told = {"convId": ack["convId"], "userId": bob.user_id, "seq": 2}
    for device in (anns, anns_other, bobs_other):
        assert await device.push("read") == told
    assert (await bobs_other.ask("read", {"convId": ack["convId"], "seq": 1}))["seq"] == 2, "a watermark only rises"
    assert await _unread(bob, ack["convId"]) == 1

    cats = await cluster.people.device(cat, "phone", **{"x-node": "three"})
    group = await ann.post("/api/groups", {"name": "all", "memberIds": [bob.user_id, cat.user_id]})
    sent = await say(anns, "to all", groupId=group["groupId"])
    for device, person in ((bobs, bob), (cats, cat)):
        await device.push("message", lambda data: data["convId"] == group["convId"])
        await device.ask("read", {"convId": group["convId"], "seq": 1})
        assert (await anns.push("read", lambda data: data["convId"] == group["convId"]))["userId"] == person.user_id
    readers = await ann.get(f"/api/messages/{sent['serverMsgId']}/readers", convId=group["convId"])
    assert {each["userId"] for each in readers["readers"]} == {bob.user_id, cat.user_id}
    assert readers["unread"] == []


async def test_devices_on_all_nodes_are_listed_once_and_friends_see_who_is_there(cluster: Cluster) -> None:
    ann, bob = await cluster.people.circle(2)
    bobs = await cluster.people.device(bob, "phone", **{"x-node": "one"})
    anns = await on_each(cluster, ann, ann, ann)
    assert (await bobs.push("presence"))["online"]
    everywhere = [("phone-one", True), ("phone-three", True), ("phone-two", True)]
    await until_is(lambda: _listed(ann, 3), everywhere)
    again = await cluster.people.device(ann, "phone-one", **{"x-node": "three"})
    assert await anns[0].closed() == 4009, "a device is in one place at a time"
    await until_is(lambda: _listed(ann, 3), everywhere)
    for device in (*anns[1:], again):
        await device.ws.close()
    assert not (await bobs.push("presence"))["online"]
    await until_is(lambda: _listed(ann, 3), [(name, False) for name, _ in everywhere])
    told = {push["action"] for push in await bobs.quiet()} - {"friend_accepted"}  # on its way before he was there
    assert told == set(), "nothing was told twice"


async def test_a_call_goes_from_node_to_node(cluster: Cluster) -> None:
    ann, bob = await cluster.people.circle(2)
    anns, bobs, bobs_other = await on_each(cluster, ann, bob, bob)
    call = await anns.ask("call_start", {"to": bob.user_id, "type": "video"})
    for device in (bobs, bobs_other):
        assert (await device.push("call_incoming"))["callId"] == call["callId"]
    with pytest.raises(Refused, match="CALL_BUSY"):
        await (await cluster.people.device(ann, "tablet", **{"x-node": "two"})).ask(
            "call_start", {"to": bob.user_id, "type": "audio"}
        )
    await bobs.ask("call_answer", {"callId": call["callId"]})
    for device in (anns, bobs_other):
        assert (await device.push("call_answered"))["status"] == "answered"
    with pytest.raises(Refused, match="CALL_STATE"):
        await bobs_other.ask("call_answer", {"callId": call["callId"]})
    for speaker, hearer, to in ((anns, bobs, bob), (bobs, anns, ann)):
        for type_ in ("offer", "candidate"):
            what = {"sdp": "v=0"} if type_ == "offer" else {"candidate": {"candidate": "c", "sdpMid": "0"}}
            await speaker.ask("webrtc_signaling", {"callId": call["callId"], "type": type_, "to": to.user_id, **what})
            assert (await hearer.push("webrtc_signaling"))["type"] == type_
    assert (await bob.get("/api/webrtc/current-call"))["callId"] == call["callId"]
    await bobs.ask("call_end", {"callId": call["callId"]})
    for device in (anns, bobs_other):
        assert (await device.push("call_ended"))["status"] == "ended"
        assert (await device.push("message"))["payload"]["callId"] == call["callId"]
    assert [push for push in await bobs_other.quiet() if push["action"] == "webrtc_signaling"] == []
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.get("/api/webrtc/current-call")


async def test_a_stream_is_seen_to_grow_on_other_nodes_and_ends_on_all(cluster: Cluster) -> None:
    ann, bob = await cluster.people.circle(2)
    anns, bobs, bobs_other = await on_each(cluster, ann, bob, bob)
    stream = await anns.ask(
        "start_stream", {"convType": "c2c", "to": bob.user_id, "type": "stream", "payload": {"text": ""}}
    )
    words = [f"word{number} " for number in range(20)]
    for word in words:
        chunk = {"action": "stream_chunk", "data": {"streamId": stream["streamId"], "delta": word}}
        await anns.ws.send(json.dumps(chunk))
    for device in (bobs, bobs_other):
        assert (await device.push("message"))["streamStatus"] == "streaming"
        chunks = [await device.push("stream_chunk") for _ in words]
        assert [(each["index"], each["delta"]) for each in chunks] == list(enumerate(words, 1))
    await until_is(lambda: _text_of_last(bob, stream["convId"]), "".join(words))
    await anns.ask("end_stream", {"streamId": stream["streamId"]})
    for device in (bobs, bobs_other):
        ended = await device.push("stream_end")
        assert (ended["text"], ended["streamStatus"], ended["change"]) == ("".join(words), "done", 1)


async def test_guesses_at_a_password_count_together_wherever_the_balancer_sends_them(cluster: Cluster) -> None:
    ann = await cluster.people.person()
    http = await cluster.people.http()
    wrong = {"username": ann.username, "password": "a wrong guess"}
    codes = [(await http.post("/api/login", json=wrong)).status_code for _ in range(5)]
    assert codes == [401] * 3 + [429] * 2
    right = {"username": ann.username, "password": PASSWORD}
    for name in NODES:
        assert (await http.post("/api/login", json=right, headers={"x-node": name})).status_code == 429


async def test_a_session_that_is_ended_on_any_node_ends_on_all(cluster: Cluster) -> None:
    ann = await cluster.people.person()
    one, two, three = await on_each(cluster, ann, *[await cluster.people.log_in(ann) for _ in range(2)])
    await until_is(lambda: _listed(ann, 3), [("phone-one", True), ("phone-three", True), ("phone-two", True)])
    await ann.delete("/api/users/me/devices/phone-two")
    assert await two.closed() == 4010
    await ann.put("/api/users/me/password", {"oldPassword": PASSWORD, "newPassword": f"another {PASSWORD}"})
    assert await three.closed() == 4001
    await ann.post("/api/logout")
    assert await one.closed() == 4001

    async def codes() -> list[int]:
        token = f"Bearer {ann.token}"
        who = [ann.http.get("/api/users/me", headers={"Authorization": token, "x-node": name}) for name in NODES]
        return [answer.status_code for answer in await asyncio.gather(*who)]

    await until_is(codes, [401] * len(NODES))  # the others hear of it a moment after the node that was asked


async def test_a_group_moves_up_in_all_lists_by_the_consumer(cluster: Cluster) -> None:
    ann, bob, cat = await cluster.people.circle(3)
    anns, *_ = await on_each(cluster, ann, bob, cat)
    group = await ann.post("/api/groups", {"name": "all", "memberIds": [bob.user_id, cat.user_id]})
    before = await cluster.metric("im_group_members_moved_total", cluster.consumer)
    sent = await say(anns, "hello all", groupId=group["groupId"])

    async def moved() -> list[int]:
        return [await _updated_at(person, group["convId"]) for person in (ann, bob, cat)]

    async def is_counted() -> bool:
        return await cluster.metric("im_group_members_moved_total", cluster.consumer) >= before + 3

    await until_is(moved, [sent["timestamp"]] * 3)
    await until_is(is_counted, True)  # when it is stored


@pytest.mark.parametrize(
    "victims", [NODES, ("consumer",), ("redis",), ("mariadb",), ("kafka",), ("balancer",)], ids="-".join
)
async def test_whatever_is_killed_everybody_ends_with_exactly_the_log(
    cluster: Cluster, victims: tuple[str, ...]
) -> None:
    async with gathered(cluster.people, 12) as crowd:
        async with crowd.talking(pause=0.05):
            await crowd.say_more(50)
            for victim in victims:
                await cluster.kill(victim)
                if victim not in ("mariadb", "balancer"):  # without these nothing can be said
                    await crowd.say_more(50)
                await cluster.start(victim)
                await crowd.say_more(100)
        await cluster.all_is_well()
        await crowd.everybody_has_the_log()
        await crowd.list_is_right()


async def test_people_hardly_notice_that_all_servers_are_restarted(cluster: Cluster) -> None:
    async with gathered(cluster.people, 60) as crowd:
        async with crowd.talking(pause=0.5):
            for name in NODES:
                node = cluster.nodes[name]
                before = sum(len(talker.losses) for talker in crowd.talkers)
                watcher = await cluster.people.device(crowd.talkers[0].person, f"watcher-{name}", **{"x-node": name})
                assert await node.end() == 0
                assert await watcher.closed() == 4012
                losses = sum(len(talker.losses) for talker in crowd.talkers) - before
                assert losses > 5
                assert _drained_in(node) > DRAIN_SECONDS / 2 + 0.01 * losses, "they went one after another"
                await node.start()
                await cluster.all_is_well()
        await crowd.everybody_has_the_log()


def _drained_in(node: ServerProcess) -> float:
    """In how many seconds it has sent everybody away, as it says: who is sent away may be stopped meanwhile."""
    lines = [line for line in node.log.read_text().splitlines() if '"event": "drain' in line]
    began, over = (datetime.fromisoformat(json.loads(line)["time"]) for line in lines[-2:])
    return (over - began).total_seconds()


async def _unread(person: Person, conv_id: str) -> int:
    return int((await _line(person, conv_id))["unread"])


async def _updated_at(person: Person, conv_id: str) -> int:
    return int((await _line(person, conv_id))["updatedAt"])


async def _line(person: Person, conv_id: str) -> Any:
    lines = (await person.get("/api/conversations"))["conversations"]
    return next(line for line in lines if line["convId"] == conv_id)


async def _text_of_last(person: Person, conv_id: str) -> str:
    history = await person.get("/api/messages/history", convId=conv_id)
    return str(history["messages"][-1]["payload"]["text"])


async def _listed(person: Person, count: int) -> list[tuple[str, bool]]:
    listed = await person.get("/api/users/me/devices")
    assert listed["count"] <= count
    return sorted((each["deviceId"], each["online"]) for each in listed["devices"])


async def until_is(look: Callable[[], Awaitable[T]], expected: T) -> None:
    """Wait until what is looked at is as expected."""
    found = await look()
    try:
        async with asyncio.timeout(PATIENCE):
            while found != expected:
                await clock.sleep(0.05)
                found = await look()
    except TimeoutError:
        assert found == expected  # shows how they differ
