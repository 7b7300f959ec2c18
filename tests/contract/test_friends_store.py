"""Friendships and blocks, on every database."""

from __future__ import annotations

import asyncio
from itertools import combinations

from goim.model.users import Block, Friend, User
from goim.stores.base import Added
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401

Nodes = tuple[Stores, Stores]


async def befriend(stores: Stores, one: str, other: str, at: int) -> None:
    await stores.friends.add_half(one, other, None, at)
    await stores.friends.add_half(other, one, None, at)


async def test_one_half_is_a_request_and_both_are_a_friendship(stores: Stores) -> None:
    assert await stores.friends.add_half("ann", "bob", "from work", 1_000) == Added(is_new=True, is_mutual=False)
    assert await stores.friends.halves("ann", "bob") == (True, False)
    assert await stores.friends.halves("bob", "ann") == (False, True)
    assert await stores.friends.requests("bob", 10, 0) == [Friend(user_id="ann", remark="from work", since=1_000)]
    assert await stores.friends.requests("ann", 10, 0) == []
    assert await stores.friends.friends("bob", 10, 0) == []
    assert await stores.friends.friend_ids("ann") == []

    assert await stores.friends.add_half("bob", "ann", None, 2_000) == Added(is_new=True, is_mutual=True)
    assert await stores.friends.halves("ann", "bob") == (True, True)
    assert await stores.friends.requests("bob", 10, 0) == []
    assert await stores.friends.friends("ann", 10, 0) == [Friend(user_id="bob", remark="from work", since=2_000)]
    assert await stores.friends.friends("bob", 10, 0) == [Friend(user_id="ann", remark="", since=2_000)]
    assert await stores.friends.friend_ids("ann") == ["bob"]


async def test_a_half_made_again_is_not_new_and_keeps_its_time(stores: Stores) -> None:
    await befriend(stores, "ann", "bob", 1_000)
    await stores.friends.set_remark("ann", "bob", "first")
    assert not (await stores.friends.add_half("ann", "bob", None, 9_000)).is_new
    assert await stores.friends.friends("ann", 10, 0) == [Friend(user_id="bob", remark="first", since=1_000)]
    assert not (await stores.friends.add_half("ann", "bob", "second", 9_000)).is_new
    assert await stores.friends.friends("ann", 10, 0) == [Friend(user_id="bob", remark="second", since=1_000)]
    assert not (await stores.friends.add_half("ann", "bob", "", 9_000)).is_new
    assert await stores.friends.friends("ann", 10, 0) == [Friend(user_id="bob", remark="", since=1_000)]


async def test_of_many_of_my_halves_at_once_one_is_new(nodes: Nodes) -> None:
    adds = [nodes[number % 2].friends.add_half("ann", "bob", None, number) for number in range(20)]
    adds += [nodes[number % 2].friends.add_half("bob", "ann", None, number) for number in range(20)]
    assert [added.is_new for added in await asyncio.gather(*adds)].count(True) == 2
    assert await nodes[0].friends.friend_ids("bob") == ["ann"]


async def test_of_two_who_add_theirs_at_once_one_finds_the_others(nodes: Nodes) -> None:
    here, there = nodes
    names = [f"user-{number:02}" for number in range(20)]
    for name in names:
        await here.users.add(User(user_id=name, username=name, nickname="", password_hash="", created_at=1))
    for one, other in combinations(names, 2):
        both = here.friends.add_half(one, other, None, 1), there.friends.add_half(other, one, None, 1)
        first, second = await asyncio.gather(*both)
        assert (first.is_new, second.is_new) == (True, True)
        assert first.is_mutual is not second.is_mutual


async def test_removing_takes_both_halves_and_only_those(stores: Stores) -> None:
    await befriend(stores, "ann", "bob", 1_000)
    await befriend(stores, "ann", "cleo", 1_000)
    assert await stores.friends.remove("bob", "ann")
    assert await stores.friends.halves("ann", "bob") == (False, False)
    assert not await stores.friends.remove("ann", "bob")
    assert await stores.friends.friend_ids("ann") == ["cleo"]


async def test_a_request_of_mine_can_be_withdrawn(stores: Stores) -> None:
    await stores.friends.add_half("ann", "bob", None, 1_000)
    assert await stores.friends.remove("ann", "bob")
    assert await stores.friends.requests("bob", 10, 0) == []


async def test_of_many_removals_at_once_one_removed_it(nodes: Nodes) -> None:
    await befriend(nodes[0], "ann", "bob", 1_000)
    removals = [nodes[number % 2].friends.remove("ann", "bob") for number in range(20)]
    assert (await asyncio.gather(*removals)).count(True) == 1


async def test_a_remark_is_set_on_my_own_half_only(stores: Stores) -> None:
    assert not await stores.friends.set_remark("ann", "bob", "who?")
    await stores.friends.add_half("bob", "ann", None, 1_000)
    assert not await stores.friends.set_remark("ann", "bob", "who?")
    await stores.friends.add_half("ann", "bob", None, 1_000)
    assert await stores.friends.set_remark("ann", "bob", "Bobby")
    assert await stores.friends.set_remark("ann", "bob", "Bobby"), "the same again is no failure"
    assert await stores.friends.friends("ann", 10, 0) == [Friend(user_id="bob", remark="Bobby", since=1_000)]
    assert await stores.friends.friends("bob", 10, 0) == [Friend(user_id="ann", remark="", since=1_000)]


async def test_friends_and_requests_come_in_pages_earliest_first(stores: Stores) -> None:
    for friend, at in (("dora", 3_000), ("bob", 2_000), ("cleo", 2_000)):
        await befriend(stores, "ann", friend, at)
        await stores.friends.add_half(f"new-{friend}", "ann", None, at)
    assert [each.user_id for each in await stores.friends.friends("ann", 2, 0)] == ["bob", "cleo"]
    assert [each.user_id for each in await stores.friends.friends("ann", 2, 2)] == ["dora"]
    assert [each.user_id for each in await stores.friends.requests("ann", 2, 0)] == ["new-bob", "new-cleo"]
    assert [each.user_id for each in await stores.friends.requests("ann", 2, 2)] == ["new-dora"]


async def test_the_friends_of_several_people_come_in_one_go(stores: Stores) -> None:
    for one, other in (("ann", "cleo"), ("ann", "bob"), ("bob", "dora")):
        await befriend(stores, one, other, 1_000)
    await stores.friends.add_half("eve", "ann", None, 1_000)
    assert await stores.friends.friend_ids_of(["ann", "bob", "eve", "ann"]) == {
        "ann": ["bob", "cleo"],
        "bob": ["ann", "dora"],
    }
    assert await stores.friends.friend_ids_of([]) == {}


async def test_a_block_stands_between_two_whoever_asks(stores: Stores) -> None:
    await stores.blocks.add("ann", "bob", 1_000)
    assert await stores.blocks.is_between("ann", "bob")
    assert await stores.blocks.is_between("bob", "ann")
    assert not await stores.blocks.is_between("ann", "cleo")
    assert await stores.blocks.page("bob", 10, 0) == []


async def test_blocking_twice_keeps_the_first_time(nodes: Nodes) -> None:
    await nodes[0].blocks.add("ann", "bob", 1_000)
    await asyncio.gather(*[nodes[number % 2].blocks.add("ann", "bob", 2_000 + number) for number in range(20)])
    assert await nodes[1].blocks.page("ann", 10, 0) == [Block(user_id="bob", since=1_000)]


async def test_unblocking_takes_back_my_block_and_not_theirs(stores: Stores) -> None:
    await stores.blocks.add("ann", "bob", 1_000)
    await stores.blocks.add("bob", "ann", 1_000)
    await stores.blocks.remove("ann", "bob")
    await stores.blocks.remove("ann", "cleo")
    assert await stores.blocks.page("ann", 10, 0) == []
    assert await stores.blocks.is_between("ann", "bob")
    await stores.blocks.remove("bob", "ann")
    assert not await stores.blocks.is_between("ann", "bob")


async def test_blocks_come_in_pages_earliest_first(stores: Stores) -> None:
    for other, at in (("dora", 3_000), ("cleo", 2_000), ("bob", 2_000)):
        await stores.blocks.add("ann", other, at)
    assert await stores.blocks.page("ann", 2, 0) == [
        Block(user_id="bob", since=2_000),
        Block(user_id="cleo", since=2_000),
    ]
    assert await stores.blocks.page("ann", 2, 2) == [Block(user_id="dora", since=3_000)]


async def test_the_ids_around_me_are_whom_i_block_and_who_blocks_me(stores: Stores) -> None:
    await stores.blocks.add("ann", "bob", 1_000)
    await stores.blocks.add("bob", "ann", 1_000)
    await stores.blocks.add("cleo", "ann", 1_000)
    await stores.blocks.add("cleo", "dora", 1_000)
    assert await stores.blocks.ids_around("ann") == {"bob", "cleo"}
    assert await stores.blocks.ids_around("eve") == set()
    assert await stores.blocks.ids_around_each(["ann", "dora", "eve", "ann"]) == {
        "ann": {"bob", "cleo"},
        "dora": {"cleo"},
    }
