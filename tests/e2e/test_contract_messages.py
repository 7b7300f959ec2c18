"""Messages as the contract has them: sent once, shown everywhere alike, taken back, read again page by page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.client import Device, Envelope, Person, Refused, World
from tests.e2e.conftest import BOTH_WAYS
from tests.node import started_node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), BOTH_WAYS]


def text(words: str, **more: Any) -> Envelope:
    return {"type": "text", "payload": {"text": words}} | more


async def history(person: Person, conv_id: str, **query: Any) -> list[Envelope]:
    page = await person.get("/api/messages/history", convId=conv_id, **query)
    messages: list[Envelope] = page["messages"]
    return messages


async def test_a_message_of_a_group_looks_the_same_pushed_and_read_again(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id, cleo.user_id]})
    anns, bobs, cleos = await town.device(ann), await town.device(bob), await town.device(cleo)
    first = await bobs.ask("send", text("first", groupId=group["groupId"]))
    ack = await anns.ask("send", text("hi", groupId=group["groupId"], clientMsgId="m1", replyTo=first["serverMsgId"]))
    expected = {
        "serverMsgId": ack["serverMsgId"],
        "clientMsgId": "m1",
        "convId": group["convId"],
        "convType": "group",
        "from": ann.user_id,
        "groupId": group["groupId"],
        "seq": 2,
        "timestamp": ack["timestamp"],
        "type": "text",
        "payload": {"text": "hi"},
        "recalled": False,
        "replyTo": first["serverMsgId"],
    }
    for device in (bobs, cleos):
        assert await device.push("message", lambda message: message["seq"] == 2) == expected
    assert (await history(cleo, group["convId"]))[1] == expected
    (synced,) = (await cleos.ask("sync", {"convs": [{"convId": group["convId"], "fromSeq": 1}]}))["convs"]
    assert synced["messages"] == [expected]
    (line,) = (await cleo.get("/api/conversations"))["conversations"]
    assert line["lastMessage"] == expected


GOOD_PAYLOADS: list[tuple[str, Envelope]] = [
    ("text", {"text": ""}),
    ("text", {"text": "你好 👋🏽 \u200d \x07"}),
    ("image", {"url": "https://x.test/i.png"}),
    ("image", {"url": "/files/i", "width": 1, "height": 2, "thumbnail": "t", "more": [1, None]}),
    ("voice", {"url": "u", "duration": 0}),
    ("voice", {"url": "u", "duration": 1.5}),
    ("video", {"url": "u", "duration": 3, "thumbnail": "t"}),
    ("file", {"url": "u", "name": "a.pdf", "size": 0}),
    ("card", {"userId": "u", "nickname": "n", "avatar": "a"}),
    ("location", {"latitude": -90, "longitude": 180, "address": "here"}),
    ("custom", {}),
    ("custom", {"anything": {"goes": [1.0, 1e300, 12345678901234567890123, "x"]}}),
]


async def test_every_type_of_message_arrives(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    for kind, payload in GOOD_PAYLOADS:
        await anns.ask("send", {"to": bob.user_id, "type": kind, "payload": payload})
        pushed = await bobs.push("message")
        assert (pushed["type"], pushed["payload"]) == (kind, payload)


# once


async def test_a_resend_finds_its_first_ack_across_connections_and_transports(town: World) -> None:
    ann, bob = await town.circle(2)
    bobs = await town.device(bob)
    data = text("once", to=bob.user_id, clientMsgId="m1")
    async with town.online(ann, "phone") as phone:
        first = await phone.ask("send", data)
    again = first | {"duplicate": True}
    async with town.online(ann, "phone") as phone:
        assert await phone.ask("send", data) == again
    async with town.online(ann, "laptop") as laptop:
        assert await laptop.ask("send", data) == again
        assert await laptop.ask("send", text("other words", convId=first["convId"], clientMsgId="m1")) == again
    assert await ann.post("/api/messages", data) == again
    other = await ann.post("/api/messages", text("twice", to=bob.user_id, clientMsgId="m2"))
    assert (await (await town.device(ann)).ask("send", text("twice", to=bob.user_id, clientMsgId="m2"))) == other | {
        "duplicate": True
    }
    assert [push["data"]["clientMsgId"] for push in await bobs.quiet()] == ["m1", "m2"]
    assert [message["payload"]["text"] for message in await history(bob, first["convId"])] == ["once", "twice"]


async def test_what_was_sent_is_acknowledged_again_whatever_keeps_it_from_being_sent_by_now(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id, cleo.user_id]})
    bobs = await town.device(bob)
    asked = [
        text("a", groupId=group["groupId"], clientMsgId="plain"),
        text("b", groupId=group["groupId"], clientMsgId="mention", mentions=[cleo.user_id]),
        text("c", to=ann.user_id, clientMsgId="friend"),
    ]
    acks = [await bobs.ask("send", data) for data in asked]
    await cleo.post(f"/api/groups/{group['groupId']}/leave")
    with pytest.raises(Refused, match="INVALID: mentions"):
        await bobs.ask("send", asked[1] | {"clientMsgId": "new"})
    assert await bobs.ask("send", asked[1]) == acks[1] | {"duplicate": True}
    await ann.put(f"/api/groups/{group['groupId']}/members/{bob.user_id}", {"muteUntil": 1 << 50})
    await ann.post(f"/api/blocks/{bob.user_id}")
    for data, code in ((asked[0], "MUTED"), (asked[2], "BLOCKED")):
        with pytest.raises(Refused, match=code):
            await bobs.ask("send", data | {"clientMsgId": "new"})
    assert [await bobs.ask("send", data) for data in asked] == [ack | {"duplicate": True} for ack in acks]
    assert await bob.post("/api/messages", asked[0]) == acks[0] | {"duplicate": True}
    await ann.delete(f"/api/groups/{group['groupId']}/members/{bob.user_id}")
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bobs.ask("send", asked[0])


async def test_only_the_same_id_of_the_same_sender_in_the_same_conversation_is_a_resend(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    same = text("hi", clientMsgId="same")
    acks = [
        await ann.post("/api/messages", same | {"to": bob.user_id}),
        await bob.post("/api/messages", same | {"to": ann.user_id}),
        await ann.post("/api/messages", same | {"to": cleo.user_id}),
        await ann.post("/api/messages", same | {"to": bob.user_id, "clientMsgId": "Same"}),
    ]
    assert [ack["seq"] for ack in acks] == [1, 2, 1, 3]
    assert not any("duplicate" in ack for ack in acks)


@pytest.mark.parametrize("nothing", [{}, {"clientMsgId": ""}, {"clientMsgId": None}], ids=str)
async def test_without_a_client_msg_id_the_server_makes_one_and_takes_all(town: World, nothing: Envelope) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(ann)
    acks = [await device.ask("send", text("hi", to=bob.user_id) | nothing) for _ in range(2)]
    assert [ack["seq"] for ack in acks] == [1, 2]
    ids = [ack["clientMsgId"] for ack in acks]
    assert len(set(ids)) == 2
    assert all(ids)
    assert [message["clientMsgId"] for message in await history(bob, acks[0]["convId"])] == ids


async def test_a_resend_after_a_restart_finds_its_first_ack(town: World, tmp_path: Path) -> None:
    acks: list[Envelope] = []
    for _ in range(2):
        async with started_node(tmp_path) as (_, world):
            if not acks:
                ann, bob = await world.friends("ann", "bob")
            ann = await world.log_in(ann) if not acks else ann
            ann.http = await world.http()
            async with world.online(ann) as device:
                acks.append(await device.ask("send", text("hi", to=bob.user_id, clientMsgId="m1")))
                later = await device.ask("send", text("more", to=bob.user_id))
    assert acks[1] == acks[0] | {"duplicate": True}
    assert later["seq"] == 3


async def test_a_refused_message_takes_no_seq(town: World) -> None:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", text("one", to=bob.user_id))
    for bad in (
        {"type": "text", "payload": {}},
        {"replyTo": "nothing-1"},
        {"expireAtMs": 1},
        {"clientMsgId": "x" * 129},
    ):
        with pytest.raises(Refused, match="INVALID"):
            await ann.post("/api/messages", text("no", to=bob.user_id) | bad)
    assert (await ann.post("/api/messages", text("two", to=bob.user_id)))["seq"] == 2


# recall


async def test_a_recall_leaves_a_tombstone_and_is_told_once(town: World) -> None:
    ann, bob = await town.circle(2)
    phone, laptop, bobs = await town.device(ann), await town.device(ann), await town.device(bob)
    acks = [await phone.ask("send", text(words, to=bob.user_id)) for words in ("one", "two")]
    target = {"convId": acks[0]["convId"], "serverMsgId": acks[0]["serverMsgId"]}
    with pytest.raises(Refused, match="FORBIDDEN"):
        await bobs.ask("recall", target)
    assert await phone.ask("recall", target) == target | {"change": 1}
    push = await bobs.push("recalled")
    assert push == await laptop.push("recalled")
    assert push == target | {"seq": 1, "by": ann.user_id, "change": 1, "timestamp": push["timestamp"]}
    assert await phone.ask("recall", target) == target | {"change": 1}, "a second time is acked alike"
    assert await laptop.ask("recall", target) == target | {"change": 1}
    second = target | {"serverMsgId": acks[1]["serverMsgId"]}
    assert await laptop.ask("recall", second) == second | {"change": 2}
    assert [p["data"]["change"] for p in await bobs.quiet() if p["action"] == "recalled"] == [2]
    assert [p["data"]["change"] for p in await phone.quiet() if p["action"] == "recalled"] == [2]
    messages = await history(bob, target["convId"])
    assert [(message["seq"], message["recalled"], message["payload"]) for message in messages] == [
        (1, True, None),
        (2, True, None),
    ]
    (synced,) = (await bobs.ask("sync", {"convs": [{"convId": target["convId"]}]}))["convs"]
    assert synced["changes"][0] == {"change": 1, "action": "recalled", "data": push}


async def test_what_was_edited_or_streamed_and_taken_back_is_in_no_sync(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    sent = await anns.ask("send", text("one", to=bob.user_id))
    target = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]}
    await anns.ask("edit", target | {"payload": {"text": "secret"}})
    begun = await anns.ask("start_stream", {"convId": sent["convId"], "type": "stream", "payload": {"text": ""}})
    await anns.ask("end_stream", {"streamId": begun["streamId"], "finalText": "secret"})
    for message_id in (sent["serverMsgId"], begun["serverMsgId"]):
        await anns.ask("recall", target | {"serverMsgId": message_id})
    (synced,) = (await bobs.ask("sync", {"convs": [{"convId": sent["convId"]}]}))["convs"]
    told = [(change["change"], change["action"]) for change in synced["changes"]]
    assert told == [(1, "edited"), (2, "stream_end"), (3, "recalled"), (4, "recalled")]
    edited, ended = (change["data"] for change in synced["changes"][:2])
    assert (edited["payload"], ended["text"], ended["streamStatus"]) == (None, "", "done")
    assert "secret" not in str(synced)


async def test_owner_and_admins_take_back_what_anybody_said(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id, cleo.user_id]})
    await ann.put(f"/api/groups/{group['groupId']}/members/{bob.user_id}", {"role": "admin"})
    acks = [await person.post("/api/messages", text("hi", groupId=group["groupId"])) for person in (ann, bob, cleo)]
    targets = [{"convId": group["convId"], "serverMsgId": ack["serverMsgId"]} for ack in acks]
    with pytest.raises(Refused, match="FORBIDDEN"):
        await cleo.post("/api/messages/recall", targets[0])
    for number, (person, target) in enumerate(zip((bob, ann, bob), targets, strict=True)):
        assert await (await town.device(person)).ask("recall", target) == target | {"change": number + 1}


@pytest.mark.parametrize("wrong", ["", "x", "x-1", "{key}-0", "{key}-3", "{key}-01", "{key}-1e1", "{key}-" + "9" * 30])
async def test_a_message_that_is_not_there_is_not_found(town: World, wrong: str) -> None:
    ann, bob = await town.circle(2)
    ack = await ann.post("/api/messages", text("hi", to=bob.user_id))
    wrong = wrong.format(key=ack["serverMsgId"].rpartition("-")[0])
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.post("/api/messages/recall", {"convId": ack["convId"], "serverMsgId": wrong})


# history and sync


async def flooded(device: Device, conv: Envelope, count: int) -> str:
    acks = await asyncio.gather(*(device.ask("send", text(str(number)) | conv) for number in range(count)))
    conv_id: str = acks[0]["convId"]
    return conv_id


async def test_history_goes_both_ways_200_at_a_time(town: World) -> None:
    ann, bob = await town.circle(2)
    conv_id = await flooded(await town.device(ann), {"to": bob.user_id}, 230)

    async def seqs(**query: Any) -> tuple[list[int], bool]:
        page = await bob.get("/api/messages/history", convId=conv_id, **query)
        return [message["seq"] for message in page["messages"]], page["hasMore"]

    assert await seqs() == await seqs(beforeSeq=0) == (list(range(181, 231)), True)
    assert await seqs(limit=1000) == (list(range(31, 231)), True)
    assert await seqs(fromSeq=0) == (list(range(1, 51)), True)
    assert await seqs(fromSeq=0, limit=1000) == (list(range(1, 201)), True)
    assert await seqs(fromSeq=200) == (list(range(201, 231)), False)
    assert await seqs(fromSeq=229) == ([230], False)
    assert await seqs(fromSeq=230) == await seqs(fromSeq=9999) == ([], False)
    assert await seqs(beforeSeq=231, limit=3) == ([228, 229, 230], True)
    assert await seqs(beforeSeq=4, limit=3) == ([1, 2, 3], False)
    assert await seqs(beforeSeq=1) == ([], False)


async def test_sync_brings_what_was_missed_in_steps(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    conv_id = await flooded(anns, {"to": bob.user_id}, 12)
    for message in (await history(ann, conv_id))[:7]:
        await anns.ask("recall", {"convId": conv_id, "serverMsgId": message["serverMsgId"]})
    seqs: list[int] = []
    changes: list[int] = []
    steps, has_more = 0, True
    while has_more:
        at = {"convId": conv_id, "fromSeq": len(seqs), "fromChange": len(changes)}
        (synced,) = (await bobs.ask("sync", {"convs": [at], "limit": 5}))["convs"]
        assert (synced["convId"], synced["lastSeq"], synced["lastChange"]) == (conv_id, 12, 7)
        assert len(synced["messages"]) <= 5
        assert len(synced["changes"]) <= 5
        seqs += [message["seq"] for message in synced["messages"]]
        changes += [change["change"] for change in synced["changes"]]
        has_more, steps = synced["hasMore"], steps + 1
    assert (seqs, changes, steps) == (list(range(1, 13)), list(range(1, 8)), 3)
    (synced,) = (await bobs.ask("sync", {"convs": [{"convId": conv_id, "fromSeq": 12, "fromChange": 7}]}))["convs"]
    assert (synced["messages"], synced["changes"], synced["hasMore"]) == ([], [], False)


async def test_changes_of_what_one_has_deleted_keep_their_numbers_and_say_nothing(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    conv_id = await flooded(anns, {"to": bob.user_id}, 6)
    old = await history(ann, conv_id)
    await bob.post("/api/conversations/delete", {"convId": conv_id})
    new = await anns.ask("send", text("after that", convId=conv_id))
    for message in [*old, new]:
        target = {"convId": conv_id, "serverMsgId": message["serverMsgId"]}
        await anns.ask("edit", target | {"payload": {"text": "edited"}})
    at = {"convId": conv_id, "fromSeq": 0, "fromChange": 0}
    (synced,) = (await bobs.ask("sync", {"convs": [at], "limit": 6}))["convs"]
    assert [message["seq"] for message in synced["messages"]] == [new["seq"]]
    assert [change["change"] for change in synced["changes"]] == [1, 2, 3, 4, 5, 6]
    assert [change["data"]["payload"] for change in synced["changes"]] == [None] * 6
    assert (synced["lastChange"], synced["hasMore"]) == (7, True)
    (rest,) = (await bobs.ask("sync", {"convs": [at | {"fromChange": 6}], "limit": 6}))["convs"]
    assert [change["data"]["payload"] for change in rest["changes"]] == [{"text": "edited"}]


async def test_one_person_has_at_most_twenty_reactions_to_a_message(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    sent = await anns.ask("send", text("hi", to=bob.user_id))
    target = {key: sent[key] for key in ("convId", "serverMsgId")}
    for number in range(20):
        await anns.ask("react", target | {"emoji": str(number)})
    with pytest.raises(Refused, match="INVALID"):
        await anns.ask("react", target | {"emoji": "one more"})
    assert (await anns.ask("react", target | {"emoji": "0"}))["change"] == 20
    assert (await bobs.ask("react", target | {"emoji": "one more"}))["change"] == 21
    await anns.ask("react", target | {"emoji": "0", "remove": True})
    await anns.ask("react", target | {"emoji": "one more"})
    (message,) = await history(bob, sent["convId"])
    assert [each["emoji"] for each in message["reactions"]] == [*map(str, range(1, 20)), "one more"]


async def test_what_one_has_deleted_is_not_there_to_be_edited_reacted_to_or_answered(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    sent = await anns.ask("send", text("hi", to=bob.user_id))
    target = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]}
    reply = text("re", convId=sent["convId"]) | {"replyTo": sent["serverMsgId"]}
    await ann.post("/api/conversations/delete", {"convId": sent["convId"]})
    for action, data in (("edit", {"payload": {"text": "ho"}}), ("react", {"emoji": "👍"})):
        with pytest.raises(Refused, match="NOT_FOUND"):
            await anns.ask(action, target | data)
    with pytest.raises(Refused, match="INVALID"):
        await anns.ask("send", reply)
    await bobs.ask("send", reply)
    assert await bobs.ask("react", target | {"emoji": "👍"}) == target | {"change": 1}


async def test_sync_tells_of_my_conversations_only(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    mine = [(await other.post("/api/messages", text("hi", to=ann.user_id)))["convId"] for other in (bob, cleo)]
    theirs = (await bob.post("/api/messages", text("hi", to=cleo.user_id)))["convId"]
    device = await town.device(ann)
    asked = [{"convId": conv_id} for conv_id in (mine[1], theirs, "none", mine[0], "")]
    synced = (await device.ask("sync", {"convs": asked}))["convs"]
    assert [conv["convId"] for conv in synced] == [mine[1], mine[0]]
    assert await device.ask("sync", {"convs": []}) == {"convs": []}
    (beyond,) = (await device.ask("sync", {"convs": [{"convId": mine[0], "fromSeq": 99, "fromChange": 99}]}))["convs"]
    assert (beyond["messages"], beyond["changes"], beyond["lastSeq"], beyond["lastChange"]) == ([], [], 1, 0)


async def test_what_a_device_was_pushed_is_what_a_fresh_one_reads(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs, other = await town.device(ann), await town.device(bob), await town.device(bob)
    conv_id = await flooded(anns, {"to": bob.user_id}, 20)
    await flooded(other, {"to": ann.user_id}, 20)
    log = await history(ann, conv_id)
    await asyncio.gather(
        *(anns.ask("recall", {"convId": conv_id, "serverMsgId": m["serverMsgId"]}) for m in log if m["seq"] % 3 == 0
          and m["from"] == ann.user_id),
        *(other.ask("recall", {"convId": conv_id, "serverMsgId": m["serverMsgId"]}) for m in log if m["seq"] % 3 == 1
          and m["from"] == bob.user_id),
    )  # fmt: skip
    state: dict[int, Envelope] = {}
    changes = []
    for push in await bobs.quiet():
        if push["action"] == "message":
            state[push["data"]["seq"]] = push["data"]
        elif push["action"] == "recalled":
            changes.append(push["data"]["change"])
            state[push["data"]["seq"]] |= {"recalled": True, "payload": None}
    assert list(state.values()) == await history(bob, conv_id)
    assert changes == list(range(1, len(changes) + 1))
    assert len(changes) > 10


async def test_null_is_as_good_as_absent_where_a_field_is_optional(town: World) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(ann)
    optional = dict.fromkeys(("convId", "clientMsgId", "expireAtMs", "burnAfterRead", "replyTo", "mentions", "groupId"))
    sent = await device.ask("send", ann.text(bob, "hi") | optional)
    assert "burnAfterRead" not in (await history(ann, sent["convId"]))[0]
    for ends in ({}, {"fromSeq": None, "fromChange": None}, {"fromSeq": -1, "fromChange": -(2**62)}):
        wanted = {"convs": [{"convId": sent["convId"], **ends}], "limit": None}
        (conv,) = (await device.ask("sync", wanted))["convs"]
        assert [message["seq"] for message in conv["messages"]] == [1]
    group = await ann.post("/api/groups", {"name": "us", "memberIds": None, "joinPolicy": None})
    assert (await ann.get(f"/api/groups/{group['groupId']}"))["joinPolicy"] == "open"
    kept = await ann.post("/api/favorites/custom", {"title": "t", "content": "c", "tags": None, "convId": None})
    assert kept["tags"] == []
    named = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"], "emoji": "x", "remove": None}
    assert (await device.ask("react", named))["change"] == 1
    assert (await history(ann, sent["convId"]))[0]["reactions"] == [{"emoji": "x", "userIds": [ann.user_id]}]
