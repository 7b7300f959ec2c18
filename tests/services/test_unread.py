"""How much waits, and reading it all at once."""

from __future__ import annotations

import asyncio

from goim.errors import ErrorCode, GoimError, StoreDown
from goim.services.unread import AllRead, UnreadSummary
from tests.services.house import House, open_house  # noqa: F401


async def backlog(house: House, conversations: int, each: int = 1) -> list[str]:
    """So many people have written to ann; the conversations' ids."""
    peers = [f"user{number:03}" for number in range(conversations)]
    await house.people("ann", *peers)
    await house.befriend("ann", *peers)
    return [(await house.say(peer, "ann")).conv_id for peer in peers for _ in range(each)][::each]


async def test_the_sum_is_over_all_conversations_muted_ones_apart(house: House) -> None:
    ids = await backlog(house, 3, each=2)
    await house.list.mute("ann", ids[0], muted=True)
    await house.say("ann", "user001")
    await house.book.mark_read_now("ann", ids[2], 1)
    assert await house.unread().summary("ann") == UnreadSummary(total_unread=1, muted_unread=2)
    assert await house.unread().summary("user001") == UnreadSummary(total_unread=1, muted_unread=0)
    assert await house.unread().summary("nobody") == UnreadSummary(total_unread=0, muted_unread=0)


async def test_the_sum_goes_on_where_a_list_would_end(house: House) -> None:
    await backlog(house, 520)
    assert (await house.unread().summary("ann")).total_unread == 520


async def test_what_is_deleted_does_not_wait(house: House) -> None:
    ids = await backlog(house, 2, each=3)
    await house.list.delete("ann", ids[0])
    assert (await house.unread().summary("ann")).total_unread == 3
    await house.say("user000", "ann")
    assert (await house.unread().summary("ann")).total_unread == 4


async def test_everything_is_read_stored_and_told(house: House) -> None:
    ids = await backlog(house, 5, each=2)
    await house.book.mark_read_now("ann", ids[4], 2)
    ann, peer = await house.phone("ann"), await house.phone("user003")
    assert await house.unread(chunk_size=2, concurrency=2).mark_all_read("ann") == AllRead(conversations=4, failed=0)
    assert await house.unread().summary("ann") == UnreadSummary(total_unread=0, muted_unread=0)
    assert await house.receipts.of(hers := [(each, "ann") for each in ids]) == dict.fromkeys(hers, 2)
    assert peer.take("read") == [{"convId": ids[3], "userId": "ann", "seq": 2}]
    assert sorted(push["convId"] for push in ann.take("read")) == ids[:4]
    assert await house.unread().mark_all_read("ann") == AllRead(conversations=0, failed=0)


async def test_chunks_are_written_together(house: House) -> None:
    await backlog(house, 300)
    await house.behind.flush()
    house.calls.clear()
    result = await house.unread(chunk_size=100, concurrency=1).mark_all_read("ann")
    assert result.conversations == 300
    assert house.calls["Receipts.advance"] == 3


async def test_no_more_chunks_at_once_than_configured(house: House) -> None:
    await backlog(house, 8)
    at_once: list[int] = []
    running = 0
    read = house.book.mark_read_now

    async def watched(user_id: str, conv_id: str, seq: int) -> int:
        nonlocal running
        running += 1
        at_once.append(running)
        try:
            return await read(user_id, conv_id, seq)
        finally:
            running -= 1

    house.book.mark_read_now = watched  # type: ignore[method-assign]
    await house.unread(chunk_size=2, concurrency=3).mark_all_read("ann")
    assert max(at_once) == 6


async def test_what_fails_is_tried_again_after_a_pause(house: House) -> None:
    ids = await backlog(house, 3)
    await house.behind.flush()
    house.failures["Receipts.advance"] = [StoreDown("away"), StoreDown("away")]
    reading = house.tasks.start(check_all_read(house, AllRead(conversations=3, failed=0)))
    for _ in range(2):
        await house.clock.until_asleep()
        house.clock.advance(10)
    await reading
    assert await house.receipts.of(hers := [(each, "ann") for each in ids]) == dict.fromkeys(hers, 1)


async def check_all_read(house: House, wanted: AllRead) -> None:
    assert await house.unread(retry=2).mark_all_read("ann") == wanted


async def test_what_goes_on_failing_is_counted(house: House) -> None:
    await backlog(house, 3)
    await house.behind.flush()
    house.failures["Receipts.advance"] = [StoreDown("away")] * 3
    reading = house.tasks.start(check_all_read(house, AllRead(conversations=0, failed=3)))
    for _ in range(2):
        await house.clock.until_asleep()
        house.clock.advance(10)
    await reading
    assert (await house.unread().summary("ann")).total_unread == 3


async def test_a_conversation_left_meanwhile_is_no_failure(house: House) -> None:
    await backlog(house, 2)

    async def gone(user_id: str, conv_id: str, seq: int) -> int:
        raise GoimError(ErrorCode.NOT_FOUND, "no such conversation")

    house.book.mark_read_now = gone  # type: ignore[method-assign]
    assert await house.unread().mark_all_read("ann") == AllRead(conversations=0, failed=0)


async def test_what_many_have_read_at_once_is_asked_for_at_once(house: House) -> None:
    """Where other nodes may have raised a watermark, it is looked up each time."""
    ids = await backlog(house, 9)
    house.log.is_shared = lambda: True
    for seq in (1, 2):
        for number in range(9):
            await house.say(f"user{number:03}", "ann")
        house.calls.clear()
        marks = [("ann", each) for each in ids] + [(f"user{number:03}", each) for number, each in enumerate(ids)]
        await asyncio.gather(*(house.book.mark_read_now(user_id, conv_id, seq) for user_id, conv_id in marks))
        assert house.calls["Receipts.of"] == 1
        assert house.calls["Messages.last_seqs"] == 1
