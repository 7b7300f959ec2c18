"""Search: what one may read is found by its words as it is now, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import Raw

from goim.errors import ErrorCode, StoreDown
from goim.model.conversations import c2c
from goim.protocol.requests import SendData
from goim.services import search
from goim.services.search import MAX_LIMIT
from goim.services.search_indexer import BEAT_SECONDS, MOST_FOR_A_SEARCH, SearchIndexer
from tests.services.house import House, Phone, open_house, refused  # noqa: F401

ANN = Phone("ann", "a")
Act = Callable[[House, str, str], Coroutine[Any, Any, Any]]


async def texts(house: House, user_id: str, q: str, conv_id: str | None = None, limit: int = 50) -> list[str]:
    """The texts of what somebody finds."""
    found = await house.search.search(user_id, q, conv_id, limit)
    return [json.loads(bytes(message.payload or b""))["text"] for message in found.messages]


async def test_words_are_found_in_all_of_ones_own_conversations_latest_first(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group = f"group:{await house.group('ann', 'bob')}"
    pair = (await house.say("ann", "bob", "Hello world")).conv_id
    await house.say("bob", group, "hello again")
    await house.say("ann", "cleo", "HELLO, Cleo")
    await house.say("bob", "cleo", "hello, not for Ann")
    await house.say("ann", "bob", "goodbye")

    assert await texts(house, "ann", "hello") == ["HELLO, Cleo", "hello again", "Hello world"]
    assert await texts(house, "ann", "hel wor") == ["Hello world"]
    assert await texts(house, "ann", "hello", pair) == ["Hello world"]
    assert await texts(house, "bob", "hello", group) == ["hello again"]
    assert await texts(house, "ann", "hello", limit=2) == ["HELLO, Cleo", "hello again"]
    assert await texts(house, "ann", "ello") == await texts(house, "ann", "hello moon") == []


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("世界", ["你好世界"]),
        ("界", ["你好世界", "世道界"]),
        ("好世界", ["你好世界"]),
        ("你好世界", ["你好世界"]),
        ("世界 你好", ["你好世界"]),
        ("界世", []),
        ("手机", ["新iPhone手机"]),
        ("iphone手机", ["新iPhone手机"]),
    ],
)
async def test_chinese_is_found_wherever_it_stands(house: House, q: str, expected: list[str]) -> None:
    await house.friends_of_each_other("ann", "bob")
    for text in ("世道界", "你好世界", "新iPhone手机"):
        data = SendData(type="text", payload=Raw(f'{{"text": "{text}"}}'.encode()), to="bob")
        await house.messages.send_now(ANN, data)
    assert await texts(house, "bob", q) == expected


async def test_what_many_seem_to_say_and_none_does_is_looked_for_in_a_bounded_number(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_HITS", 6)
    await house.friends_of_each_other("ann", "bob")
    for text in ("好世界", *["世界 好世"] * 20):
        await house.say("ann", "bob", text)
    assert await texts(house, "bob", "好世界", limit=2) == []
    assert house.calls["SearchIndex.find"] == 3
    monkeypatch.setattr(search, "_MOST_HITS", 30)
    assert await texts(house, "bob", "好世界", limit=2) == ["好世界"]


async def test_what_a_message_shows_is_found_by_its_name(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    payload = b'{"url":"/files/x/y","name":"Yearly report.pdf","size":1}'
    sent = await house.messages.send_now(ANN, SendData(type="file", payload=Raw(payload), to="bob"))
    [message] = (await house.search.search("bob", "report", None, 10)).messages
    assert (message.server_msg_id, message.type) == (sent.server_msg_id, "file")


async def test_a_hit_is_the_message_as_the_history_shows_it(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob", "hello")
    await house.desk.react(Phone("bob", "b"), sent.conv_id, sent.server_msg_id, "👍")
    found = (await house.search.search("ann", "hello", None, 10)).messages
    assert found == (await house.history.before("ann", sent.conv_id, 0, 10)).messages
    assert found[0].reactions


async def recall(house: House, conv_id: str, message_id: str) -> None:
    await house.desk.recall(ANN, conv_id, message_id)


async def edit(house: House, conv_id: str, message_id: str) -> None:
    await house.desk.edit(ANN, conv_id, message_id, Raw(b'{"text": "new words"}'))


async def erase(house: House, conv_id: str, message_id: str) -> None:
    await house.desk.erase_messages("ann")


async def delete(house: House, conv_id: str, message_id: str) -> None:
    await house.list.delete("bob", conv_id)


async def leave(house: House, conv_id: str, message_id: str) -> None:
    await house.group_desk.leave("bob", conv_id.removeprefix("group:"))


@pytest.mark.parametrize("act", [recall, edit, erase, delete, leave])
@pytest.mark.parametrize("is_indexed", [True, False], ids=["indexed", "not yet"])
async def test_what_is_no_longer_to_be_read_is_no_longer_found(house: House, act: Act, is_indexed: bool) -> None:
    await house.friends_of_each_other("ann", "bob")
    conv_id = f"group:{await house.group('ann', 'bob')}"
    sent = await house.say("ann", conv_id, "old words")
    if is_indexed:
        assert await texts(house, "bob", "old") == ["old words"]
    await act(house, conv_id, sent.server_msg_id)
    assert await texts(house, "bob", "old") == []
    if act is edit:
        assert await texts(house, "bob", "new") == ["new words"]
    if act in (recall, edit, erase):
        assert await house.index.find([conv_id], [], None, 10) == [] or act is edit
    if act is leave:
        with refused(ErrorCode.NOT_FOUND):
            await texts(house, "bob", "old", conv_id)


async def test_an_expired_message_is_not_found_and_leaves_the_index_when_it_is_swept(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    data = SendData(
        type="text", payload=Raw(b'{"text": "soon gone"}'), to="bob", expire_at_ms=house.clock.now_ms() + 1_000
    )
    conv_id = (await house.messages.send_now(ANN, data)).conv_id
    assert await texts(house, "bob", "soon") == ["soon gone"]
    house.clock.advance(1)
    assert await texts(house, "bob", "soon") == []
    assert len(await house.index.find([conv_id], [], None, 10)) == 1
    await house.specials.sweep()
    await house.indexer.catch_up()
    assert await house.index.find([conv_id], [], None, 10) == []


async def test_a_burned_message_leaves_the_index(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    data = SendData(type="text", payload=Raw(b'{"text": "read once"}'), to="bob", burn_after_read=True)
    conv_id = (await house.messages.send_now(ANN, data)).conv_id
    assert await texts(house, "ann", "once") == ["read once"]
    await house.book.mark_read_now("bob", conv_id, 1)
    assert await texts(house, "ann", "once") == []
    assert await house.index.find([conv_id], [], None, 10) == []


async def test_a_stream_is_found_by_what_it_has_become(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    started = await house.streams.start(ANN, SendData(type="stream", payload=Raw(b'{"text":"once"}'), to="bob"))
    assert len(await texts(house, "bob", "once")) == 1
    await house.streams.end(ANN, started.stream_id, "upon a time", None)
    assert await texts(house, "bob", "once") == []
    assert len(await texts(house, "bob", "upon time")) == 1


async def test_a_deleted_conversation_comes_back_without_what_was_deleted(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    conv_id = (await house.say("ann", "bob", "hello one")).conv_id
    await house.list.delete("bob", conv_id)
    await house.say("ann", "bob", "hello two")
    assert await texts(house, "bob", "hello") == await texts(house, "bob", "hello", conv_id) == ["hello two"]
    assert await texts(house, "ann", "hello") == ["hello two", "hello one"]


async def test_who_joins_where_history_is_hidden_finds_what_was_said_since(house: House) -> None:
    house.forget_history()
    await house.people("ann", "dora")
    conv_id = f"group:{await house.group('ann')}"
    await house.say("ann", conv_id, "hello before")
    await house.group_door.join("dora", conv_id.removeprefix("group:"))
    await house.say("ann", conv_id, "hello after")
    assert await texts(house, "dora", "hello") == ["hello after"]


async def test_a_conversation_of_others_is_not_there(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("dora")
    conv_id = (await house.say("ann", "bob", "hello")).conv_id
    for wrong in (conv_id, "nowhere"):
        with refused(ErrorCode.NOT_FOUND):
            await house.search.search("dora", "hello", wrong, 10)
    assert await texts(house, "dora", "hello") == []


@pytest.mark.parametrize("q", ["", "  ", "!?", "x" * 101])
async def test_a_question_has_a_word_and_is_not_too_long(house: House, q: str) -> None:
    with refused(ErrorCode.INVALID):
        await house.search.search("ann", q, None, 10)
    assert await texts(house, "ann", "x" * 100) == []


async def test_very_many_conversations_are_searched_in_parts(house: House) -> None:
    await house.people("ann")
    for number in range(450):
        await house.conversations.create(c2c("ann", f"u{number:03}", created_at=1))
    await house.befriend("ann", "u000", "u449")
    await house.say("ann", "u000", "hello first")
    await house.say("ann", "u449", "hello last")
    house.calls.clear()
    assert await texts(house, "ann", "hello") == ["hello last", "hello first"]
    assert house.calls["SearchIndex.find"] == 3


async def test_hits_that_are_nothing_do_not_hide_what_is_behind_them(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob", "abc 好世界 abc")
    for _ in range(7):
        await house.say("ann", "bob", "世界真好世道")  # the pairs of it, in another order
    assert await texts(house, "ann", "好世界", limit=2) == ["abc 好世界 abc"]
    assert len(await texts(house, "ann", "世", limit=1_000)) == 8 < MAX_LIMIT


# the indexer


async def test_the_index_follows_by_itself_a_moment_later(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    async with house.indexer.running():
        await house.clock.until_asleep()
        conv_id = (await house.say("ann", "bob", "hello")).conv_id
        assert await house.index.position() == 0, "sending does not wait for it"
        house.clock.advance(BEAT_SECONDS)
        await house.clock.until_asleep()
        assert len(await house.index.find([conv_id], [], None, 10)) == 1


async def test_what_is_left_to_index_is_indexed_without_a_beat_in_between(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    for number in range(300):
        await house.say("ann", "bob", f"hello {number}")
    async with house.indexer.running():
        await house.clock.until_asleep()
        house.clock.advance(BEAT_SECONDS)
        for _ in range(2):  # each step takes no time here, and so does the rest after it
            await house.clock.until_asleep()
            house.clock.advance(0)
        await house.clock.until_asleep()
        assert await house.index.position() == 300


async def test_the_index_waits_for_a_database_that_is_down(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob", "hello")
    house.failures["SearchIndex.write"] = [StoreDown("the disk is full")]
    async with house.indexer.running():
        for position in (0, 1):
            await house.clock.until_asleep()
            house.clock.advance(BEAT_SECONDS)
            await house.clock.until_asleep()
            assert await house.index.position() == position


async def test_an_index_that_takes_nothing_is_still_asked_for_what_it_has(house: House) -> None:
    """As on a full disk: nothing is said any more then, and it was behind by seconds when that began."""
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob", "hello one")
    await house.indexer.catch_up()
    await house.say("ann", "bob", "hello two")
    house.failures["SearchIndex.write"] = [StoreDown("the disk is full")]
    assert await texts(house, "bob", "hello") == ["hello one"]
    assert await texts(house, "bob", "hello") == ["hello two", "hello one"]


async def test_an_index_that_cannot_be_asked_answers_nobody(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob", "hello")
    house.failures["SearchIndex.position"] = [StoreDown("it is gone")]
    house.failures["SearchIndex.find"] = [StoreDown("it is gone")]
    with pytest.raises(StoreDown):
        await texts(house, "bob", "hello")


async def test_what_was_not_indexed_before_a_crash_is_indexed_after_it(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    for number in range(300):
        sent = await house.say("ann", "bob", f"hello {number}")
        if number == 200:
            await house.indexer.catch_up()
    await house.desk.recall(ANN, sent.conv_id, sent.server_msg_id)
    house.indexer = SearchIndexer(house.tail, house.index, house.clock)  # a node that starts
    house.calls.clear()
    await house.indexer.catch_up()
    assert await house.index.position() == 300
    assert house.calls["LogTail.after"] <= 2, "from where it was, not from the beginning"
    assert await texts(house, "ann", "299") == []
    assert len(await texts(house, "ann", "hello", limit=200)) == 200


async def test_an_index_of_another_log_is_made_anew(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob", "hello")
    await house.index.write([], 1_000)
    async with house.indexer.running():
        assert await texts(house, "ann", "hello") == ["hello"]


async def test_one_who_searches_waits_for_so_many_messages_only(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0

    async def endless() -> bool:
        nonlocal steps
        steps += 1
        return True

    monkeypatch.setattr(house.indexer, "step", endless)
    await house.indexer.catch_up()
    assert steps == MOST_FOR_A_SEARCH // 128


async def test_a_message_changed_while_it_is_indexed_is_found_as_it_is(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    sent = await house.say("ann", "bob", "old")
    house.held["SearchIndex.write"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.indexer.catch_up())
        await asyncio.wait([tasks.create_task(edit(house, sent.conv_id, sent.server_msg_id))])
        house.held["SearchIndex.write"].set()
    assert await texts(house, "bob", "old") == []
    assert await texts(house, "bob", "new") == ["new words"]


async def test_a_send_asks_nothing_of_the_index(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.say("ann", "bob", "hello")
    await house.behind.flush()
    assert not [name for name in house.calls if name.startswith(("SearchIndex", "LogTail"))]
