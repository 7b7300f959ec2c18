"""Two people talk, on as many devices as they like."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.client import Refused, World
from tests.node import started_node


async def test_a_message_reaches_every_other_device_of_both_and_the_sender_gets_only_the_ack(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    ann1, ann2 = await people.device(ann, "phone"), await people.device(ann, "laptop")
    bob1, bob2 = await people.device(bob, "phone"), await people.device(bob, "laptop")
    ack = await ann1.ask("send", ann.text(bob, "hi", clientMsgId="m1"))
    assert ack.keys() == {"clientMsgId", "serverMsgId", "convId", "seq", "timestamp"}
    assert (ack["clientMsgId"], ack["seq"]) == ("m1", 1)
    expected = {
        "serverMsgId": ack["serverMsgId"],
        "clientMsgId": "m1",
        "convId": ack["convId"],
        "convType": "c2c",
        "from": ann.user_id,
        "to": bob.user_id,
        "seq": 1,
        "timestamp": ack["timestamp"],
        "type": "text",
        "payload": {"text": "hi"},
        "recalled": False,
    }
    for device in (ann2, bob1, bob2):
        assert await device.push("message") == expected
    assert await ann1.quiet() == []
    page = await bob.get("/api/messages/history", convId=ack["convId"])
    assert page == {"messages": [expected], "hasMore": False}


async def test_the_canonical_id_is_used_when_the_sender_names_none(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    device = await people.device(ann)
    ack = await device.ask("send", ann.text(bob, "hi"))
    assert ack["convId"] == "c2c:" + ":".join(sorted([ann.user_id, bob.user_id]))


async def test_the_seeds_literal_frames_work(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice, robert = await people.device(ann), await people.device(bob)
    data = {"convId": "c1", "convType": "c2c", "to": bob.user_id, "type": "text", "clientMsgId": "cmid-1"}
    ack = await alice.ask("send", data | {"payload": {"text": "hi"}})
    assert (ack["convId"], ack["seq"]) == ("c1", 1)
    await alice.ask("send", {"convId": "c1", "type": "image", "payload": {"url": "…", "width": 800, "height": 600}})
    await robert.ask("send", {"convId": "c1", "type": "location", "payload": {"latitude": 39.9, "longitude": 116.4}})
    assert (await robert.ask("read", {"convId": "c1", "seq": 123})) == {"convId": "c1", "seq": 3}
    recalled = await alice.ask("recall", {"convId": "c1", "serverMsgId": ack["serverMsgId"]})
    assert recalled == {"convId": "c1", "serverMsgId": ack["serverMsgId"], "change": 1}
    push = await robert.push("recalled")
    assert (push["seq"], push["by"], push["change"]) == (1, ann.user_id, 1)


async def test_a_resend_gets_the_first_ack_and_nobody_gets_it_twice(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice, robert = await people.device(ann), await people.device(bob)
    first = await alice.ask("send", ann.text(bob, "once", clientMsgId="same"))
    again = await alice.ask("send", ann.text(bob, "once", clientMsgId="same"))
    assert again == first | {"duplicate": True}
    both = await asyncio.gather(*(alice.ask("send", ann.text(bob, "x", clientMsgId="two")) for _ in range(5)))
    assert sorted(ack.get("duplicate", False) for ack in both) == [False, True, True, True, True]
    assert {ack["seq"] for ack in both} == {2}
    assert [push["data"]["seq"] for push in await robert.quiet()] == [1, 2]


async def test_many_sends_at_once_are_numbered_densely_and_pushed_in_order(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice, robert = await people.device(ann), await people.device(bob)
    sends = [alice.ask("send", ann.text(bob, str(number))) for number in range(100)]
    sends += [robert.ask("send", bob.text(ann, str(number))) for number in range(100)]
    acks = await asyncio.gather(*sends)
    assert sorted(ack["seq"] for ack in acks) == list(range(1, 201))
    assert [ack["seq"] for ack in acks[:100]] == sorted(ack["seq"] for ack in acks[:100])
    texts = [push["data"] for push in await robert.quiet() if push["action"] == "message"]
    assert [int(message["payload"]["text"]) for message in texts] == list(range(100))


async def test_payloads_arrive_as_they_were_written(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice, robert = await people.device(ann), await people.device(bob)
    payload = '{"z":1.0,"a":12345678901234567890123,"text":"\\u4f60\\u597d 你好","b":[1e2]}'
    to = json.dumps(bob.user_id)
    await alice.ws.send(
        f'{{"action":"send","data":{{"convType":"c2c","to":{to},"type":"custom","payload":{payload}}}}}'
    )
    await robert.push("message")
    assert f'"payload":{payload}' in robert.raw[-1]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("text", {}),
        ("text", {"text": 5}),
        ("image", {"url": ""}),
        ("voice", {"url": "u"}),
        ("voice", {"url": "u", "duration": -1}),
        ("video", {"url": "u", "duration": "long"}),
        ("file", {"url": "u", "name": "n"}),
        ("card", {}),
        ("location", {"latitude": 91, "longitude": 0}),
        ("custom", "text"),
        ("custom", []),
        ("call", {}),
        ("nonsense", {}),
    ],
)
async def test_a_payload_that_is_not_what_its_type_needs_is_refused(people: World, kind: str, payload: object) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice = await people.device(ann)
    with pytest.raises(Refused) as refused:
        await alice.ask("send", {"convType": "c2c", "to": bob.user_id, "type": kind, "payload": payload})
    assert refused.value.code == "INVALID"


@pytest.mark.parametrize("is_direct", [True, False], ids=["direct", "asgi"])
async def test_whoever_comes_while_there_is_too_much_to_do_is_asked_to_come_later(
    tmp_path: Path, *, is_direct: bool
) -> None:
    async with started_node(tmp_path, is_direct=is_direct) as (node, people):
        ann = await people.person("ann")
        node.services.messages.max_backlog = 0
        assert await (await people.device(ann)).closed() == 1013
