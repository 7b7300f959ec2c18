"""Two nodes at one database behave as one server, whatever the bus between them loses, delays or swaps."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from goim.app.node import Node
from goim.app.storage import open_stores
from goim.bus.memory import MemoryBus, MemoryHub
from goim.client import Client, Connected, MessagePush, text_of
from goim.clock import SystemClock
from goim.protocol.pushes import GroupCreated
from tests.client import PASSWORD, Device, Person, Refused, World
from tests.fake_clock import FakeClock
from tests.node import node_settings, presence_untold, started_node


class LateBus(MemoryBus):
    """A bus that can keep what is published to it, and send it later in whatever order."""

    def __init__(self, hub: MemoryHub) -> None:
        super().__init__(hub)
        self.kept: list[tuple[str, bytes]] | None = None

    def publish(self, topic: str, body: bytes) -> None:
        if self.kept is None:
            super().publish(topic, body)
        else:
            self.kept.append((topic, body))

    def keep(self) -> None:
        self.kept = []

    def release(self, *, backwards: bool = False) -> None:
        kept, self.kept = self.kept or [], None
        for topic, body in reversed(kept) if backwards else kept:
            self.publish(topic, body)


@dataclass
class Pair:
    """Two nodes, the people on them, and the buses between them."""

    here: World
    there: World
    bus_here: LateBus
    bus_there: LateBus
    nodes: tuple[Node, Node]
    folder: Path

    def cut(self) -> None:
        """Nothing passes between the nodes any more."""
        now = SystemClock().now_ms()
        self.bus_here.cut(now)
        self.bus_there.cut(now)

    def mend(self) -> None:
        self.bus_here.mend()
        self.bus_there.mend()


@pytest.fixture(name="pair")
async def two_nodes(tmp_path: Path) -> AsyncIterator[Pair]:
    hub = MemoryHub()
    one, other = LateBus(hub), LateBus(hub)
    with presence_untold():
        async with (
            started_node(tmp_path, bus=one) as (node, here),
            started_node(tmp_path, bus=other) as (second, there),
        ):
            yield Pair(here, there, one, other, (node, second), tmp_path)


async def say(device: Device, sender: Person, to: Person | str, text: str, **more: Any) -> Any:
    return await device.ask("send", sender.text(to, text, **more))


async def seqs(device: Device, count: int) -> list[int]:
    """The seqs of the next so many messages, in the order they came."""
    return [(await device.push("message"))["seq"] for _ in range(count)]


async def test_a_message_of_this_node_waits_for_an_earlier_one_of_another(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there, hearer = (
        await pair.here.device(ann),
        await pair.there.device(bob, "pen"),
        await pair.there.device(bob, "ear"),
    )
    await say(ann_here, ann, bob, "one")
    assert await seqs(hearer, 1) == [1]
    pair.bus_here.keep()
    await say(ann_here, ann, bob, "two")
    await say(ann_here, ann, bob, "three")
    assert (await say(bob_there, bob, ann, "four"))["seq"] == 4
    assert await seqs(hearer, 3) == [2, 3, 4], "what the bus does not bring is read from the log"
    assert await seqs(bob_there, 3) == [1, 2, 3], "who sends is not pushed their own message"
    assert await seqs(ann_here, 1) == [4]
    pair.bus_here.release(backwards=True)
    assert await hearer.quiet() == await bob_there.quiet() == await ann_here.quiet() == []


async def test_what_arrives_backwards_is_shown_in_order(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    first = await say(ann_here, ann, bob, "0")
    await bob_there.push("message")
    pair.bus_here.keep()
    for number in range(1, 30):
        await say(ann_here, ann, bob, str(number))
    await ann_here.ask("edit", {**_place(first), "payload": {"text": "edited"}})
    await ann_here.ask("recall", _place(first))
    pair.bus_here.release(backwards=True)
    assert await seqs(bob_there, 29) == list(range(2, 31))
    assert (await _next(bob_there))["action"] == "recalled", "the first change that comes is where this node begins"
    assert await bob_there.quiet() == []


async def test_a_message_is_shown_before_what_happens_to_it(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    await say(ann_here, ann, bob, "first")
    await bob_there.push("message")
    pair.bus_here.keep()
    place = await say(ann_here, ann, bob, "wrong")
    await pair.there.device(ann, "other")
    other = await pair.there.device(ann, "another")
    await other.ask("recall", _place(place))
    envelopes = [await _next(bob_there), await _next(bob_there)]
    assert [envelope["action"] for envelope in envelopes] == ["message", "recalled"]


@pytest.mark.parametrize("is_known", [True, False], ids=["a known conversation", "a silent one"])
async def test_what_was_said_while_the_bus_was_away_comes_when_it_is_back(pair: Pair, is_known: bool) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    if is_known:
        await say(ann_here, ann, bob, "before")
        await bob_there.push("message")
    pair.cut()
    for number in range(300):
        await say(ann_here, ann, bob, str(number))
    assert await bob_there.quiet() == []
    await pair.nodes[0].services.receipts.batches.drain()
    pair.mend()
    first = 2 if is_known else 101  # of a conversation that begins here only the last 200: the rest is a gap to sync
    last = 301 if is_known else 300
    assert await seqs(bob_there, last - first + 1) == list(range(first, last + 1))
    await say(ann_here, ann, bob, "after")
    assert await seqs(bob_there, 1) == [last + 1]
    assert await bob_there.quiet() == []


async def test_changes_made_while_the_bus_was_away_come_when_it_is_back(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    place = await say(ann_here, ann, bob, "first")
    await bob_there.push("message")
    lanes = pair.nodes[1].services.delivery.lanes
    async with _patience():
        while lanes._lanes[place["convId"]].change_before < 0:  # looked up a second after a conversation begins
            await bob_there.ask("ping")
    pair.cut()
    await ann_here.ask("edit", {**_place(place), "payload": {"text": "second"}})
    await ann_here.ask("recall", _place(place))
    pair.mend()
    assert await _changes(bob_there, 2) == [("edited", 1), ("recalled", 2)]
    assert await bob_there.quiet() == []


async def test_a_group_that_was_joined_while_the_bus_was_away_is_heard_when_it_is_back(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    pair.cut()
    group = await ann.post("/api/groups", {"name": "late", "memberIds": [bob.user_id]})
    pair.mend()
    lanes = pair.nodes[1].services.delivery
    async with _patience():
        while group["groupId"] not in lanes.groups():
            await bob_there.ask("ping")
    await ann_here.ask("send", {"convId": group["convId"], "type": "text", "payload": {"text": "hi"}})
    assert (await bob_there.push("message"))["convId"] == group["convId"]


async def test_a_login_that_ended_while_the_bus_was_away_is_closed_when_it_is_back(pair: Pair) -> None:
    ann = await pair.here.person("ann")
    socket = await pair.there.device(ann)
    pair.cut()
    await ann.post("/api/logout")
    assert await socket.quiet() == []
    pair.mend()
    assert await socket.closed() == 4001


async def test_a_device_is_connected_once_whichever_node_it_comes_back_to(pair: Pair) -> None:
    ann = await pair.here.person("ann")
    first = await pair.here.device(ann, "phone")
    second = await pair.there.device(ann, "phone")
    assert await first.closed() == 4009
    pair.cut()
    third = await pair.here.device(ann, "phone")
    assert await second.quiet() == []
    pair.mend()
    assert await second.closed() == 4009
    assert await third.quiet() == []


async def test_a_resend_tells_those_whom_nobody_told(pair: Pair) -> None:
    """The node that stored it died before it could tell anybody: here it is only deaf and dumb."""
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, ann_there = await pair.here.device(ann, "one"), await pair.there.device(ann, "two")
    bob_there = await pair.there.device(bob)
    await say(ann_here, ann, bob, "first")
    assert await seqs(bob_there, 1) == await seqs(ann_there, 1) == [1]
    pair.cut()
    ack = await say(ann_here, ann, bob, "second", clientMsgId="again")
    again = await say(ann_there, ann, bob, "second", clientMsgId="again")
    assert again == ack | {"duplicate": True}
    assert await seqs(bob_there, 1) == [2]
    pair.mend()
    await say(ann_here, ann, bob, "third")
    assert await seqs(bob_there, 1) == [3]
    assert await seqs(ann_there, 1) == [3], "who resends is not pushed it"


async def test_every_node_says_the_same_of_what_is_unread_and_what_is_missed(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    conv_id = (await say(bob_there, bob, ann, "so that both nodes know it"))["convId"]
    await bob_there.ask("read", {"convId": conv_id, "seq": 1})
    for number in range(5):
        await say(ann_here, ann, bob, str(number))
    missed = (await bob_there.ask("sync", {"convs": [{"convId": conv_id, "fromSeq": 1, "fromChange": 0}]}))["convs"][0]
    assert [message["seq"] for message in missed["messages"]] == [2, 3, 4, 5, 6]
    bob_here = await pair.here.device(bob, "other")
    await bob_here.ask("read", {"convId": conv_id, "seq": 6})
    assert (await bob_there.ask("read", {"convId": conv_id, "seq": 4}))["seq"] == 6
    await pair.there.device(bob, "third")
    line = (await bob.get("/api/conversations"))["conversations"][0]
    assert (line["lastSeq"], line["unread"]) == (6, 0)


async def test_a_message_to_be_burned_is_burned_by_whichever_node_its_reader_is_on(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    for text in ("for your eyes only", "and this", "this, too"):  # each time there was nothing left to burn
        place = await say(ann_here, ann, bob, text, burnAfterRead=True)
        await bob_there.push("message")
        await bob_there.ask("read", {"convId": place["convId"], "seq": place["seq"]})
        burned = await ann_here.push("recalled")
        assert (burned["seq"], burned["reason"]) == (place["seq"], "burned")


async def test_nobody_is_asked_for_a_stream_that_begins(pair: Pair) -> None:
    """Else its owner would wait for an answer that never comes."""
    ann, bob = await pair.here.friends("ann", "bob")
    pen = await pair.here.device(ann)
    text = {"convType": "c2c", "to": bob.user_id, "type": "stream", "payload": {"text": ""}, "clientMsgId": "s1"}
    pair.bus_here.keep()
    await pen.ask("start_stream", text)
    assert pair.bus_here.kept
    assert [body for _, body in pair.bus_here.kept if b"stream_wanted" in body] == []


async def test_a_stream_that_two_nodes_end_at_once_ends_once(pair: Pair) -> None:
    """Both have taken it up from a node that died."""
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    text = {"convType": "c2c", "to": bob.user_id, "type": "stream", "payload": {"text": "half"}}
    begun = await ann_here.ask("start_stream", text)
    async with open_stores(node_settings(pair.folder)) as stores:
        conv = await stores.conversations.get(begun["convId"])
        row = await stores.messages.get(begun["convId"], begun["seq"])
    assert conv is not None
    assert row is not None
    desks = [node.services.changes for node in pair.nodes]
    ends = await asyncio.gather(*(desk.finish_stream(conv, row, "half", 0, "abandoned") for desk in desks))
    assert [each.change for each in ends] == [1, 1]
    assert (await bob_there.push("stream_end"))["streamStatus"] == "failed"
    assert [push for push in await bob_there.quiet() if push["action"] == "stream_end"] == []


async def test_who_is_blocked_while_the_bus_is_away_is_refused_when_it_is_back(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    ann_here, bob_there = await pair.here.device(ann), await pair.there.device(bob)
    await say(bob_there, bob, ann, "hello")
    await ann_here.push("message")
    pair.cut()
    await ann.post(f"/api/blocks/{bob.user_id}")
    pair.mend()
    with pytest.raises(Refused, match="BLOCKED"):
        await say(bob_there, bob, ann, "hello?")


async def test_what_comes_while_an_account_is_erased_does_not_stay(pair: Pair) -> None:
    """By another node: she is added to a group, and what she asked for last is still under way."""
    ann, bob = await pair.here.friends("ann", "bob")
    group = await bob.post("/api/groups", {"name": "us"})
    bob_there = replace(bob, http=await pair.there.http())

    async def add(user_id: str) -> None:
        added = await bob_there.post(f"/api/groups/{group['groupId']}/members", {"userIds": [user_id]})
        assert added["added"] == [user_id]
        await pair.nodes[1].services.favourites.keep_custom(user_id, "a secret", "of mine")

    pair.nodes[0].services.accounts.on_erase.append(add)  # when the rest is done
    await ann.delete("/api/users/me", {"password": PASSWORD})
    members = await bob.get(f"/api/groups/{group['groupId']}/members")
    assert [each["userId"] for each in members["members"]] == [bob.user_id]
    assert (await bob.get(f"/api/groups/{group['groupId']}"))["memberCount"] == 1
    assert (await pair.nodes[1].services.favourites.stats(ann.user_id)).total == 0


async def test_a_client_whose_first_word_was_not_the_first_one_is_shown_what_came_before(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    bob_there = await pair.there.device(bob)
    pair.bus_there.keep()
    async with Client(pair.here.base_url, token=ann.token, device_id="phone") as client, _patience():
        events = client.events()
        assert isinstance(await anext(events), Connected)
        await say(bob_there, bob, ann, "first")
        assert (await client.send("second", to=bob.user_id)).seq == 2
        while not isinstance(event := await anext(events), MessagePush):
            pass
        assert text_of(event.data) == "first"


async def test_a_client_that_is_in_a_new_group_is_shown_it_from_its_first_message(pair: Pair) -> None:
    ann, bob = await pair.here.friends("ann", "bob")
    bob_there = await pair.there.device(bob)
    async with Client(pair.here.base_url, token=ann.token, device_id="phone") as client, _patience():
        events = client.events()
        assert isinstance(await anext(events), Connected)
        group = await ann.post("/api/groups", {"name": "new", "memberIds": [bob.user_id]})
        while not isinstance(await anext(events), GroupCreated):
            pass
        pair.bus_there.keep()
        await bob_there.ask("send", {"groupId": group["groupId"], "type": "text", "payload": {"text": "first"}})
        assert (await client.send("second", group=group["groupId"])).seq == 2
        while not isinstance(event := await anext(events), MessagePush):
            pass
        assert text_of(event.data) == "first"


def _place(ack: Any) -> dict[str, Any]:
    return {"convId": ack["convId"], "serverMsgId": ack["serverMsgId"]}


async def _next(device: Device) -> Any:
    async with _patience():
        while not device.pushes:
            await device.ask("ping")
    return device.pushes.pop(0)


async def _changes(device: Device, count: int) -> list[tuple[str, int]]:
    """The next so many pushes, which are changes."""
    envelopes = [await _next(device) for _ in range(count)]
    return [(envelope["action"], envelope["data"]["change"]) for envelope in envelopes]


@contextlib.asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


@pytest.mark.parametrize("is_connected", [True, False])
async def test_who_writes_from_one_node_and_then_from_another_is_in_nobodys_way(pair: Pair, is_connected: bool) -> None:
    """A node that does not hear of a conversation any more believes nothing of it: no batch is written in vain."""
    ann, bob = await pair.here.friends("ann", "bob")
    devices = [await pair.here.device(ann), await pair.there.device(bob)] if is_connected else []
    bob = replace(bob, http=await pair.there.http())
    places = []
    for number in range(3):
        for sender, to in ((ann, bob), (bob, ann)):
            places.append(await sender.post("/api/messages", sender.text(to, str(number))))
            for device in devices:
                await device.push("message")
    assert [place["seq"] for place in places] == [1, 2, 3, 4, 5, 6]
    assert [node.services.metrics.commit_retries for node in pair.nodes] == [0, 0]


async def test_what_was_said_long_ago_and_is_sent_again_is_told_to_nobody(tmp_path: Path) -> None:
    hub, clock = MemoryHub(), FakeClock()
    async with (
        started_node(tmp_path, bus=MemoryBus(hub), clock=clock) as (_, here),
        started_node(tmp_path, bus=MemoryBus(hub), clock=clock) as (_, there),
    ):
        ann, bob = await here.friends("ann", "bob")
        ann_here = await here.device(ann)
        for number in range(5):
            await say(ann_here, ann, bob, str(number), clientMsgId=str(number))
        clock.advance(600)
        bob_there, ann_there = await there.device(bob), await there.device(ann, "pen")
        again = await say(ann_there, ann, bob, "0", clientMsgId="0")
        assert (again["seq"], again["duplicate"]) == (1, True)
        await say(ann_there, ann, bob, "new")
        assert await seqs(bob_there, 1) == [6]
