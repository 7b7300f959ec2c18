"""Conversations, their lines in everybody's list and receipts, on every database."""

from __future__ import annotations

import asyncio

import pytest

from goim.model.conversations import Activity, Entry, Receipt, c2c
from goim.model.groups import Group, Member, Role
from goim.stores.base import Taken
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401

Nodes = tuple[Stores, Stores]

PAIR = c2c("ann", "bob", created_at=1_000)


def receipt(user_id: str, seq: int, *, conv_id: str = PAIR.conv_id, read_at: int = 1_000) -> Receipt:
    return Receipt(conv_id=conv_id, user_id=user_id, seq=seq, read_at=read_at)


async def talk(stores: Stores, conv_id: str, updated_at: int) -> None:
    """A conversation of ann's with somebody, in her list at this time."""
    await stores.conversations.create(c2c("ann", f"peer-{conv_id}", conv_id=conv_id, created_at=updated_at))


async def listed(stores: Stores, user_id: str = "ann") -> list[tuple[str, int]]:
    return [(each.conv.conv_id, each.updated_at) for each in await stores.conversations.entries(user_id, None, 100)]


async def line(stores: Stores, user_id: str, conv_id: str = PAIR.conv_id) -> Entry:
    entry = await stores.conversations.entry(user_id, conv_id)
    assert entry is not None
    return entry


async def test_a_pairs_conversation_is_stored_with_a_line_for_both(stores: Stores) -> None:
    assert await stores.conversations.create(PAIR) == PAIR
    assert await stores.conversations.get("c2c:ann:bob") == PAIR
    assert await stores.conversations.by_subject("c2c:ann:bob") == PAIR
    for user_id in ("ann", "bob"):
        assert await stores.conversations.entries(user_id, None, 10) == [Entry(conv=PAIR, updated_at=1_000)]
    assert await stores.conversations.get("c2c:ann:cleo") is None
    assert await stores.conversations.by_subject("c2c:ann:cleo") is None
    assert await stores.conversations.entry("cleo", PAIR.conv_id) is None


async def test_a_chosen_id_is_found_by_its_pair(stores: Stores) -> None:
    chosen = c2c("bob", "ann", conv_id="c1", created_at=1_000)
    await stores.conversations.create(chosen)
    assert await stores.conversations.by_subject("c2c:ann:bob") == chosen
    assert await stores.conversations.get("c1") == chosen
    assert await stores.conversations.get("c2c:ann:bob") is None


async def test_a_pair_that_has_one_gets_it_again_as_it_is(stores: Stores) -> None:
    await stores.conversations.create(PAIR)
    await stores.conversations.set_entry("ann", PAIR.conv_id, {"pinned": True, "updated_at": 7_000})
    assert await stores.conversations.create(c2c("bob", "ann", conv_id="c1", created_at=9_000)) == PAIR
    assert await stores.conversations.get("c1") is None
    assert await line(stores, "ann") == Entry(conv=PAIR, pinned=True, updated_at=7_000)


async def test_an_id_of_another_pair_is_taken_and_nothing_is_stored(stores: Stores) -> None:
    await stores.conversations.create(c2c("ann", "bob", conv_id="c1", created_at=1_000))
    with pytest.raises(Taken):
        await stores.conversations.create(c2c("ann", "cleo", conv_id="c1", created_at=2_000))
    assert await stores.conversations.by_subject("c2c:ann:cleo") is None
    assert await listed(stores, "cleo") == []
    assert await listed(stores) == [("c1", 1_000)]


async def test_many_who_start_the_same_conversation_at_once_get_the_same(nodes: Nodes) -> None:
    starts = [
        nodes[n % 2].conversations.create(c2c("ann", "bob", conv_id=f"c{n}", created_at=1 + n)) for n in range(20)
    ]
    first, *others = await asyncio.gather(*starts)
    assert others == [first] * 19
    assert await nodes[0].conversations.by_subject("c2c:ann:bob") == first
    assert await listed(nodes[1], "bob") == [(first.conv_id, first.created_at)]


async def test_of_many_pairs_that_want_one_id_at_once_one_gets_it(nodes: Nodes) -> None:
    starts = [nodes[n % 2].conversations.create(c2c("ann", f"u{n}", conv_id="c1", created_at=1)) for n in range(20)]
    results = await asyncio.gather(*starts, return_exceptions=True)
    assert sum(isinstance(result, Taken) for result in results) == 19
    assert await nodes[0].conversations.get("c1") in results


async def test_the_list_is_pinned_first_then_latest_then_by_id(stores: Stores) -> None:
    for conv_id, updated_at in (("a", 1_000), ("b", 3_000), ("c", 2_000), ("d", 2_000), ("e", 500), ("f", 9_000)):
        await talk(stores, conv_id, updated_at)
    for conv_id in ("a", "e"):
        await stores.conversations.set_entry("ann", conv_id, {"pinned": True})
    await stores.conversations.set_entry("ann", "f", {"updated_at": 0})
    await stores.conversations.create(c2c("bob", "cleo", conv_id="x", created_at=8_000))
    in_order = [("a", 1_000), ("e", 500), ("b", 3_000), ("d", 2_000), ("c", 2_000)]
    assert await listed(stores) == in_order


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_put_together_are_the_list(stores: Stores, limit: int) -> None:
    for number in range(9):
        await talk(stores, f"c{number}", 1_000 + number // 3)
        if number % 4 == 0:
            await stores.conversations.set_entry("ann", f"c{number}", {"pinned": True})
    whole = await stores.conversations.entries("ann", None, 100)
    pages: list[Entry] = []
    while page := await stores.conversations.entries("ann", _end_of(pages), limit):
        assert len(page) <= limit
        pages += page
    assert len(whole) == 9
    assert pages == whole


def _end_of(entries: list[Entry]) -> tuple[bool, int, str] | None:
    if not entries:
        return None
    return entries[-1].pinned, entries[-1].updated_at, entries[-1].conv.conv_id


async def test_an_entry_keeps_what_is_set_for_its_owner_alone(stores: Stores) -> None:
    await stores.conversations.create(PAIR)
    await stores.conversations.set_entry("ann", PAIR.conv_id, {"pinned": True, "muted": True, "draft": "to 'be' 明 %s"})
    assert await line(stores, "ann") == Entry(
        conv=PAIR, pinned=True, muted=True, draft="to 'be' 明 %s", updated_at=1_000
    )
    assert await line(stores, "bob") == Entry(conv=PAIR, updated_at=1_000)
    await stores.conversations.set_entry("ann", PAIR.conv_id, {"pinned": False})
    await stores.conversations.set_entry("ann", PAIR.conv_id, {})
    assert await line(stores, "ann") == Entry(conv=PAIR, muted=True, draft="to 'be' 明 %s", updated_at=1_000)


async def test_setting_an_entry_that_is_not_there_makes_none(stores: Stores) -> None:
    await stores.conversations.create(PAIR)
    await stores.conversations.set_entry("cleo", PAIR.conv_id, {"pinned": True})
    assert await stores.conversations.entry("cleo", PAIR.conv_id) is None


async def test_a_hidden_entry_is_still_there_and_a_bump_lists_it_again(stores: Stores) -> None:
    await stores.conversations.create(PAIR)
    await stores.conversations.set_entry("ann", PAIR.conv_id, {"updated_at": 0, "muted": True})
    assert await listed(stores) == []
    assert await line(stores, "ann") == Entry(conv=PAIR, muted=True, updated_at=0)
    await stores.conversations.bump([Activity(conv_id=PAIR.conv_id, user_ids=("ann", "bob"), at=2_000)])
    assert await stores.conversations.entries("ann", None, 10) == [Entry(conv=PAIR, muted=True, updated_at=2_000)]


async def test_a_bump_raises_and_never_lowers_and_makes_no_entries(stores: Stores) -> None:
    await stores.conversations.create(PAIR)
    await stores.conversations.bump(
        [
            Activity(conv_id=PAIR.conv_id, user_ids=("ann", "cleo"), at=5_000),
            Activity(conv_id=PAIR.conv_id, user_ids=("ann",), at=3_000),
            Activity(conv_id=PAIR.conv_id, user_ids=("bob",), at=900),
            Activity(conv_id="unknown", user_ids=("ann",), at=9_000),
        ]
    )
    assert await listed(stores) == [(PAIR.conv_id, 5_000)]
    assert await listed(stores, "bob") == [(PAIR.conv_id, 1_000)]
    assert await listed(stores, "cleo") == []
    await stores.conversations.bump([])


async def test_a_groups_members_are_bumped_step_by_step(stores: Stores) -> None:
    people = [Member(group_id="g1", user_id=each, role=Role.MEMBER, joined_at=1_000) for each in ("cleo", "ann", "bob")]
    await stores.groups.create(Group(group_id="g1", name="g", owner_id="ann", created_at=1_000), people)
    await stores.conversations.create(PAIR)
    await stores.conversations.bump([Activity(conv_id="group:g1", user_ids=("bob",), at=4_000)])
    assert await stores.conversations.bump_members("group:g1", 3_000, "", 2) == ["ann", "bob"]
    assert await listed(stores) == [("group:g1", 3_000), (PAIR.conv_id, 1_000)]
    assert await listed(stores, "bob") == [("group:g1", 4_000), (PAIR.conv_id, 1_000)]
    assert await listed(stores, "cleo") == [("group:g1", 1_000)]
    assert await stores.conversations.bump_members("group:g1", 3_000, "bob", 2) == ["cleo"]
    assert await listed(stores, "cleo") == [("group:g1", 3_000)]
    assert await stores.conversations.bump_members("group:g1", 5_000, "cleo", 2) == []
    assert await stores.conversations.bump_members("group:none", 5_000, "", 2) == []


async def test_what_moved_lately_is_found_for_many_people_at_once(stores: Stores) -> None:
    others = c2c("cleo", "dora", created_at=1_000)
    for conv in (PAIR, others):
        await stores.conversations.create(conv)
    await stores.conversations.bump([Activity(conv_id=PAIR.conv_id, user_ids=("ann", "bob"), at=5_000)])
    await stores.conversations.set_entry("ann", PAIR.conv_id, {"pinned": True})
    assert await stores.conversations.active_since(["ann", "bob", "cleo"], 5_000) == [PAIR]
    assert await stores.conversations.active_since(["cleo"], 5_000) == []
    found = await stores.conversations.active_since(["ann", "cleo", "nobody"], 1_000)
    assert sorted(conv.conv_id for conv in found) == sorted([PAIR.conv_id, others.conv_id])
    assert await stores.conversations.active_since([], 0) == []


async def test_of_many_bumps_at_once_the_latest_stands(nodes: Nodes) -> None:
    await nodes[0].conversations.create(PAIR)
    times = [2_000 + (number * 7) % 20 for number in range(20)]
    bumps = [
        nodes[number % 2].conversations.bump([Activity(conv_id=PAIR.conv_id, user_ids=("ann", "bob"), at=at)])
        for number, at in enumerate(times)
    ]
    await asyncio.gather(*bumps)
    assert await listed(nodes[0], "bob") == [(PAIR.conv_id, 2_019)]


async def test_a_watermark_shows_in_the_entry_and_in_both_readings(stores: Stores) -> None:
    await stores.conversations.create(PAIR)
    await talk(stores, "c2", 500)
    await stores.receipts.advance([receipt("bob", 3), receipt("ann", 12, read_at=2_000)])
    assert (await line(stores, "ann")).read_seq == 12
    assert [each.read_seq for each in await stores.conversations.entries("ann", None, 10)] == [12, 0]
    anns, bobs = (PAIR.conv_id, "ann"), (PAIR.conv_id, "bob")
    assert await stores.receipts.of([anns, bobs, ("c2", "ann"), ("unknown", "ann")]) == {anns: 12, bobs: 3}
    assert await stores.receipts.of([]) == {}
    assert await stores.receipts.of_conversation(PAIR.conv_id) == [receipt("ann", 12, read_at=2_000), receipt("bob", 3)]


async def test_a_lower_watermark_changes_nothing_not_even_the_time(stores: Stores) -> None:
    await stores.receipts.advance([receipt("ann", 12, read_at=2_000)])
    await stores.receipts.advance([receipt("ann", 11, read_at=3_000), receipt("bob", 4)])
    await stores.receipts.advance([receipt("ann", 12, read_at=4_000)])
    assert await stores.receipts.of_conversation(PAIR.conv_id) == [receipt("ann", 12, read_at=2_000), receipt("bob", 4)]
    await stores.receipts.advance([receipt("ann", 13, read_at=5_000)])
    assert await stores.receipts.of_conversation(PAIR.conv_id) == [receipt("ann", 13, read_at=5_000), receipt("bob", 4)]


async def test_a_watermark_at_zero_is_none(stores: Stores) -> None:
    await stores.receipts.advance([receipt("ann", 0)])
    assert await stores.receipts.of_conversation(PAIR.conv_id) == []
    assert await stores.receipts.of([(PAIR.conv_id, "ann")]) == {}
    await stores.receipts.advance([])


async def test_one_batch_may_hold_several_watermarks_of_one_reader(stores: Stores) -> None:
    await stores.receipts.advance(
        [receipt("ann", 5, read_at=1), receipt("ann", 9, read_at=2), receipt("ann", 7, read_at=3)]
    )
    assert await stores.receipts.of_conversation(PAIR.conv_id) == [receipt("ann", 9, read_at=2)]


async def test_of_many_watermarks_at_once_the_highest_stands(nodes: Nodes) -> None:
    seqs = [1 + (number * 7) % 20 for number in range(20)]
    await asyncio.gather(
        *[
            nodes[number % 2].receipts.advance([receipt("ann", seq, read_at=100 + seq), receipt("bob", 21 - seq)])
            for number, seq in enumerate(seqs)
        ]
    )
    assert await nodes[0].receipts.of_conversation(PAIR.conv_id) == [
        receipt("ann", 20, read_at=120),
        receipt("bob", 20),
    ]
