"""Mentions, replies, messages that burn when read, and messages that expire."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Raw

from goim.errors import ErrorCode
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from tests.services.house import House, Phone, open_house, refused

__all__ = ["open_house"]


async def say(house: House, sender: str, **more: Any) -> SentData:
    data = SendData(type="text", payload=Raw(b'{"text":"hello"}'), **more)
    return await house.messages.send_now(Phone(sender, "pen"), data)


async def test_a_mention_calls_those_it_names_and_is_in_the_message(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cid")
    group = await house.group("ann", "bob", "cid")
    bob, cid = await house.phone("bob"), await house.phone("cid")
    sent = await say(house, "ann", group_id=group, mentions=["bob"])
    assert bob.take("mention") == [{"convId": sent.conv_id, "groupId": group, "from": "ann", "seq": 1}]
    assert cid.actions() == ["message"]
    (message,) = cid.take("message")
    assert message["mentions"] == ["bob"]


async def test_all_is_for_owner_and_admins(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cid")
    group = await house.group("ann", "bob", "cid")
    cid = await house.phone("cid")
    with refused(ErrorCode.FORBIDDEN):
        await say(house, "bob", group_id=group, mentions=["all"])
    with refused(ErrorCode.INVALID):
        await say(house, "ann", group_id=group, mentions=["all", "bob"])
    await say(house, "ann", group_id=group, mentions=["all"])
    assert len(cid.take("mention")) == 1


async def test_nobody_outside_the_group_is_mentioned(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("eve")
    group = await house.group("ann", "bob")
    eve = await house.phone("eve")
    with refused(ErrorCode.INVALID):
        await say(house, "ann", group_id=group, mentions=["bob", "eve"])
    with refused(ErrorCode.INVALID):
        await say(house, "ann", to="bob", mentions=["bob"])
    assert eve.actions() == []
    assert await house.log.last_seqs([f"group:{group}"]) == {f"group:{group}": 0}


async def test_a_reply_is_to_a_message_of_the_same_conversation(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cid")
    first = await say(house, "ann", to="bob")
    elsewhere = await say(house, "ann", to="cid")
    bob = await house.phone("bob")
    await say(house, "ann", to="bob", reply_to=first.server_msg_id)
    assert bob.take("message")[0]["replyTo"] == first.server_msg_id
    for wrong in (elsewhere.server_msg_id, "nonsense", first.server_msg_id.replace("-1", "-99")):
        with refused(ErrorCode.INVALID):
            await say(house, "ann", to="bob", reply_to=wrong)


async def test_a_message_that_burns_is_recalled_for_both_when_it_is_read(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    ann, bob = await house.phone("ann"), await house.phone("bob")
    await say(house, "ann", to="bob")
    burning = await say(house, "ann", to="bob", burn_after_read=True)
    assert bob.take("message")[1]["burnAfterRead"] is True
    await house.book.mark_read_now("bob", burning.conv_id, 1)
    assert ann.take("recalled") == []
    await house.book.mark_read_now("ann", burning.conv_id, 2)
    assert ann.take("recalled") == []
    await house.book.mark_read_now("bob", burning.conv_id, 2)
    for phone in (ann, bob):
        (recalled,) = phone.take("recalled")
        assert (recalled["seq"], recalled["reason"]) == (2, "burned")


async def test_an_answer_reads_what_it_answers(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    ann = await house.phone("ann")
    await say(house, "ann", to="bob", burn_after_read=True)
    await say(house, "bob", to="ann")
    await house.book.batches.drain()
    assert [push["reason"] for push in ann.take("recalled")] == ["burned"]


async def test_a_mark_that_was_on_its_way_does_not_take_back_what_an_answer_has_read(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await say(house, "ann", to="bob")
    burning = await say(house, "ann", to="bob", burn_after_read=True)
    held = house.held["Receipts.advance"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        read = tasks.create_task(house.book.mark_read_now("bob", burning.conv_id, 1))
        answer = await say(house, "bob", to="ann")
        assert not read.done()
        held.set()
    assert read.result() == answer.seq


async def test_burning_is_remembered_over_a_restart(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    burning = await say(house, "ann", to="bob", burn_after_read=True)
    house.specials.burning.clear()  # what a restart does
    async with house.specials.running():
        await house.book.mark_read_now("bob", burning.conv_id, 1)
    row = await house.table.get(burning.conv_id, 1)
    assert row is not None
    assert row.recalled


async def test_burning_is_for_two(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group = await house.group("ann", "bob")
    with refused(ErrorCode.INVALID):
        await say(house, "ann", group_id=group, burn_after_read=True)


async def test_an_expired_message_is_hidden_at_once_and_emptied_later(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await say(house, "ann", to="bob", expire_at_ms=house.clock.now_ms() + 5000)
    assert len((await house.history.after("bob", sent.conv_id, 0, 10)).messages) == 1
    await house.specials.sweep()
    house.clock.advance(5)
    assert (await house.history.after("bob", sent.conv_id, 0, 10)).messages == []
    before = await house.table.get(sent.conv_id, 1)
    assert before is not None
    assert before.payload is not None
    await house.specials.sweep()
    row = await house.table.get(sent.conv_id, 1)
    assert row is not None
    assert row.payload is None
    assert (await say(house, "ann", to="bob")).seq == 2


async def test_what_edits_said_is_deleted_with_the_message_they_changed(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    ann = Phone("ann", "pen")
    expires = house.clock.now_ms() + 1000
    sent = [await say(house, "ann", to="bob", expire_at_ms=at) for at in (None, expires, None, None)]
    for each in sent:
        await house.desk.edit(ann, each.conv_id, each.server_msg_id, Raw(b'{"text":"secret"}'))

    async def still_said() -> list[int]:
        changes = await house.changes.after(sent[0].conv_id, 0, 100)
        return [each.change for each in changes if b"secret" in bytes(each.data)]

    assert await still_said() == [1, 2, 3, 4]
    await house.desk.recall(ann, sent[0].conv_id, sent[0].server_msg_id)
    assert await still_said() == [2, 3, 4]
    house.clock.advance(5)
    await house.specials.sweep()
    assert await still_said() == [3, 4]
    await house.desk.erase_messages("ann")
    assert await still_said() == []


async def test_who_is_muted_while_a_special_message_is_made_ready_sends_nothing(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group = await house.group("ann", "bob")
    await house.group_desk.mute("ann", group, muted=True)
    with refused(ErrorCode.MUTED):
        await say(house, "bob", group_id=group, mentions=["ann"])
