"""Conversations as the contract has them: their ids, the list, and what one keeps about each for oneself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.client import Envelope, Person, Refused, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def to(person: Person, **more: Any) -> Envelope:
    return {"convType": "c2c", "to": person.user_id, "type": "text", "payload": {"text": "hi"}} | more


def canonical(one: Person, other: Person) -> str:
    return "c2c:" + ":".join(sorted([one.user_id, other.user_id]))


async def refusal(person: Person, data: Envelope) -> tuple[str, str | None]:
    """The code of a refused send, and the convId that came with it."""
    with pytest.raises(Refused) as refused:
        await person.post("/api/messages", data)
    return refused.value.code, refused.value.data.get("convId")


# ids


async def test_a_pair_has_one_conversation_whoever_sends_first(town: World) -> None:
    ann, bob = await town.circle(2)
    assert (await ann.post("/api/messages", to(bob)))["convId"] == canonical(ann, bob)
    ack = await bob.post("/api/messages", to(ann))
    assert (ack["convId"], ack["seq"]) == (canonical(ann, bob), 2)
    assert len(ack["convId"]) <= 64
    assert len(ack["serverMsgId"]) <= 64
    assert (await bob.post("/api/messages", to(ann, convId=canonical(ann, bob))))["seq"] == 3


async def test_a_chosen_id_becomes_the_pairs_for_both(town: World) -> None:
    ann, bob = await town.circle(2)
    chosen = f"A-z_0.9{ann.user_id}"
    assert (await ann.post("/api/messages", to(bob, convId=chosen)))["convId"] == chosen
    assert (await bob.post("/api/messages", to(ann)))["convId"] == chosen
    assert (await bob.post("/api/messages", {"convId": chosen, "type": "text", "payload": {"text": "hi"}}))["seq"] == 3
    for other in ("another", canonical(ann, bob)):
        assert await refusal(bob, to(ann, convId=other)) == ("CONV_CONFLICT", chosen)
    device = await town.device(bob)
    with pytest.raises(Refused) as refused:
        await device.ask("send", to(ann, convId="another"))
    assert refused.value.data == {
        "code": "CONV_CONFLICT",
        "message": refused.value.data["message"],
        "action": "send",
        "convId": chosen,
    }


async def test_an_id_of_other_people_is_a_conflict(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    taken = (await ann.post("/api/messages", to(bob, convId=f"taken{ann.user_id}")))["convId"]
    group = await ann.post("/api/groups", {"name": "us"})
    for theirs in (taken, canonical(ann, bob), canonical(ann, cleo), group["convId"], "group:none", "c2c:", "c2c:a:b"):
        assert await refusal(bob, to(cleo, convId=theirs)) == ("CONV_CONFLICT", None), theirs
    own = (await bob.post("/api/messages", to(cleo)))["convId"]
    assert await refusal(bob, to(cleo, convId=taken)) == ("CONV_CONFLICT", own)


@pytest.mark.parametrize("bad", ["", " ", "a b", "a/b", "ä", "a:b", "x" * 65, "a\n", "\x00", "a\x00", "C2C:a:b"])
async def test_a_chosen_id_has_64_plain_characters(town: World, bad: str) -> None:
    ann, bob = await town.circle(2)
    assert await refusal(ann, to(bob, convId=bad)) == ("INVALID", None)
    longest = ("x" * 64 + ann.user_id)[-64:]
    assert (await ann.post("/api/messages", to(bob, convId=longest)))["convId"] == longest


async def test_of_two_who_choose_at_once_one_is_told_the_others_choice(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    answers = await asyncio.gather(
        anns.ask("send", to(bob, convId=f"a{ann.user_id}")),
        bobs.ask("send", to(ann, convId=f"b{ann.user_id}")),
        return_exceptions=True,
    )
    (ack,) = [answer for answer in answers if isinstance(answer, dict)]
    (refused,) = [answer for answer in answers if isinstance(answer, Refused)]
    assert (refused.code, refused.data["convId"]) == ("CONV_CONFLICT", ack["convId"])
    assert [view["convId"] for view in await conversations(ann)] == [ack["convId"]]


async def test_who_contradicts_a_conversation_is_told_so(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    pair = (await ann.post("/api/messages", to(bob)))["convId"]
    text = {"type": "text", "payload": {"text": "hi"}}
    assert await refusal(ann, {"groupId": group["groupId"], "convId": pair} | text) == (
        "CONV_CONFLICT",
        group["convId"],
    )
    assert await refusal(ann, {"convType": "group", "convId": pair} | text) == ("CONV_CONFLICT", None)
    assert await refusal(ann, {"convType": "c2c", "convId": group["convId"]} | text) == ("CONV_CONFLICT", None)
    assert await refusal(ann, to(cleo, convId=pair)) == ("CONV_CONFLICT", None)
    assert await refusal(ann, {"convType": "c2c"} | text) == ("INVALID", None)
    assert await refusal(ann, text) == ("INVALID", None)
    assert await refusal(ann, to(ann)) == ("INVALID", None)
    assert (await ann.post("/api/messages", {"convType": "group", "groupId": group["groupId"]} | text))["seq"] == 1
    assert (await ann.post("/api/messages", {"convId": group["convId"]} | text))["seq"] == 2


# the list


async def conversations(person: Person, **query: Any) -> list[Envelope]:
    page: list[Envelope] = (await person.get("/api/conversations", **query))["conversations"]
    return page


async def test_the_list_is_pinned_first_and_then_newest(town: World) -> None:
    ann, *others = await town.circle(5)
    ids = [(await other.post("/api/messages", to(ann)))["convId"] for other in others]
    await asyncio.gather(*(ann.post(f"/api/conversations/{ids[at]}/pin", {"pinned": True}) for at in (0, 2)))
    await others[0].post("/api/messages", to(ann))
    assert [view["convId"] for view in await conversations(ann)] == [ids[0], ids[2], ids[3], ids[1]]
    await others[1].post("/api/messages", to(ann))
    assert [view["convId"] for view in await conversations(ann)] == [ids[0], ids[2], ids[1], ids[3]]
    await ann.post(f"/api/conversations/{ids[0]}/pin", {"pinned": False})
    expected = [ids[2], ids[1], ids[0], ids[3]]
    assert [view["convId"] for view in await conversations(ann)] == expected
    paged: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await ann.get("/api/conversations", limit=1, cursor=cursor)
        paged += [view["convId"] for view in page["conversations"]]
        cursor = page["nextCursor"]
    assert paged == expected


async def test_a_line_of_the_list_says_where_the_conversation_stands(town: World) -> None:
    ann, bob = await town.circle(2)
    await ann.put("/api/users/me", {"nickname": "Ann", "avatarUrl": "https://a.test/ann"})
    first = await ann.post("/api/messages", to(bob))
    await ann.post("/api/messages", to(bob))
    await ann.post("/api/messages/recall", {"convId": first["convId"], "serverMsgId": first["serverMsgId"]})
    (line,) = await conversations(bob)
    (newest,) = (await bob.get("/api/messages/history", convId=first["convId"], limit=1))["messages"]
    assert line == {
        "convId": first["convId"],
        "convType": "c2c",
        "peerId": ann.user_id,
        "title": "Ann",
        "avatarUrl": "https://a.test/ann",
        "pinned": False,
        "muted": False,
        "draft": "",
        "lastSeq": 2,
        "lastChange": 1,
        "readSeq": 0,
        "unread": 2,
        "lastMessage": newest,
        "updatedAt": newest["timestamp"],
    }
    (mine,) = await conversations(ann)
    assert (mine["peerId"], mine["readSeq"], mine["unread"]) == (bob.user_id, 2, 0), "who sends has read"


async def test_the_last_message_of_a_line_is_what_history_shows_while_it_is_streamed(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    begun = await anns.ask("start_stream", to(bob, type="stream", payload={"text": "Well"}))
    await anns.ws.send(
        json.dumps({"action": "stream_chunk", "data": {"streamId": begun["streamId"], "delta": ", yes"}})
    )
    await bobs.push("stream_chunk")
    (line,) = (await bob.get("/api/conversations"))["conversations"]
    assert line["lastMessage"]["payload"] == {"text": "Well, yes"}
    assert [line["lastMessage"]] == (await bob.get("/api/messages/history", convId=line["convId"]))["messages"]


async def test_the_last_message_of_a_line_has_its_reactions_until_it_is_recalled(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    phone = await town.device(ann)
    for friend, emoji in ((bob, "+"), (cleo, "-")):
        sent = await friend.post("/api/messages", to(ann))
        await phone.ask("react", {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"], "emoji": emoji})
    last = [line["lastMessage"] for line in await conversations(ann)]
    assert [each["reactions"][0]["emoji"] for each in last] == ["-", "+"]
    assert [[each] for each in last] == [
        (await ann.get("/api/messages/history", convId=each["convId"]))["messages"] for each in last
    ]
    await cleo.post("/api/messages/recall", {"convId": last[0]["convId"], "serverMsgId": last[0]["serverMsgId"]})
    first, second = [line["lastMessage"] for line in await conversations(ann)]
    assert ("reactions" in first, "reactions" in second) == (False, True)


async def test_a_group_is_in_its_members_lists(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await ann.post("/api/groups", {"name": "Walks", "memberIds": [bob.user_id]})
    (line,) = await conversations(bob)
    assert (line["convId"], line["convType"], line["groupId"]) == (group["convId"], "group", group["groupId"])
    assert (line["title"], line["lastSeq"], line["lastMessage"]) == ("Walks", 0, None)
    assert "peerId" not in line
    await ann.delete(f"/api/groups/{group['groupId']}/members/{bob.user_id}")
    assert await conversations(bob) == []
    assert len(await conversations(ann)) == 1


async def test_what_i_keep_is_told_to_my_devices_and_nobody_else(town: World) -> None:
    ann, bob = await town.circle(2)
    phone, laptop, bobs = await town.device(ann), await town.device(ann), await town.device(bob)
    conv_id = (await ann.post("/api/messages", to(bob)))["convId"]
    for device in (phone, laptop, bobs):
        await device.push("message")
    await ann.post(f"/api/conversations/{conv_id}/pin", {"pinned": True})
    await ann.post(f"/api/conversations/{conv_id}/mute", {"muted": True})
    await ann.post(f"/api/conversations/{conv_id}/draft", {"draft": "Dear Bob"})
    await ann.post("/api/conversations/delete", {"convId": conv_id})
    told: list[Envelope] = [{"pinned": True}, {"muted": True}, {"draft": "Dear Bob"}, {"deleted": True}]
    expected = [{"action": "conversation_updated", "data": {"convId": conv_id} | each} for each in told]
    assert await phone.quiet() == await laptop.quiet() == expected
    assert await bobs.quiet() == []


async def test_a_deleted_conversation_comes_back_without_the_old_messages(town: World) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(ann)
    conv_id = (await bob.post("/api/messages", to(ann)))["convId"]
    old = await bob.post("/api/messages", to(ann))
    await ann.post(f"/api/conversations/{conv_id}/pin", {"pinned": True})
    await ann.post("/api/conversations/delete", {"convId": conv_id})
    assert await conversations(ann) == []
    assert await ann.get("/api/unread/summary") == {"totalUnread": 0, "mutedUnread": 0}
    assert len((await bob.get("/api/messages/history", convId=conv_id))["messages"]) == 2, "only mine is gone"
    new = await bob.post("/api/messages", to(ann))
    (line,) = await conversations(ann)
    assert (line["convId"], line["lastSeq"], line["unread"], line["pinned"]) == (conv_id, 3, 1, True)
    for query in ({}, {"fromSeq": 0}, {"beforeSeq": 0}, {"beforeSeq": 3}):
        page = await ann.get("/api/messages/history", convId=conv_id, **query)
        seqs = [message["seq"] for message in page["messages"]]
        assert (seqs, page["hasMore"]) == ([] if query == {"beforeSeq": 3} else [new["seq"]], False)
    (synced,) = (await device.ask("sync", {"convs": [{"convId": conv_id, "fromSeq": 0}]}))["convs"]
    assert [message["seq"] for message in synced["messages"]] == [new["seq"]]
    assert old["seq"] == 2
