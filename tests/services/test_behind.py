"""What is derived is written behind; a group that goes on talking costs a row per member only now and then."""

from __future__ import annotations

import asyncio

import pytest

from goim.errors import StoreDown
from goim.model.conversations import c2c
from goim.model.messages import Draft, Sent
from goim.services.behind import AT_ONCE, GROUP_REST_SECONDS
from tests.services.house import House, open_house  # noqa: F401

STEP = "Conversations.bump_members"


async def group_of(house: House, *members: str) -> str:
    await house.friends_of_each_other("ann", *members)
    return f"group:{await house.group('ann', *members)}"


async def talk(house: House, conv_id: str, times: int = 1) -> None:
    """Say something and let it be written, so many times within a rest."""
    for _ in range(times):
        house.clock.advance(0.1)
        await house.say("ann", conv_id)
        await house.behind.flush()


async def moved_at(house: House, user_id: str, conv_id: str) -> int:
    entry = await house.conversations.entry(user_id, conv_id)
    assert entry is not None
    return entry.updated_at


async def test_a_group_moves_up_at_once_and_then_once_after_each_rest(house: House) -> None:
    conv_id = await group_of(house, "bob")
    await talk(house, conv_id)
    assert await moved_at(house, "bob", conv_id) == house.clock.now_ms()
    await talk(house, conv_id, 20)
    assert house.calls[STEP] == 1
    last = house.clock.now_ms()
    house.clock.advance(GROUP_REST_SECONDS)
    await house.behind.flush()
    assert house.calls[STEP] == 2
    assert await moved_at(house, "bob", conv_id) == last
    house.clock.advance(GROUP_REST_SECONDS)
    await talk(house, conv_id)
    assert house.calls[STEP] == 3, "it has rested: at once"


async def test_who_asks_for_their_list_finds_a_group_that_talks_in_its_place(house: House) -> None:
    conv_id = await group_of(house, "bob", "cleo")
    await talk(house, conv_id)
    house.clock.advance(1)
    await house.say("bob", "cleo")
    await talk(house, conv_id, 2)
    cleo = (await house.list.page("cleo", None, 50)).conversations
    assert [view.conv_id for view in cleo] == [conv_id, "c2c:bob:cleo"]
    assert await moved_at(house, "cleo", conv_id) == house.clock.now_ms()
    assert await moved_at(house, "bob", conv_id) < house.clock.now_ms(), "others wait for the end of the rest"


async def test_at_the_end_nothing_waits_any_more(house: House) -> None:
    conv_id = await group_of(house, "bob")
    async with house.behind.running():
        await talk(house, conv_id, 2)
    assert await moved_at(house, "bob", conv_id) == house.clock.now_ms()


async def test_what_the_database_did_not_take_is_written_later(house: House) -> None:
    conv_id = await group_of(house, "bob")
    house.failures[STEP] = [StoreDown("away")]
    await house.say("ann", conv_id)
    with pytest.raises(StoreDown):
        await house.behind.flush()
    await house.behind.flush()
    assert await moved_at(house, "bob", conv_id) == house.clock.now_ms()


async def test_much_is_written_a_part_at_a_time(house: House) -> None:
    for number in range(2 * AT_ONCE + 1):
        pair = c2c("ann", f"b{number}")
        draft = Draft(pair, "ann", f"m{number}", "text", '{"text":""}')
        place = Sent(1, house.clock.now_ms(), False)
        house.behind.sent([(draft, place)], {(pair.conv_id, "ann"): (1, place.timestamp)})
    bumps, rises = house.calls["Conversations.bump"], house.calls["Receipts.advance"]
    await house.behind.flush()
    assert house.calls["Conversations.bump"] - bumps == 3
    assert house.calls["Receipts.advance"] - rises == 3


async def test_what_is_said_is_written_within_100_ms_then_twice_a_second_and_at_rest_nobody_even_looks(
    house: House,
) -> None:
    await house.friends_of_each_other("ann", "bob")
    begun = house.calls["Conversations.bump"]
    async with house.behind.running():
        for tenth in range(20):
            await house.say("ann", "bob")
            await house.clock.until_asleep()
            house.clock.advance(0.1001)
            await house.clock.until_asleep()
            assert house.calls["Conversations.bump"] - begun == tenth // 5 + 1
        await quiet(house)
        assert house.calls["Conversations.bump"] - begun == 5
        assert house.clock.sleepers == 0


async def quiet(house: House) -> None:
    """Let the time pass that was asked for, until none is any more."""
    while house.clock.sleepers:
        house.clock.advance(1)
        await asyncio.sleep(0)  # noqa: TID251 who was woken runs
        await house.behind.flush()


async def test_a_store_that_takes_nothing_keeps_nobody_from_their_list(house: House) -> None:
    """As a full disk does: the order may be an older one, what is shown as a number is not."""
    await house.friends_of_each_other("ann", "bob", "cleo")
    for peer in ("bob", "cleo"):
        await house.say("ann", peer)
    await house.behind.flush()
    house.clock.advance(1)
    await house.say("ann", "bob")
    house.failures["Conversations.bump"] = [StoreDown("the disk is full")]
    stale, now = [(await house.list.page("ann", None, 50)).conversations for _ in range(2)]
    assert [(view.conv_id, view.last_seq) for view in stale] == [("c2c:ann:cleo", 1), ("c2c:ann:bob", 2)]
    assert [view.conv_id for view in now] == ["c2c:ann:bob", "c2c:ann:cleo"]
