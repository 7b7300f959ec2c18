"""Sending, what is done to messages later, and watermarks: where several things happen at once or go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec import Raw

from goim.errors import ErrorCode, GoimError, StoreDown
from goim.model.messages import MessageRow
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from goim.stores.base_log import Stopped
from tests.services.house import House, Phone, open_house, refused

__all__ = ["open_house"]


async def test_a_mute_that_comes_while_the_right_is_looked_up_holds(house: House) -> None:
    await house.people("ann", "bob")
    group = await house.group("ann")
    await house.group_door.join("bob", group)
    house.held["Groups.get"] = asyncio.Event()
    asked = house.calls["Groups.get"]
    async with asyncio.TaskGroup() as tasks:
        saying = tasks.create_task(_refusal(house, "bob", f"group:{group}"))
        await _until(lambda: house.calls["Groups.get"] > asked)
        release = house.held.pop("Groups.get")
        await house.group_desk.mute("ann", group, muted=True)
        release.set()
    assert saying.result() is ErrorCode.MUTED
    assert await house.log.last_seqs([f"group:{group}"]) == {f"group:{group}": 0}


async def test_a_mistake_in_looking_up_is_answered(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    house.failures["Conversations.by_subject"] = [RuntimeError("a mistake")]
    with refused(ErrorCode.INTERNAL):
        await house.say("ann", "bob")
    assert (await house.say("ann", "bob")).seq == 1


async def test_who_is_refused_again_and_again_costs_no_memory(house: House) -> None:
    """That they may not is remembered. An error that is raised keeps where it was, each time."""
    await house.friends_of_each_other("ann", "bob")
    conv_id = (await house.say("ann", "bob")).conv_id
    await house.friends.remove("ann", "bob")
    await house.access.relation_changed("ann", "bob")
    for _ in range(3):
        with refused(ErrorCode.NOT_FRIEND):
            await house.presence.typing(Phone("ann", "pen"), conv_id, is_typing=True)
        with refused(ErrorCode.NOT_FRIEND):
            await house.say("ann", "bob")
    access = house.access.remembered("ann", conv_id)
    assert access is not None
    assert access.refusal is not None
    assert access.refusal.__traceback__ is None


async def test_a_database_that_is_away_is_told_and_nothing_is_stored(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob")
    house.failures["Messages.insert"] = [StoreDown("away")]
    with refused(ErrorCode.UNAVAILABLE):
        await house.say("ann", "bob")
    assert (await house.say("ann", "bob")).seq == 2


async def test_what_is_known_to_be_stored_is_told_when_the_database_goes_away_in_the_middle(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cy")
    bob, cy = await house.phone("bob"), await house.phone("cy")
    one, other = (await house.say("ann", "bob")).conv_id, (await house.say("ann", "cy")).conv_id
    bob.take("message"), cy.take("message")
    row = MessageRow(one, 2, "ann", "m1", "text", "{}", 7, 0, None, None)
    house.failures["Messages.insert"] = [Stopped([row], other), StoreDown("away")]
    answers: list[SentData | GoimError] = []
    for conv_id, client_msg_id in ((one, "m1"), (one, "m1"), (other, "m2")):
        data = SendData(conv_id=conv_id, type="text", client_msg_id=client_msg_id, payload=Raw(b'{"text":"hi"}'))
        house.messages.send(Phone("ann", "pen"), data, answers.append)
    await _until(lambda: len(answers) == 3)
    stored, twice, lost = answers
    assert isinstance(stored, SentData)
    assert (stored.seq, stored.timestamp, stored.duplicate) == (2, 7, False)
    assert isinstance(twice, SentData)
    assert (twice.seq, twice.duplicate) == (2, True)
    assert isinstance(lost, GoimError)
    assert lost.code is ErrorCode.UNAVAILABLE
    assert [message["seq"] for message in bob.take("message")] == [2], "pushed once"
    assert cy.take("message") == []


async def test_messages_of_one_sender_keep_their_order_while_the_first_is_looked_up(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    bob = await house.phone("bob")
    await asyncio.gather(*(house.say("ann", "bob", str(number)) for number in range(20)))
    assert [message["payload"]["text"] for message in bob.take("message")] == [str(number) for number in range(20)]


async def test_who_comes_back_to_a_group_starts_where_it_stands(house: House) -> None:
    await house.people("ann", "bob")
    group = await house.group("ann")
    conv_id = f"group:{group}"
    await house.group_door.join("bob", group)
    await house.say("ann", conv_id)
    assert await house.book.mark_read_now("bob", conv_id, 1) == 1
    await house.group_desk.leave("bob", group)
    for _ in range(5):
        await house.say("ann", conv_id)
    await house.group_door.join("bob", group)
    assert await house.book.mark_read_now("bob", conv_id, 3) == 6


async def test_changes_made_at_once_are_told_in_their_order(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = [await house.say("ann", "bob") for _ in range(5)]
    bob, ann = await house.phone("bob"), Phone("ann", "pen")
    await asyncio.gather(*(house.desk.recall(ann, each.conv_id, each.server_msg_id) for each in sent))
    assert [push["change"] for push in bob.take("recalled")] == [1, 2, 3, 4, 5]


async def test_an_edit_is_shown_to_all_and_kept(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob", "old")
    bob, ann = await house.phone("bob"), Phone("ann", "pen")
    edited = await house.desk.edit(ann, sent.conv_id, sent.server_msg_id, Raw(b'{"text":"new"}'))
    assert edited.change == 1
    (push,) = bob.take("edited")
    assert (push["payload"], push["change"], push["editedAt"]) == ({"text": "new"}, 1, house.clock.now_ms())
    again = await house.desk.edit(ann, sent.conv_id, sent.server_msg_id, Raw(b'{"text":"new"}'))
    assert again.change == 1
    assert bob.take() == []


async def test_only_the_sender_edits_and_not_for_ever(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    text = Raw(b'{"text":"new"}')
    with refused(ErrorCode.FORBIDDEN):
        await house.desk.edit(Phone("bob", "pen"), sent.conv_id, sent.server_msg_id, text)
    with refused(ErrorCode.INVALID):
        await house.desk.edit(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id, Raw(b"{}"))
    house.clock.advance(901)
    with refused(ErrorCode.RECALL_EXPIRED):
        await house.desk.edit(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id, text)


async def test_a_recalled_message_is_gone_for_edits_and_reactions(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    ann = Phone("ann", "pen")
    await house.desk.recall(ann, sent.conv_id, sent.server_msg_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.desk.edit(ann, sent.conv_id, sent.server_msg_id, Raw(b'{"text":"new"}'))
    with refused(ErrorCode.NOT_FOUND):
        await house.desk.react(ann, sent.conv_id, sent.server_msg_id, "👍")


async def test_a_reaction_counts_once_for_each_emoji_and_person(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    ann, bob = await house.phone("ann"), Phone("bob", "pen")
    for remove, change in ((False, 1), (False, 1), (True, 2), (True, 2), (False, 3)):
        acked = await house.desk.react(bob, sent.conv_id, sent.server_msg_id, "👍", remove=remove)
        assert acked.change == change
    assert [push["removed"] for push in ann.take("reaction")] == [False, True, False]


@pytest.mark.parametrize(
    "emoji",
    ["👍🏽", "👩‍💻", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "❤️", "+1", "加油"],
    ids=["skin", "joined", "flag", "key", "heart", "+1", "text"],
)
async def test_a_reaction_is_an_emoji_or_a_short_text(house: House, emoji: str) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    assert (await house.desk.react(Phone("bob", "pen"), sent.conv_id, sent.server_msg_id, emoji)).change == 1


@pytest.mark.parametrize("emoji", ["", " ", "\0", "a\nb", "\x1b[2J", "x\u2028", "\u200b\ufe0f", "x" * 33])
async def test_nobody_reacts_with_what_cannot_be_seen_or_does_something(house: House, emoji: str) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    with refused(ErrorCode.INVALID):
        await house.desk.react(Phone("bob", "pen"), sent.conv_id, sent.server_msg_id, emoji)


async def test_a_first_message_asks_for_what_it_needs_at_once_and_for_nothing_twice(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    house.calls.clear()
    both = cast(asyncio.Event, asyncio.Barrier(2))  # either answer waits for the other
    house.held["Blocks.is_between"] = house.held["Friends.halves"] = both
    async with asyncio.timeout(20):
        assert (await house.say("ann", "bob")).seq == 1
    assert house.calls["Conversations.by_subject"] == 1
    assert house.calls["Conversations.get"] == 0


async def test_erasing_somebody_leaves_tombstones_everywhere(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group = await house.group("bob", "ann")
    await house.say("ann", "bob", "one")
    await house.say("ann", f"group:{group}", "two")
    await house.group_desk.leave("ann", group)
    bob = await house.phone("bob")
    await house.desk.erase_messages("ann")
    assert [push["reason"] for push in bob.take("recalled")] == ["erased", "erased"]
    row = await house.table.get(f"group:{group}", 1)
    assert row is not None
    assert (row.recalled, row.payload) == (1, None)


async def test_of_somebody_who_is_erased_the_messages_of_a_conversation_are_recalled_together(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    sent = [await house.say("ann", "bob", str(number)) for number in range(250)]
    await house.say("ann", "cleo")
    bob = await house.phone("bob")
    house.calls.clear()
    await house.desk.erase_messages("ann")
    assert house.calls["Changes.edit_all"] == 3, "two pages of one, and one of the other"
    assert house.calls["Changes.edit"] == house.calls["Messages.get"] == 0
    told = bob.take("recalled")
    assert [(push["seq"], push["change"]) for push in told] == [(number, number) for number in range(1, 251)]
    assert {push["serverMsgId"] for push in told} == {each.server_msg_id for each in sent}


async def test_a_message_that_is_recalled_while_its_sender_is_erased_is_recalled_once(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = [await house.say("ann", "bob", str(number)) for number in range(5)]
    bob = await house.phone("bob")
    gate = house.held["Messages.sent_by"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.desk.erase_messages("ann"))
        while not house.calls["Messages.sent_by"]:  # noqa: ASYNC110 a store has no event for it
            await asyncio.sleep(0)  # noqa: TID251 it has been asked for what there is
        await house.desk.recall(Phone("ann", "pen"), sent[2].conv_id, sent[2].server_msg_id)
        gate.set()
    told = bob.take("recalled")
    assert [push["change"] for push in told] == [1, 2, 3, 4, 5]
    assert [push["seq"] for push in told] == [3, 1, 2, 4, 5]


async def test_a_mark_of_one_device_is_pushed_to_the_other_and_not_back(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    for _ in range(3):
        sent = await house.say("ann", "bob")
    one, two = await house.phone("bob"), await house.phone("bob")
    answers: list[object] = []
    house.book.mark_read("bob", sent.conv_id, 2, answers.append, one)
    house.book.mark_read("bob", sent.conv_id, 3, answers.append, two)
    await house.book.batches.drain()
    assert answers == [2, 3]
    assert [push["seq"] for push in one.take("read")] == [3]
    assert [push["seq"] for push in two.take("read")] == [2]


async def test_one_that_cannot_be_told_keeps_nobody_from_their_ack(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob")
    await house.say("bob", "ann")
    phone = await house.phone("bob")
    answers: list[SentData | GoimError] = []

    def mistaken(_: SentData | GoimError) -> None:
        raise RuntimeError("a mistake")

    house.messages.send(Phone("ann", "pen"), _text("one", to="bob"), mistaken)
    house.messages.send(Phone("ann", "pen"), _text("two", to="bob"), answers.append)
    await _until(lambda: len(answers) == 1)
    assert [answer.seq for answer in answers if isinstance(answer, SentData)] == [4]
    assert [message["seq"] for message in phone.take("message")] == [4]


async def test_more_than_can_be_written_is_refused_and_may_be_sent_again(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    house.messages.max_backlog = 0
    with refused(ErrorCode.UNAVAILABLE):
        await house.say("ann", "bob")
    house.messages.max_backlog = 1
    assert (await house.say("ann", "bob")).seq == 1


async def test_a_message_is_not_overtaken_by_a_later_one_while_it_is_made_ready(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob")
    await house.say("bob", "ann")
    phone, ann = await house.phone("bob"), Phone("ann", "pen")
    inserting, preparing = asyncio.Event(), asyncio.Event()
    house.held |= {"Messages.insert": inserting, "Pending.put": preparing}
    house.messages.send(ann, _text("first", to="bob", expire_at_ms=house.clock.now_ms() + 60_000), _nobody)
    house.messages.send(Phone("bob", "pen"), _text("beside", to="ann"), _nobody)
    await _until(lambda: house.calls["Pending.put"] == 1 and house.calls["Messages.insert"] == 3)
    house.messages.send(ann, _text("second", to="bob"), _nobody)
    preparing.set()
    await _until(lambda: len(house.messages.batches.items) == 2)
    inserting.set()
    await _until(lambda: len(phone.pushes) == 3)
    assert [message["payload"]["text"] for message in phone.take("message")] == ["beside", "first", "second"]


async def test_a_database_that_goes_away_when_rights_are_asked_again_is_told(house: House) -> None:
    await house.people("ann", "bob")
    group = await house.group("ann")
    await house.group_door.join("bob", group)
    conv_id = f"group:{group}"
    await house.say("ann", conv_id)
    inserting = house.held["Messages.insert"] = asyncio.Event()
    answers: list[SentData | GoimError] = []
    house.messages.send(Phone("ann", "pen"), _text("one", conv_id=conv_id), answers.append)
    house.messages.send(Phone("bob", "pen"), _text("two", conv_id=conv_id), answers.append)
    await _until(lambda: house.calls["Messages.insert"] == 2 and len(house.messages.batches.items) == 1)
    house.access.group_changed(group)
    house.failures["Conversations.get"] = [StoreDown("away")]
    inserting.set()
    await _until(lambda: len(answers) == 2)
    assert [answer.code for answer in answers if isinstance(answer, GoimError)] == [ErrorCode.UNAVAILABLE]
    assert (await house.say("bob", conv_id)).seq == 3


@pytest.mark.parametrize("text", ["", "你好", "\x00", "a" * 60_000])
async def test_texts_are_kept_to_the_letter(house: House, text: str) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob", text)
    row = await house.table.get(sent.conv_id, sent.seq)
    assert row is not None
    assert json.loads(row.payload or "") == {"text": text}


def _text(text: str, **more: Any) -> SendData:
    return SendData(type="text", payload=Raw(json.dumps({"text": text}).encode()), **more)


def _nobody(_: SentData | GoimError) -> None:
    """Who sent it does not want to know."""


async def _refusal(house: House, sender: str, to: str) -> ErrorCode:
    with pytest.raises(GoimError) as refusal:
        await house.say(sender, to)
    return refusal.value.code


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 the others run meanwhile, and nothing tells when
            await asyncio.sleep(0)  # noqa: TID251
