"""Streams: one message that grows, is seen growing, belongs to one person, and always ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from msgspec import Raw

from goim.bus.memory import MemoryBus
from goim.errors import ErrorCode, GoimError, StoreDown
from goim.notices import StreamWanted
from goim.protocol.replies import StreamStartedData
from goim.protocol.requests import SendData, SyncConv
from goim.ratelimit.memory import MemoryRateLimiter
from goim.services import streams
from tests.services.house import Held, House, Phone, open_house, refused

__all__ = ["open_house"]
BURST = 40


async def begin(house: House, owner: str, to: str, text: str = "", client_msg_id: str = "s1") -> StreamStartedData:
    data = SendData(type="stream", payload=Raw(b'{"text":"%s"}' % text.encode()), to=to, client_msg_id=client_msg_id)
    return await house.streams.start(Phone(owner, "pen"), data)


async def feed(house: House, owner: str, stream_id: str, *deltas: str) -> None:
    pen = Phone(owner, "pen")
    for delta in deltas:
        if not house.streams.is_cleared(pen, stream_id):
            await house.streams.clear(pen, stream_id)
        house.streams.chunk(pen, stream_id, delta)


async def last_message(house: House, user_id: str, conv_id: str) -> Any:
    return (await house.history.before(user_id, conv_id, None, 1)).messages[-1]


async def test_a_stream_is_one_message_that_everybody_sees_grow_and_end(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    bob = await house.phone("bob")
    begun = await begin(house, "ann", "bob", "Once")
    (message,) = bob.take("message")
    assert (message["streamId"], message["streamStatus"], message["seq"]) == (begun.stream_id, "streaming", 1)
    await feed(house, "ann", begun.stream_id, " upon", " a time")
    assert [(push["index"], push["delta"]) for push in bob.take("stream_chunk")] == [(1, " upon"), (2, " a time")]
    ended = await house.streams.end(Phone("ann", "pen"), begun.stream_id, None, None)
    (end,) = bob.take("stream_end")
    assert (end["text"], end["streamStatus"], end["change"]) == ("Once upon a time", "done", ended.change)
    assert await house.log.last_seqs([begun.conv_id]) == {begun.conv_id: 1}


async def test_nothing_is_said_any_more_of_a_stream_that_has_expired(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    bob = await house.phone("bob")
    soon = house.clock.now_ms() + 5000
    data = SendData(type="stream", payload=Raw(b'{"text":"a"}'), to="bob", expire_at_ms=soon)
    begun = await house.streams.start(Phone("ann", "pen"), data)
    await feed(house, "ann", begun.stream_id, "b")
    assert [push["delta"] for push in bob.take("stream_chunk")] == ["b"]
    house.clock.advance(5)
    for _ in range(2):
        with refused(ErrorCode.STREAM_STATE):
            await feed(house, "ann", begun.stream_id, "c")
        with refused(ErrorCode.STREAM_STATE):
            await house.streams.end(Phone("ann", "pen"), begun.stream_id, "all of it", None)
    assert bob.take("stream_chunk") + bob.take("stream_end") == []


async def test_nobody_is_told_how_a_stream_ends_that_has_expired_while_its_owner_is_gone(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    bob = await house.phone("bob")
    data = SendData(type="stream", payload=Raw(b'{"text":"a"}'), to="bob", expire_at_ms=house.clock.now_ms() + 5000)
    begun = await house.streams.start(Phone("ann", "pen"), data)
    for _ in range(2):
        await house.streams.end_abandoned()
        house.clock.advance(60)
    await house.streams.end_abandoned()
    await house.streams.save()
    assert bob.take("stream_end") == []
    assert await house.pending.due("stream", house.clock.now_ms(), 10) == [], begun.stream_id


async def test_who_comes_late_sees_the_text_so_far_with_its_index(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "a")
    await feed(house, "ann", begun.stream_id, "b", "c")
    message = await last_message(house, "bob", begun.conv_id)
    assert (bytes(message.payload), message.stream_status, message.stream_index) == (b'{"text":"abc"}', "streaming", 2)
    (synced,) = await house.history.sync("bob", [SyncConv(begun.conv_id)], 10)
    assert bytes(synced.messages[0].payload or b"") == b'{"text":"abc"}'


async def test_a_final_text_replaces_what_was_streamed_and_an_error_makes_it_failed(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "draft")
    await house.streams.end(Phone("ann", "pen"), begun.stream_id, "final", "model overloaded")
    message = await last_message(house, "bob", begun.conv_id)
    assert (bytes(message.payload), message.stream_status) == (b'{"text":"final"}', "failed")


async def test_only_the_owner_feeds_and_ends_a_stream(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob")
    bob = Phone("bob", "pen")
    with refused(ErrorCode.NOT_FOUND):
        house.streams.is_cleared(bob, begun.stream_id)
    with refused(ErrorCode.NOT_FOUND):
        house.streams.chunk(bob, begun.stream_id, "x")
    with refused(ErrorCode.NOT_FOUND):
        await house.streams.end(bob, begun.stream_id, None, None)
    with refused(ErrorCode.NOT_FOUND):
        await house.streams.end(bob, "nothing-1", None, None)


async def test_an_ended_stream_takes_no_more(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob")
    ann = Phone("ann", "pen")
    await house.streams.end(ann, begun.stream_id, None, None)
    with refused(ErrorCode.STREAM_STATE):
        house.streams.chunk(ann, begun.stream_id, "x")
    with refused(ErrorCode.STREAM_STATE):
        await house.streams.end(ann, begun.stream_id, None, None)


async def test_a_recalled_stream_ends_as_recalled(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "secret")
    ann = Phone("ann", "pen")
    recalled = await house.desk.recall(ann, begun.conv_id, begun.server_msg_id)
    with refused(ErrorCode.STREAM_STATE):
        house.streams.chunk(ann, begun.stream_id, "x")
    ended = await house.streams.end(ann, begun.stream_id, "more secrets", None)
    assert ended.change == recalled.change
    message = await last_message(house, "bob", begun.conv_id)
    assert (message.recalled, message.payload) == (True, None)


async def test_begun_twice_is_begun_once(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    first = await begin(house, "ann", "bob", "a")
    await feed(house, "ann", first.stream_id, "b")
    again = await begin(house, "ann", "bob", "a")
    assert (again.stream_id, again.seq, again.duplicate) == (first.stream_id, first.seq, True)
    message = await last_message(house, "bob", first.conv_id)
    assert bytes(message.payload) == b'{"text":"ab"}'


async def test_one_person_has_so_many_streams_at_once_and_no_more_until_one_is_over(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = [await begin(house, "ann", "bob", client_msg_id=name) for name in ("s1", "s2", "s3")]
    with pytest.raises(GoimError) as error:
        await begin(house, "ann", "bob", client_msg_id="s4")
    assert (error.value.code, error.value.retry_after_ms) == (ErrorCode.RATE_LIMIT, 1000)
    assert await house.log.last_seqs([begun[0].conv_id]) == {begun[0].conv_id: 3}, "nothing is stored"
    assert (await begin(house, "ann", "bob", client_msg_id="s2")).duplicate, "its ack may have been lost"
    await begin(house, "bob", "ann", client_msg_id="of another")
    await house.streams.end(Phone("ann", "pen"), begun[0].stream_id, None, None)
    await begin(house, "ann", "bob", client_msg_id="s4")
    with refused(ErrorCode.RATE_LIMIT):
        await begin(house, "ann", "bob", client_msg_id="s5")
    await house.desk.recall(Phone("ann", "pen"), begun[1].conv_id, begun[1].server_msg_id)
    await begin(house, "ann", "bob", client_msg_id="s5")


async def test_streams_are_bounded_in_bytes_and_rate(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob")
    with refused(ErrorCode.TOO_LARGE):
        await feed(house, "ann", begun.stream_id, "x" * 1001)
    await feed(house, "ann", begun.stream_id, *["x"] * 400)
    with refused(ErrorCode.RATE_LIMIT):
        await feed(house, "ann", begun.stream_id, "x")
    house.clock.advance(1)
    await feed(house, "ann", begun.stream_id, *["y"] * 200)
    with refused(ErrorCode.TOO_LARGE):
        await house.streams.end(Phone("ann", "pen"), begun.stream_id, "z" * 1001, None)


async def test_who_may_no_longer_write_there_may_not_feed_either(house: House) -> None:
    await house.people("ann", "bob")
    group = await house.group("ann")
    await house.group_door.join("bob", group)
    data = SendData(type="stream", payload=Raw(b'{"text":""}'), group_id=group)
    begun = await house.streams.start(Phone("bob", "pen"), data)
    await feed(house, "bob", begun.stream_id, "fine")
    await house.group_desk.kick("ann", group, "bob")
    with refused(ErrorCode.NOT_FOUND):
        await feed(house, "bob", begun.stream_id, "not fine")


@pytest.mark.parametrize(("final", "error"), [("more to say", None), (None, "more to say"), ("more", "to say")])
async def test_who_may_no_longer_write_there_does_not_say_more_by_ending_it(
    house: House, final: str | None, error: str | None
) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "bob", "ann", "so far")
    screen, pen = await house.phone("ann"), await house.phone("bob")
    await house.blocks.add("ann", "bob", 1)
    await house.access.relation_changed("ann", "bob")
    with refused(ErrorCode.BLOCKED):
        await house.streams.end(pen, begun.stream_id, final, error)
    for phone in (screen, pen):
        (end,) = phone.take("stream_end")
        assert (end["text"], end["streamStatus"], end["error"]) == ("so far", "failed", "not_allowed")


@pytest.mark.parametrize("final", [None, "so far, and on"])
async def test_who_may_no_longer_write_there_may_end_it_as_it_has_grown(house: House, final: str | None) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "bob", "ann", "so far")
    await feed(house, "bob", begun.stream_id, ", and on")
    await house.blocks.add("ann", "bob", 1)
    await house.access.relation_changed("ann", "bob")
    await house.streams.end(Phone("bob", "pen"), begun.stream_id, final, None)
    message = await last_message(house, "ann", begun.conv_id)
    assert (bytes(message.payload), message.stream_status) == (b'{"text":"so far, and on"}', "done")


async def test_a_stream_whose_owner_is_gone_ends_as_failed_with_what_there_is(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    ann, bob = await house.phone("ann"), await house.phone("bob")
    begun = await begin(house, "ann", "bob", "half")
    await house.streams.end_abandoned()
    house.clock.advance(61)
    await house.streams.end_abandoned()
    assert bob.take("stream_end") == []
    house.delivery.detach(ann)
    await house.streams.end_abandoned()
    house.clock.advance(59)
    await house.streams.end_abandoned()
    assert bob.take("stream_end") == []
    house.clock.advance(1)
    await house.streams.end_abandoned()
    (end,) = bob.take("stream_end")
    assert (end["streamId"], end["text"], end["streamStatus"]) == (begun.stream_id, "half", "failed")


async def test_a_node_that_comes_back_takes_up_what_was_saved(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "one")
    await feed(house, "ann", begun.stream_id, " two")
    await house.streams.save()
    await feed(house, "ann", begun.stream_id, " lost")
    other = house.new_streams()
    async with other.running():
        other.chunk(Phone("ann", "pen"), begun.stream_id, " three")
        await other.end(Phone("ann", "pen"), begun.stream_id, None, None)
    message = await last_message(house, "bob", begun.conv_id)
    assert bytes(message.payload) == b'{"text":"one two three"}'
    assert await house.pending.of_sender("stream", begun.conv_id, "ann") == {}


async def test_a_stream_that_is_being_stored_while_others_are_looked_for_ends_after_a_crash(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    held = house.held["Pending.put"] = Held()
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(begin(house, "ann", "bob", "one"))
        await held.reached.wait()
        await house.streams.take_up_orphans()
        held.set()
    conv_id = starting.result().conv_id
    await house.pending.put("stream", (conv_id, "ann", "never-sent"), house.clock.now_ms())
    house.clock.advance(3600)
    async with house.new_streams().running():
        assert list(await house.pending.of_sender("stream", conv_id, "ann")) == [(conv_id, "ann", "s1")]


async def test_a_stream_that_goes_to_another_node_while_others_are_looked_for_is_still_ended_there(
    house: House,
) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "one")
    other = house.new_streams()
    held = house.held["Pending.due"] = Held(after=1)
    await house.pending.put("stream", (begun.conv_id, "ann", "never-sent"), house.clock.now_ms())
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(other.take_up_orphans())
        await held.reached.wait()
        other._give(StreamWanted(begun.stream_id))
        held.set()
        await looking
    assert (begun.conv_id, "ann", "s1") in await house.pending.of_sender("stream", begun.conv_id, "ann")


async def test_who_feeds_streams_that_are_not_there_asks_the_database_once_each_and_no_more_than_they_may_send(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryBus, "has_company", True)
    house.streams._notices = house.notices  # another node might have it
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "mine")
    house.messages._limiter = MemoryRateLimiter(house.clock, per_second=1, burst=BURST)
    house.calls.clear()
    for _ in range(100):
        with refused(ErrorCode.NOT_FOUND):
            await feed(house, "ann", "nowhere-1", "x")
        with refused(ErrorCode.NOT_FOUND):
            await feed(house, "bob", begun.stream_id, "x")
    assert house.calls["Pending.due"] == 1, "what another one feeds here is known without asking"
    answers: Counter[ErrorCode] = Counter()
    for number in range(2, 1_000):
        with pytest.raises(GoimError) as refusal:
            await feed(house, "ann", f"nowhere-{number}", "x")
        answers[refusal.value.code] += 1
    assert house.calls["Pending.due"] == 1 + answers[ErrorCode.NOT_FOUND] <= BURST
    assert answers.keys() == {ErrorCode.NOT_FOUND, ErrorCode.RATE_LIMIT}
    await feed(house, "ann", begun.stream_id, " goes on")


async def test_a_node_that_stood_still_does_not_undo_the_end_that_another_gave_a_stream(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryBus, "has_company", True)
    house.streams._notices = house.notices
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "one")
    other = house.new_streams()
    async with other.running():
        await other.end(Phone("ann", "pen"), begun.stream_id, None, "abandoned")
    await feed(house, "ann", begun.stream_id, " late")
    await house.streams.save()
    message = await last_message(house, "bob", begun.conv_id)
    assert (message.stream_status, bytes(message.payload)) == ("failed", b'{"text":"one"}')
    with refused(ErrorCode.STREAM_STATE):
        await feed(house, "ann", begun.stream_id, " later")


async def test_a_stream_is_not_sent_as_a_plain_message(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    data = SendData(type="stream", payload=Raw(b'{"text":""}'), to="bob")
    with refused(ErrorCode.INVALID):
        await house.messages.send_now(Phone("ann", "pen"), data)
    text = SendData(type="text", payload=Raw(b'{"text":""}'), to="bob")
    with refused(ErrorCode.INVALID):
        await house.streams.start(Phone("ann", "pen"), text)


def hold_saves(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Let what has grown wait before it is stored: the first says that something waits, the second lets it go on."""
    waits, go_on = asyncio.Event(), asyncio.Event()
    overwrite = house.streams._table.overwrite

    async def slow(*args: Any) -> bool:
        waits.set()
        await go_on.wait()
        return await overwrite(*args)

    monkeypatch.setattr(house.streams._table, "overwrite", slow)
    return waits, go_on


async def test_what_is_saved_while_a_stream_ends_does_not_undo_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_AT_ONCE", 1)  # the second waits until the first is saved
    await house.friends_of_each_other("ann", "bob")
    begun = [await begin(house, "ann", "bob", "so far", f"s{number}") for number in (1, 2)]
    for stream in begun:
        await feed(house, "ann", stream.stream_id, " more")
    overwrite = house.streams._table.overwrite
    written, go_on = hold_saves(house, monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.streams.save())
        await written.wait()
        monkeypatch.setattr(house.streams._table, "overwrite", overwrite)
        await house.streams.end(Phone("ann", "pen"), begun[1].stream_id, "the end", None)
        tasks.create_task(house.streams.end(Phone("ann", "pen"), begun[0].stream_id, "the end", None))
        go_on.set()
    for message in (await house.history.before("bob", begun[0].conv_id, None, 2)).messages:
        assert (bytes(message.payload or b""), message.stream_status) == (b'{"text":"the end"}', "done")


async def test_streams_are_saved_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = [await begin(house, "ann", "bob", "so far", f"s{number}") for number in range(3)]
    for stream in begun:
        await feed(house, "ann", stream.stream_id, " more")
    under_way, all_there = 0, asyncio.Event()
    overwrite = house.streams._table.overwrite

    async def together(*args: Any) -> bool:
        nonlocal under_way
        under_way += 1
        if under_way == len(begun):
            all_there.set()
        await all_there.wait()  # for ever, if they were saved one after another
        return await overwrite(*args)

    monkeypatch.setattr(house.streams._table, "overwrite", together)
    await house.streams.save()
    (row, *_) = await house.table.after(begun[0].conv_id, 0, 1, 0)
    assert row.payload == '{"text":"so far more"}'


async def test_what_could_not_be_saved_is_saved_later(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "one")
    await feed(house, "ann", begun.stream_id, " two")
    house.failures["Messages.overwrite"] = [StoreDown("away")]
    with pytest.raises(StoreDown):
        await house.streams.save()
    await house.streams.save()
    (row,) = await house.table.after(begun.conv_id, 0, 1, 0)
    assert row.payload == '{"text":"one two"}'


async def test_what_is_saved_late_does_not_undo_the_end_that_another_node_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner went to another node while this one was about to save, or this one stood still and was taken for
    dead."""
    await house.friends_of_each_other("ann", "bob")
    begun = await begin(house, "ann", "bob", "so far")
    await feed(house, "ann", begun.stream_id, " more")
    about_to_write, go_on = hold_saves(house, monkeypatch)
    other = house.new_streams()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.streams.save())
        await about_to_write.wait()
        await other.take_up_orphans()
        await other.end(Phone("ann", "pen"), begun.stream_id, "the end", None)
        go_on.set()
    message = await last_message(house, "bob", begun.conv_id)
    assert (bytes(message.payload), message.stream_status) == (b'{"text":"the end"}', "done")
    with refused(ErrorCode.STREAM_STATE):
        house.streams.chunk(Phone("ann", "pen"), begun.stream_id, "x")
