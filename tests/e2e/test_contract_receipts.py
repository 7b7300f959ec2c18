"""Read marks and unread numbers as the contract has them: they only rise, never past the end, and everybody is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.client import Envelope, Person, Refused, World
from tests.e2e.conftest import BOTH_WAYS
from tests.node import started_node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), BOTH_WAYS]


def text(**to: str) -> Envelope:
    return {"type": "text", "payload": {"text": "hi"}} | to


async def said(person: Person, times: int, **to: str) -> str:
    """Send so many messages and return where."""
    for _ in range(times):
        conv_id: str = (await person.post("/api/messages", text(**to)))["convId"]
    return conv_id


async def unread(person: Person) -> dict[str, int]:
    lines = (await person.get("/api/conversations"))["conversations"]
    return {line["convId"]: line["unread"] for line in lines}


async def test_a_mark_only_rises_and_never_past_the_last_message(town: World) -> None:
    ann, bob = await town.circle(2)
    conv_id = await said(ann, 3, to=bob.user_id)
    device = await town.device(bob)
    asked = [(1, 1), (3, 3), (2, 3), (0, 3), (99, 3), (10**30, 3)]
    for seq, expected in asked:
        assert await device.ask("read", {"convId": conv_id, "seq": seq}) == {"convId": conv_id, "seq": expected}
    with pytest.raises(Refused, match="INVALID"):
        await device.ask("read", {"convId": conv_id, "seq": -1})
    (line,) = (await bob.get("/api/conversations"))["conversations"]
    assert (line["readSeq"], line["unread"]) == (3, 0)
    await said(ann, 1, to=bob.user_id)
    assert await unread(bob) == {conv_id: 1}


async def test_my_other_devices_and_the_peer_are_told_of_what_is_new(town: World) -> None:
    ann, bob = await town.circle(2)
    conv_id = await said(ann, 3, to=bob.user_id)
    phone, laptop, anns = await town.device(bob), await town.device(bob), await town.device(ann)
    for seq in (2, 1, 2, 9):
        await phone.ask("read", {"convId": conv_id, "seq": seq})
    told = [{"action": "read", "data": {"convId": conv_id, "userId": bob.user_id, "seq": seq}} for seq in (2, 3)]
    assert await laptop.quiet() == await anns.quiet() == told
    assert await phone.quiet() == []
    await said(ann, 1, to=bob.user_id)
    await bob.post("/api/messages/read", {"convId": conv_id, "seq": 4})
    for device in (phone, laptop, anns):
        assert (await device.push("read"))["seq"] == 4


async def test_who_sends_has_read_up_to_there(town: World) -> None:
    ann, bob = await town.circle(2)
    conv_id = await said(ann, 2, to=bob.user_id)
    assert (await unread(ann), await unread(bob)) == ({conv_id: 0}, {conv_id: 2})
    await said(bob, 1, to=ann.user_id)
    assert (await unread(ann), await unread(bob)) == ({conv_id: 1}, {conv_id: 0})
    device = await town.device(bob)
    assert (await device.ask("read", {"convId": conv_id, "seq": 1}))["seq"] == 3, "no way back"


async def test_an_answer_to_what_burns_reads_it_and_is_not_told_to_who_answers(town: World) -> None:
    ann, bob = await town.circle(2)
    burning = await ann.post("/api/messages", text(to=bob.user_id) | {"burnAfterRead": True})
    anns, bobs, other = await town.device(ann), await town.device(bob, "one"), await town.device(bob, "two")
    answer = await bobs.ask("send", text(convId=burning["convId"]))
    for device in (anns, other):
        assert (await device.push("recalled"))["reason"] == "burned"
        assert (await device.push("read", lambda read: read["userId"] == bob.user_id))["seq"] == answer["seq"]
    told = [(push["action"], push["data"].get("userId")) for push in await bobs.quiet()]
    assert ("recalled", None) in told
    assert ("read", bob.user_id) not in told


async def test_numbers_are_added_up_and_read_all_at_once(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await bob.post("/api/groups", {"name": "us", "memberIds": [ann.user_id]})
    loud, quiet = await said(bob, 3, to=ann.user_id), await said(cleo, 2, to=ann.user_id)
    await said(bob, 1, groupId=group["groupId"])
    await ann.post(f"/api/conversations/{quiet}/mute", {"muted": True})
    anns, bobs = await town.device(ann), await town.device(bob)
    assert await ann.get("/api/unread/summary") == {"totalUnread": 4, "mutedUnread": 2}
    assert await ann.post("/api/unread/mark_all_read") == {"conversations": 3, "failed": 0}
    assert await ann.get("/api/unread/summary") == {"totalUnread": 0, "mutedUnread": 0}
    assert await unread(ann) == {loud: 0, quiet: 0, group["convId"]: 0}
    assert await ann.post("/api/unread/mark_all_read") == {"conversations": 0, "failed": 0}
    told = {push["data"]["convId"]: push["data"]["seq"] for push in await anns.quiet() if push["action"] == "read"}
    assert told == {loud: 3, quiet: 2, group["convId"]: 1}
    told = {push["data"]["convId"]: push["data"]["seq"] for push in await bobs.quiet() if push["action"] == "read"}
    assert told == {loud: 3, group["convId"]: 1}


async def test_who_joins_has_read_what_was_there(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await ann.post("/api/groups", {"name": "us"})
    await said(ann, 5, groupId=group["groupId"])
    await bob.post(f"/api/groups/{group['groupId']}/join")
    (line,) = (await bob.get("/api/conversations"))["conversations"]
    assert (line["lastSeq"], line["readSeq"], line["unread"]) == (5, 5, 0)
    earlier = (await bob.get("/api/messages/history", convId=group["convId"]))["messages"]
    assert [message["seq"] for message in earlier] == [1, 2, 3, 4, 5]
    await said(ann, 1, groupId=group["groupId"])
    assert await unread(bob) == {group["convId"]: 1}


async def test_an_expired_or_recalled_message_does_not_make_unread_negative(town: World) -> None:
    ann, bob = await town.circle(2)
    ack = await ann.post("/api/messages", text(to=bob.user_id))
    device = await town.device(bob)
    await device.ask("read", {"convId": ack["convId"], "seq": 1})
    await ann.post("/api/messages/recall", {"convId": ack["convId"], "serverMsgId": ack["serverMsgId"]})
    assert await unread(bob) == {ack["convId"]: 0}


@pytest_asyncio.fixture(loop_scope="module")
async def village(tmp_path: Path) -> AsyncIterator[World]:
    """Groups of more than two are large here."""
    async with started_node(tmp_path, groups={"receipt_limit": 2}) as (_, world):
        yield world


async def test_in_a_large_group_only_my_own_devices_are_told(town: World, village: World) -> None:
    ann, bob, cleo = await village.circle(3)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    await said(ann, 1, groupId=group["groupId"])
    phone, laptop, anns = await village.device(bob), await village.device(bob), await village.device(ann)
    mark = {"convId": group["convId"], "seq": 1}
    await phone.ask("read", mark)
    assert await anns.push("read") == await laptop.push("read") == mark | {"userId": bob.user_id}
    await cleo.post(f"/api/groups/{group['groupId']}/join")
    await said(ann, 1, groupId=group["groupId"])
    mark = {"convId": group["convId"], "seq": 2}
    await phone.ask("read", mark)
    assert await laptop.push("read") == mark | {"userId": bob.user_id}
    assert "read" not in {push["action"] for push in await anns.quiet()}
