"""What time does, as the contract has it: the clock stands still until a test says how much has passed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.client import Device, Envelope, Person, Refused, World
from tests.fake_clock import FakeClock
from tests.node import started_node

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Hours:
    """A node whose time passes when a test says so."""

    def __init__(self, world: World, clock: FakeClock) -> None:
        self.world = world
        self.clock = clock


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hours(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hours]:
    clock = FakeClock()
    settings: dict[str, Any] = {
        "messages": {"recall_window": 60, "edit_window": 120},
        "ws": {"send_qps": 2, "send_burst": 4},
        "auth": {"token_ttl": "365d", "refresh_ttl": "365d"},
    }
    async with started_node(tmp_path_factory.mktemp("hours"), clock=clock, **settings) as (_, world):
        yield Hours(world, clock)


def text(words: str = "hi", **more: Any) -> Envelope:
    return {"type": "text", "payload": {"text": words}} | more


async def words(person: Person, conv_id: str, **query: Any) -> list[str]:
    page = await person.get("/api/messages/history", convId=conv_id, **query)
    return [message["payload"]["text"] for message in page["messages"]]


async def test_a_message_is_hidden_from_every_read_when_its_time_is_over(hours: Hours) -> None:
    ann, bob = await hours.world.circle(2)
    anns, bobs = await hours.world.device(ann), await hours.world.device(bob)
    end = hours.clock.now_ms() + 10_000
    await anns.ask("send", text("stays", to=bob.user_id))
    ack = await anns.ask("send", text("goes", to=bob.user_id, expireAtMs=end))
    conv_id = ack["convId"]
    pushed = await bobs.push("message", lambda message: message["seq"] == 2)
    assert pushed["expireAt"] == end
    assert await words(bob, conv_id) == ["stays", "goes"]
    hours.clock.advance(10)
    (line,) = (await bob.get("/api/conversations"))["conversations"]
    assert line["lastMessage"]["payload"]["text"] == "stays"
    for query in ({}, {"fromSeq": 0}, {"fromSeq": 1}, {"beforeSeq": 3}):
        assert await words(bob, conv_id, **query) == ([] if query == {"fromSeq": 1} else ["stays"])
    (synced,) = (await bobs.ask("sync", {"convs": [{"convId": conv_id}]}))["convs"]
    assert [message["seq"] for message in synced["messages"]] == [1]
    with pytest.raises(Refused, match="NOT_FOUND"):
        await anns.ask("recall", {"convId": conv_id, "serverMsgId": ack["serverMsgId"]})
    assert (await anns.ask("send", text("next", to=bob.user_id)))["seq"] == 3, "its seq stays its own"
    with pytest.raises(Refused, match="INVALID"):
        await anns.ask("send", text("late", to=bob.user_id, expireAtMs=hours.clock.now_ms()))


async def test_what_was_sent_is_acknowledged_again_when_its_time_is_over(hours: Hours) -> None:
    ann, bob = await hours.world.circle(2)
    device = await hours.world.device(ann)
    soon = text(to=bob.user_id, clientMsgId="soon", expireAtMs=hours.clock.now_ms() + 1000)
    ack = await device.ask("send", soon)
    hours.clock.advance(2)
    with pytest.raises(Refused, match="INVALID: expireAtMs"):
        await device.ask("send", soon | {"clientMsgId": "new"})
    assert await device.ask("send", soon) == ack | {"duplicate": True}


async def test_a_sender_may_recall_for_a_while_and_those_who_run_a_group_always(hours: Hours) -> None:
    ann, bob = await hours.world.circle(2)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    targets = []
    for _ in range(2):
        ack = await bob.post("/api/messages", text(groupId=group["groupId"]))
        targets.append({"convId": ack["convId"], "serverMsgId": ack["serverMsgId"]})
    device = await hours.world.device(bob)
    hours.clock.advance(60)
    assert (await device.ask("recall", targets[0]))["change"] == 1
    hours.clock.advance(1)
    with pytest.raises(Refused, match="RECALL_EXPIRED"):
        await device.ask("recall", targets[1])
    assert (await device.ask("recall", targets[0]))["change"] == 1, "done already"
    await ann.post("/api/messages/recall", targets[1])
    push = await device.push("recalled")
    assert (push["by"], push["change"]) == (ann.user_id, 2)


async def test_tokens_to_send_come_back_in_time(hours: Hours) -> None:
    ann, bob = await hours.world.circle(2)
    device = await hours.world.device(ann)

    async def sent(count: int) -> int:
        answers = await asyncio.gather(
            *(device.ask("send", text(to=bob.user_id)) for _ in range(count)), return_exceptions=True
        )
        waits = [answer.data["retryAfterMs"] for answer in answers if isinstance(answer, Refused)]
        assert set(waits) <= {500}
        return count - len(waits)

    assert await sent(6) == 4
    hours.clock.advance(0.5)
    assert await sent(3) == 1
    hours.clock.advance(3600)
    assert await sent(9) == 4, "a rest fills the bucket, no more"


async def typing_of(device: Device) -> list[Envelope]:
    """Who typed; presence comes by the way."""
    return [push["data"] for push in await device.quiet() if push["action"] == "typing"]


async def test_typing_is_passed_on_once_a_second(hours: Hours) -> None:
    ann, bob, cleo = await hours.world.circle(3)
    conv_id = (await ann.post("/api/messages", text(to=bob.user_id)))["convId"]
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    anns, bobs, cleos = [await hours.world.device(one) for one in (ann, bob, cleo)]
    for where in (conv_id, group["convId"]):
        typing = {"convId": where, "typing": True}
        told = [typing | {"userId": ann.user_id}]
        for _ in range(3):
            assert await anns.ask("typing", typing) == {}
        assert await typing_of(bobs) == told
        hours.clock.advance(1)
        await anns.ask("typing", typing)
        assert await typing_of(bobs) == told
        await anns.ask("typing", typing | {"typing": False})
        await anns.ask("typing", typing | {"typing": False})
        assert await typing_of(bobs) == [told[0] | {"typing": False}], "an end is told at once, and once"
    assert await typing_of(anns) == await typing_of(cleos) == []
    assert len((await bob.get("/api/messages/history", convId=conv_id))["messages"]) == 1, "never stored"


async def test_friends_are_told_who_comes_and_who_goes_for_good(hours: Hours) -> None:
    ann, bob = await hours.world.circle(2)
    stranger = await hours.world.person()
    anns, strangers = await hours.world.device(ann), await hours.world.device(stranger)
    hours.clock.advance(2)
    await anns.quiet()
    async with hours.world.online(bob, "phone") as phone:
        await phone.ask("ping")
        came = hours.clock.now_ms()
        hours.clock.advance(2)
        assert await anns.push("presence") == {"userId": bob.user_id, "online": True, "lastSeen": came}
        async with hours.world.online(bob, "laptop") as laptop:
            await laptop.ask("ping")
        hours.clock.advance(2)
        assert await anns.quiet() == [], "a second device makes no difference"
    await offline(ann, bob)
    async with hours.world.online(bob, "phone") as phone:
        await phone.ask("ping")
        hours.clock.advance(2)
        assert await anns.quiet() == [], "who comes back at once was not away"
    await offline(ann, bob)
    went = hours.clock.now_ms()
    hours.clock.advance(2)
    assert await anns.push("presence") == {"userId": bob.user_id, "online": False, "lastSeen": went}
    (seen,) = (await ann.get("/api/presence", userIds=bob.user_id))["presence"]
    assert seen == {"userId": bob.user_id, "online": False, "lastSeen": went}
    assert await strangers.quiet() == []


async def offline(friend: Person, person: Person) -> None:
    """Return when the server has noticed that somebody is gone."""
    async with asyncio.timeout(20):
        while (await friend.get("/api/presence", userIds=person.user_id))["presence"][0]["online"]:
            pass


async def test_a_mute_ends_by_itself(hours: Hours) -> None:
    ann, bob = await hours.world.circle(2)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    until = hours.clock.now_ms() + 5000
    await ann.put(f"/api/groups/{group['groupId']}/members/{bob.user_id}", {"muteUntil": until})
    device = await hours.world.device(bob)
    with pytest.raises(Refused, match="MUTED"):
        await device.ask("send", text(groupId=group["groupId"]))
    members = (await bob.get(f"/api/groups/{group['groupId']}/members"))["members"]
    assert [member.get("muteUntil") for member in members if member["userId"] == bob.user_id] == [until]
    hours.clock.advance(5)
    assert (await device.ask("send", text(groupId=group["groupId"])))["seq"] == 1
    members = (await bob.get(f"/api/groups/{group['groupId']}/members"))["members"]
    assert not any("muteUntil" in member for member in members)
