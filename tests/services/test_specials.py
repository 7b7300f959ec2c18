"""Mentions, replies, messages that burn when read, and messages that expire."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from msgspec import UNSET, Raw

from goim.errors import ErrorCode, StoreDown
from goim.model.messages import Sent, SentKey
from goim.notices import Interrupted
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from tests.services.house import Held, House, Phone, open_house, refused

__all__ = ["open_house"]


async def say(house: House, sender: str, **more: Any) -> SentData:
    data = SendData(type="text", payload=Raw(b'{"text":"hello"}'), **more)
    return await house.messages.send_now(Phone(sender, "pen"), data)


async def test_who_is_mentioned_often_in_one_message_is_called_once(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group = await house.group("ann", "bob")
    bob = await house.phone("bob")
    await say(house, "ann", group_id=group, mentions=["bob"] * 1000)
    assert bob.actions().count("mention") == 1
    assert [message["mentions"] for message in bob.take("message")] == [["bob"]]


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
    *_, left = (await house.history.after("ann", burning.conv_id, 0, 10)).messages
    assert (left.recalled, left.payload, left.burn_after_read) == (True, None, True)


async def test_what_was_taken_back_before_it_burned_is_not_said_to_have_burned(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    burning = await say(house, "ann", to="bob", burn_after_read=True)
    await house.desk.recall(await house.phone("ann"), burning.conv_id, burning.server_msg_id)
    await house.book.mark_read_now("bob", burning.conv_id, 1)
    (left,) = (await house.history.after("bob", burning.conv_id, 0, 10)).messages
    assert (left.recalled, left.burn_after_read) == (True, UNSET)


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


async def test_what_was_read_before_this_node_heard_that_it_burns_is_burned_when_it_hears(house: House) -> None:
    """Another node's word was lost with Redis; what it sent was found by asking, and read."""
    await house.friends_of_each_other("ann", "bob")
    async with house.specials.running():
        await house.clock.until_asleep()
        sent = [await say(house, "ann", to="bob", burn_after_read=True) for _ in range(3)]
        house.specials.burning.clear()  # as if it was told elsewhere
        await house.book.mark_read_now("bob", sent[1].conv_id, sent[1].seq)
        assert await recalled(house, sent[0].conv_id, 1, 2, 3) == [False, False, False]
        house.notices.tell_here(Interrupted(0))
        for _ in range(2):  # the second time there is nothing new to look at
            house.clock.advance(5)
            await house.clock.until_asleep()
    assert await recalled(house, sent[0].conv_id, 1, 2, 3) == [True, True, False]
    await house.book.mark_read_now("bob", sent[2].conv_id, sent[2].seq)
    assert await recalled(house, sent[0].conv_id, 1, 2, 3) == [True, True, True]


async def test_a_message_that_is_under_way_while_an_earlier_one_is_read_burns_when_it_is_read(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    first = await say(house, "ann", to="bob", burn_after_read=True)
    held = house.held["Pending.put"] = Held()
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(say(house, "ann", to="bob", burn_after_read=True))
        await held.reached.wait()
        await house.book.mark_read_now("bob", first.conv_id, first.seq)
        held.set()
    second = sending.result()
    await house.book.mark_read_now("bob", second.conv_id, second.seq)
    assert await recalled(house, second.conv_id, first.seq, second.seq) == [True, True]


async def test_a_message_that_is_stored_while_an_earlier_one_burns_burns_when_it_is_read(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    first = await say(house, "ann", to="bob", burn_after_read=True)
    await house.book.batches.drain()
    held = house.held["Pending.of_sender"] = Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.book.mark_read_now("bob", first.conv_id, first.seq))
        await held.reached.wait()
        second = await say(house, "ann", to="bob", burn_after_read=True)
        held.set()
    await house.book.mark_read_now("bob", second.conv_id, second.seq)
    assert await recalled(house, second.conv_id, first.seq, second.seq) == [True, True]


async def test_what_was_to_burn_and_was_never_sent_is_forgotten_in_the_end(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    place = await say(house, "ann", to="bob")
    lost = (place.conv_id, "ann", "never-sent")
    await house.pending.put("burn", lost, house.clock.now_ms())
    house.specials.burning[place.conv_id] = 0
    await house.book.mark_read_now("bob", place.conv_id, place.seq)
    assert lost in await house.pending.of_sender("burn", place.conv_id, "ann")
    house.clock.advance(3600)
    later = await say(house, "ann", to="bob")
    await house.book.mark_read_now("bob", later.conv_id, later.seq)
    assert await house.pending.of_sender("burn", place.conv_id, "ann") == {}
    assert not house.specials.burning


async def test_who_sends_much_that_burns_does_not_look_through_it_each_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.friends_of_each_other("ann", "bob")
    looked_for: list[int] = []
    find = house.table.find_sent

    async def find_sent(keys: Collection[SentKey]) -> dict[SentKey, Sent]:
        looked_for.append(len(keys))
        return await find(keys)

    monkeypatch.setattr(house.table, "find_sent", find_sent)
    for _ in range(20):
        sent = await say(house, "ann", to="bob", burn_after_read=True)
    await house.book.batches.drain()
    assert max(looked_for) == 0
    await house.book.mark_read_now("bob", sent.conv_id, sent.seq)
    assert max(looked_for) == 20


async def test_where_both_have_read_everything_nothing_is_looked_for_any_more(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    for sender, reader in (("ann", "bob"), ("bob", "ann")):
        sent = await say(house, sender, to=reader, burn_after_read=True)
        assert house.specials.burning
        await house.book.mark_read_now(reader, sent.conv_id, sent.seq)
        assert not house.specials.burning
    await say(house, "ann", to="bob", burn_after_read=True)
    await say(house, "bob", to="ann", burn_after_read=True)
    await house.book.batches.drain()
    assert house.specials.burning, "what bob has sent waits for ann"


async def recalled(house: House, conv_id: str, *seqs: int) -> list[bool]:
    rows = [await house.table.get(conv_id, seq) for seq in seqs]
    return [row is not None and bool(row.recalled) for row in rows]


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


async def test_what_expires_while_it_is_on_its_way_into_the_log_is_emptied_once_it_is_there(house: House) -> None:
    """A database that was slow, or a question before it was sent that took its time."""
    await house.friends_of_each_other("ann", "bob")
    held = house.held["Pending.put"] = Held()
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(say(house, "ann", to="bob", expire_at_ms=house.clock.now_ms() + 1000))
        await held.reached.wait()
        house.clock.advance(2)
        await house.specials.sweep()
        held.set()
    sent = sending.result()
    row = await house.table.get(sent.conv_id, sent.seq)
    assert row is not None
    assert row.payload is not None
    await house.specials.sweep()
    row = await house.table.get(sent.conv_id, sent.seq)
    assert row is not None
    assert row.payload is None
    assert await house.pending.due("expire", house.clock.now_ms(), 10) == []


async def test_what_was_to_expire_and_was_never_sent_keeps_nothing_from_being_emptied(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    now = house.clock.now_ms()
    for number in range(1200):  # more than are looked at together
        await house.pending.put("expire", ("c2c:ann:bob", "ann", f"never-sent-{number}"), now)
    sent = await say(house, "ann", to="bob", expire_at_ms=now + 1000)
    house.clock.advance(2)
    await house.specials.sweep()
    row = await house.table.get(sent.conv_id, sent.seq)
    assert row is not None
    assert row.payload is None
    house.clock.advance(3600)
    await house.specials.sweep()
    assert await house.pending.due("expire", house.clock.now_ms(), 10) == []


@pytest.mark.parametrize("how", ["expires", "burns"])
async def test_what_is_sent_once_more_as_if_it_were_to_vanish_stays(house: House, how: str) -> None:
    """Or whoever sent it could take it back without a word, however long ago it was."""
    await house.friends_of_each_other("ann", "bob")
    sent = await say(house, "ann", to="bob", client_msg_id="m1")
    house.clock.advance(3600)
    vanishing = {"burn_after_read": True} if how == "burns" else {"expire_at_ms": house.clock.now_ms() + 1000}
    again = await say(house, "ann", to="bob", client_msg_id="m1", **vanishing)
    assert (again.seq, again.duplicate) == (sent.seq, True)
    house.clock.advance(2)
    await house.specials.sweep()
    await house.book.mark_read_now("bob", sent.conv_id, sent.seq)
    assert await recalled(house, sent.conv_id, sent.seq) == [False]
    assert await house.pending.due("expire", house.clock.now_ms(), 10) == []
    assert await house.pending.of_sender("burn", sent.conv_id, "ann") == {}


async def test_what_is_tried_again_with_a_later_end_stays_until_then(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    now = house.clock.now_ms()
    house.failures["Messages.insert"] = [StoreDown("away")]
    with refused(ErrorCode.UNAVAILABLE):
        await say(house, "ann", to="bob", client_msg_id="m1", expire_at_ms=now + 1000)
    house.clock.advance(2)
    await house.specials.sweep()
    sent = await say(house, "ann", to="bob", client_msg_id="m1", expire_at_ms=now + 5000)
    await house.specials.sweep()
    assert await recalled(house, sent.conv_id, sent.seq) == [False]
    house.clock.advance(4)
    await house.specials.sweep()
    assert await recalled(house, sent.conv_id, sent.seq) == [True]


async def test_a_message_that_expires_is_emptied_at_its_own_time_whatever_is_sent_once_more(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    now = house.clock.now_ms()
    sent = await say(house, "ann", to="bob", client_msg_id="m1", expire_at_ms=now + 5000)
    await house.pending.remove("expire", [(sent.conv_id, "ann", "m1")])
    await say(house, "ann", to="bob", client_msg_id="m1", expire_at_ms=now + 1000)
    house.clock.advance(2)
    await house.specials.sweep()
    assert await recalled(house, sent.conv_id, sent.seq) == [False]
    house.clock.advance(4)
    await house.specials.sweep()
    assert await recalled(house, sent.conv_id, sent.seq) == [True]


async def test_what_was_refused_is_not_waited_for(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group = await house.group("ann", "bob")
    soon = house.clock.now_ms() + 1000
    with refused(ErrorCode.INVALID):
        await say(house, "ann", group_id=group, burn_after_read=True, expire_at_ms=soon)
    with refused(ErrorCode.NOT_FOUND):
        data = SendData(type="image", payload=Raw(b'{"url":"/files/0123456789abcd/a"}'), to="bob", expire_at_ms=soon)
        await house.messages.send_now(Phone("ann", "pen"), data)
    assert await house.pending.due("expire", soon, 10) == []


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
