"""Favourites: kept as they were, only what one may see, only for oneself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET, Raw

from goim.errors import ErrorCode
from goim.model.favourites import MAX_FAVOURITES, Favourite, FavouriteType
from goim.protocol.requests import SendData
from tests.services.house import House, Phone, open_house, refused  # noqa: F401

NO_TAGS: tuple[str, ...] = ()


async def test_a_kept_message_outlives_its_recall(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob", "喝茶吗?")
    kept = await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id, ["茶"])
    await house.desk.recall(Phone("ann", "a"), sent.conv_id, sent.server_msg_id)

    assert [kept] == await house.favourite_book.page("bob", None, NO_TAGS, 10, 0)
    assert (kept.type, kept.conv_id, kept.title, kept.content) == ("message", sent.conv_id, "Ann", "喝茶吗?")
    assert kept.tags == ("茶",)
    assert kept.message is not UNSET
    message = json.loads(bytes(kept.message))
    assert (message["serverMsgId"], message["payload"], message["recalled"]) == (
        sent.server_msg_id,
        {"text": "喝茶吗?"},
        False,
    )
    with refused(ErrorCode.NOT_FOUND):
        await house.favourite_book.keep_message("ann", sent.conv_id, sent.server_msg_id)


async def test_a_message_is_kept_once_by_each(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob")
    for user_id in ("ann", "bob"):
        await house.favourite_book.keep_message(user_id, sent.conv_id, sent.server_msg_id)
        with refused(ErrorCode.ALREADY_EXISTS):
            await house.favourite_book.keep_message(user_id, sent.conv_id, sent.server_msg_id)
    await house.favourite_book.delete("ann", sent.server_msg_id)
    await house.favourite_book.keep_message("ann", sent.conv_id, sent.server_msg_id)


async def test_nobody_keeps_what_they_do_not_see(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    sent = await house.say("ann", "bob")
    group = f"group:{await house.group('ann', 'bob')}"
    for user_id, conv_id, message_id in (
        ("dora", sent.conv_id, sent.server_msg_id),
        ("ann", "nowhere", sent.server_msg_id),
        ("ann", group, sent.server_msg_id),
        ("ann", sent.conv_id, "nonsense"),
        ("ann", sent.conv_id, sent.server_msg_id[:-1] + "2"),
    ):
        with refused(ErrorCode.NOT_FOUND):
            await house.favourite_book.keep_message(user_id, conv_id, message_id)
    await house.list.delete("bob", sent.conv_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id)


@pytest.mark.parametrize("more", [{"burn_after_read": True}, {"expire_at_ms": 1 << 50}])
async def test_what_is_to_vanish_is_not_kept(house: House, more: dict[str, Any]) -> None:
    await house.friends_of_each_other("ann", "bob")
    data = SendData(type="text", payload=Raw(b'{"text":"psst"}'), to="bob", **more)
    sent = await house.messages.send_now(Phone("ann", "a"), data)
    with refused(ErrorCode.FORBIDDEN):
        await house.favourite_book.keep_message("bob", sent.conv_id, sent.server_msg_id)


async def test_a_stream_is_kept_when_it_has_ended(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    ann = Phone("ann", "a")
    data = SendData(type="stream", payload=Raw(b'{"text":"once"}'), to="bob")
    started = await house.streams.start(ann, data)
    with refused(ErrorCode.STREAM_STATE):
        await house.favourite_book.keep_message("bob", started.conv_id, started.server_msg_id)
    await house.streams.end(ann, started.stream_id, "once upon a time", None)
    kept = await house.favourite_book.keep_message("bob", started.conv_id, started.server_msg_id)
    assert kept.content == "once upon a time"


async def test_something_of_ones_own_may_belong_to_a_conversation_one_is_in(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    conv_id = (await house.say("ann", "bob")).conv_id
    kept = await house.favourite_book.keep_custom("ann", " Tea ", "green", ["x", " x ", "y"], conv_id)
    assert (kept.type, kept.title, kept.content, kept.tags) == ("custom", "Tea", "green", ("x", "y"))
    assert (kept.conv_id, kept.message) == (conv_id, UNSET)
    assert (await house.favourite_book.keep_custom("ann", "Tea", "green")).conv_id == ""
    with refused(ErrorCode.NOT_FOUND):
        await house.favourite_book.keep_custom("dora", "Tea", "green", conv_id=conv_id)


@pytest.mark.parametrize(
    ("title", "content", "tags"),
    [
        ("", "x", []),
        ("  ", "x", []),
        ("x" * 201, "", []),
        ("x", "x" * 10_001, []),
        ("x", "", [str(number) for number in range(21)]),
        ("x", "", ["x" * 33]),
        ("x", "", [""]),
        ("x", "", ["a,b"]),
    ],
)
async def test_a_favourite_keeps_to_its_limits(house: House, title: str, content: str, tags: list[str]) -> None:
    with refused(ErrorCode.INVALID):
        await house.favourite_book.keep_custom("ann", title, content, tags)
    tags = [f"{number:032}" for number in range(20)]
    await house.favourite_book.keep_custom("ann", "题" * 200, "文" * 10_000, tags)


async def test_nobody_keeps_more_than_ten_thousand(house: House) -> None:
    for number in range(MAX_FAVOURITES - 1):
        full = Favourite(
            favourite_id=f"f{number}", user_id="ann", type=FavouriteType.CUSTOM, title="", content="", created_at=0
        )
        house.data.favourites["ann", full.favourite_id] = full
    await house.favourite_book.keep_custom("ann", "last", "")
    with refused(ErrorCode.INVALID):
        await house.favourite_book.keep_custom("ann", "one more", "")


async def test_favourites_are_found_by_type_tags_and_words(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("bob", "ann", "Gruene Tees aus 福建")
    await house.favourite_book.keep_message("ann", sent.conv_id, sent.server_msg_id, ["tea"])
    house.clock.advance(1)
    await house.favourite_book.keep_custom("ann", "Shopping", "bread", ["home", "Tea"])

    async def titles(kind: FavouriteType | None, *tags: str) -> list[str]:
        return [each.title for each in await house.favourite_book.page("ann", kind, tags, 10, 0)]

    assert await titles(None) == ["Shopping", "Bob"]
    assert await titles(FavouriteType.MESSAGE) == ["Bob"]
    assert await titles(None, "tea") == ["Bob"]
    assert await titles(None, "home", "tea") == ["Shopping", "Bob"]
    for keyword, expected in {"建": ["Bob"], "BOB": ["Bob"], "tea": ["Shopping", "Bob"], "福州": []}.items():
        found = await house.favourite_book.search("ann", keyword, 10, 0)
        assert [each.title for each in found] == expected
    assert await house.favourite_book.search("bob", "tea", 10, 0) == []
    for keyword in ("", "  ", "x" * 65):
        with refused(ErrorCode.INVALID):
            await house.favourite_book.search("ann", keyword, 10, 0)


async def test_only_ones_own_are_deleted_and_all_with_the_account(house: House) -> None:
    mine = await house.favourite_book.keep_custom("ann", "x", "")
    await house.favourite_book.keep_custom("bob", "y", "")
    with refused(ErrorCode.NOT_FOUND):
        await house.favourite_book.delete("bob", mine.favourite_id)
    await house.favourite_book.delete("ann", mine.favourite_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.favourite_book.delete("ann", mine.favourite_id)
    await house.favourite_book.erase("bob")
    assert (await house.favourite_book.stats("bob")).total == 0
