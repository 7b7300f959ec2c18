"""What a message with a file gives is taken away with it: burned, expired, recalled, erased, or sent once more then."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import UNSET, Raw

from goim.errors import ErrorCode, GoimError, StoreDown
from goim.model.files import StoredFile
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from tests.services.house import Held, House, Phone, open_house, refused

__all__ = ["open_house"]

FILE = "0123456789abcd"


async def friends(house: House, *others: str) -> None:
    await house.friends_of_each_other("ann", "bob", *others)
    await house.files.add(
        StoredFile(file_id=FILE, owner_id="ann", path="p", name="a.png", size=1, mime_type="image/png", created_at=1)
    )


async def show(house: House, sender: str, client_msg_id: str, **more: Any) -> SentData:
    """Send the picture."""
    payload = Raw(json.dumps({"url": f"/files/{FILE}/a.png"}).encode())
    where = more if "group_id" in more else {"to": "bob" if sender == "ann" else "ann", **more}
    data = SendData(type="image", payload=payload, client_msg_id=client_msg_id, **where)
    return await house.messages.send_now(Phone(sender, "pen"), data)


async def may(house: House, *user_ids: str) -> list[bool]:
    """Which of them may read the picture."""
    readable = await house.grants.readable([(user_id, FILE) for user_id in user_ids], house.clock.now_ms())
    return [(user_id, FILE) in readable for user_id in user_ids]


async def test_what_burns_takes_its_file_along_and_the_sender_keeps_it(house: House) -> None:
    await friends(house)
    sent = await show(house, "ann", "m1", burn_after_read=True)
    assert await may(house, "ann", "bob") == [True, True]
    await house.book.mark_read_now("bob", sent.conv_id, sent.seq)
    assert await may(house, "ann", "bob") == [True, False]


async def test_a_file_that_another_message_shows_too_stays(house: House) -> None:
    await friends(house)
    first, second = [await show(house, "ann", name, burn_after_read=True) for name in ("m1", "m2")]
    await house.book.mark_read_now("bob", first.conv_id, first.seq)
    assert await may(house, "bob") == [True]
    await house.book.mark_read_now("bob", first.conv_id, second.seq)
    assert await may(house, "bob") == [False]


async def test_many_that_burn_at_once_are_one_write_and_words_are_none(house: House) -> None:
    await friends(house)
    sent = [await show(house, "ann", f"m{number}", burn_after_read=True) for number in range(5)]
    await house.book.mark_read_now("bob", sent[0].conv_id, sent[-1].seq)
    assert (house.calls["Grants.withdraw"], await may(house, "bob")) == (1, [False])
    data = SendData(type="text", payload=Raw(b'{"text":"hush"}'), to="bob", burn_after_read=True)
    words = await house.messages.send_now(Phone("ann", "pen"), data)
    await house.book.mark_read_now("bob", words.conv_id, words.seq)
    await house.desk.recall(Phone("ann", "pen"), words.conv_id, words.server_msg_id)
    assert house.calls["Grants.withdraw"] == 1


async def test_what_expires_shows_its_file_no_moment_longer_and_leaves_no_grant(house: House) -> None:
    await friends(house)
    await show(house, "ann", "m1", expire_at_ms=house.clock.now_ms() + 5000)
    house.clock.advance(4.999)
    assert await may(house, "bob") == [True]
    house.clock.advance(0.001)
    assert await may(house, "ann", "bob") == [True, False], "nothing was swept yet"
    assert house.data.grants
    await house.specials.sweep()
    assert not house.data.grants


async def test_what_is_taken_back_takes_its_file_along_also_if_its_sender_is_not_who_does_it(house: House) -> None:
    await friends(house, "cid")
    group = await house.group("cid", "ann", "bob")
    sent = await show(house, "ann", "m1", group_id=group)
    assert await may(house, "bob", "cid") == [True, True]
    await house.desk.recall(Phone("cid", "pen"), sent.conv_id, sent.server_msg_id)
    assert await may(house, "ann", "bob", "cid") == [True, False, False]


async def test_who_is_told_that_it_is_taken_back_finds_its_file_gone(house: House) -> None:
    await friends(house)
    phone = await house.phone("bob")
    sent = await show(house, "ann", "m1")
    held = house.held["Grants.withdraw"] = Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.desk.recall(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id))
        await held.reached.wait()
        assert (await may(house, "bob"), phone.actions()) == ([False], ["message"])
        held.set()
    assert phone.actions() == ["message", "recalled"]


async def test_what_was_passed_on_is_a_message_of_its_own(house: House) -> None:
    await friends(house)
    first = await show(house, "ann", "m1")
    await show(house, "bob", "m1")
    await house.desk.recall(Phone("ann", "pen"), first.conv_id, first.server_msg_id)
    assert await may(house, "bob") == [True]
    await house.desk.erase_messages("bob")
    assert await may(house, "ann", "bob") == [True, False]


@pytest.mark.parametrize("how", ["burned", "expired"])
async def test_what_is_to_vanish_is_not_passed_on_by_who_is_shown_it(house: House, how: str) -> None:
    await friends(house)
    more = {"burn_after_read": True} if how == "burned" else {"expire_at_ms": house.clock.now_ms() + 5000}
    await show(house, "ann", "m1", **more)
    for again in ({}, more):
        with refused(ErrorCode.FORBIDDEN):
            await show(house, "bob", "m1", **again)
    with refused(ErrorCode.FORBIDDEN):
        await house.sharing.show("bob", f"/files/{FILE}/a.png")
    await show(house, "ann", "m2")
    await show(house, "bob", "m1")  # now it was shown to him to stay


@pytest.mark.parametrize("how", ["burned", "expired", "recalled"])
async def test_sending_it_once_more_does_not_show_what_is_gone(house: House, how: str) -> None:
    await friends(house)
    more: dict[str, Any] = {"burned": {"burn_after_read": True}, "recalled": {}}.get(how, {})
    if how == "expired":
        more = {"expire_at_ms": house.clock.now_ms() + 5000}
    sent = await show(house, "ann", "m1", **more)
    house.clock.advance(6)
    await house.specials.sweep()
    if how == "burned":
        await house.book.mark_read_now("bob", sent.conv_id, sent.seq)
    elif how == "recalled":
        await house.desk.recall(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id)
    assert await may(house, "bob") == [False]
    for again in (more, {}):  # as a client does whose ack was lost, and as none does
        assert (await show(house, "ann", "m1", **again)).duplicate
        assert await may(house, "bob") == [False]
    assert not house.data.grants


async def test_what_is_taken_back_while_it_is_sent_once_more_is_gone(house: House) -> None:
    await friends(house)
    sent = await show(house, "ann", "m1")
    held = house.held["Grants.grant"] = Held()
    async with asyncio.TaskGroup() as tasks:
        again = tasks.create_task(show(house, "ann", "m1"))
        await held.reached.wait()
        await house.desk.recall(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id)
        held.set()
    assert again.result().duplicate
    assert await may(house, "bob") == [False]


async def test_a_resend_of_what_is_there_shows_it(house: House) -> None:
    await friends(house)
    for is_again in (False, True):
        sent = await show(house, "ann", "m1")
        assert (sent.duplicate, await may(house, "bob")) == (is_again, [True])


async def test_what_could_not_be_taken_away_is_so_by_trying_again(house: House) -> None:
    await friends(house)
    burning = await show(house, "ann", "m1", burn_after_read=True)
    house.failures["Grants.withdraw"] = [StoreDown("away")]
    with pytest.raises(GoimError, match="try again"):
        await house.book.mark_read_now("bob", burning.conv_id, burning.seq)
    assert await may(house, "bob") == [True]
    await house.book.mark_read_now("bob", burning.conv_id, burning.seq)
    assert await may(house, "bob") == [False]
    shown = await show(house, "ann", "m2")
    house.failures["Grants.withdraw"] = [StoreDown("away")]
    phone = await house.phone("bob")
    with pytest.raises(StoreDown):
        await house.desk.recall(Phone("ann", "pen"), shown.conv_id, shown.server_msg_id)
    assert phone.actions() == ["recalled"]
    house.failures["Grants.withdraw"] = [StoreDown("away")]
    with refused(ErrorCode.UNAVAILABLE):
        await show(house, "ann", "m2")
    await house.desk.recall(Phone("ann", "pen"), shown.conv_id, shown.server_msg_id)
    assert await may(house, "bob") == [False]


async def test_what_was_to_burn_and_never_came_leaves_no_grant(house: House) -> None:
    await friends(house)
    house.failures["Messages.insert"] = [StoreDown("away")]
    with pytest.raises(GoimError):
        await show(house, "ann", "m1", burn_after_read=True)
    assert await may(house, "bob") == [True]
    house.clock.advance(3600)
    later = await show(house, "ann", "m2", burn_after_read=True)
    await house.book.mark_read_now("bob", later.conv_id, later.seq)
    assert await may(house, "bob") == [False]


async def test_who_keeps_a_picture_among_their_favourites_has_it_whatever_becomes_of_the_message(house: House) -> None:
    await friends(house, "cleo")
    group_id = await house.group("ann", "bob", "cleo")
    sent = await show(house, "ann", "m1", group_id=group_id)
    await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id)
    await house.desk.recall(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id)
    assert await may(house, "bob", "cleo") == [True, False]
    await house.favourite_book.delete("bob", sent.server_msg_id)
    assert await may(house, "bob") == [False]


async def test_who_has_too_many_favourites_keeps_the_right_to_what_is_among_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goim.services.favourites.MAX_FAVOURITES", 1)
    await friends(house)
    sent = await show(house, "ann", "m1")
    await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id)
    with refused(ErrorCode.ALREADY_EXISTS):
        await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id)
    await house.desk.recall(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id)
    assert await may(house, "bob") == [True]


async def test_a_picture_that_is_gone_is_kept_without_it(house: House) -> None:
    await friends(house)
    sent = await show(house, "ann", "m1")
    await house.files.delete([FILE])
    kept = await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id)
    assert kept.message is not UNSET
    assert await may(house, "bob") == [False]


async def test_who_has_too_many_favourites_keeps_no_right_to_one_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goim.services.favourites.MAX_FAVOURITES", 0)
    await friends(house)
    sent = await show(house, "ann", "m1")
    with refused(ErrorCode.INVALID):
        await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id)
    await house.desk.recall(Phone("ann", "pen"), sent.conv_id, sent.server_msg_id)
    assert await may(house, "bob") == [False]
