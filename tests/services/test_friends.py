"""Friends and blocks: two halves, told once, and a block that keeps people apart."""

from __future__ import annotations

import asyncio

import pytest

from goim.errors import ErrorCode
from goim.model.conversations import c2c
from goim.services.friends import FriendStatus, FriendView
from tests.services.reception import Reception, refused


async def _pair(reception: Reception) -> tuple[str, str]:
    return await reception.person("alice"), await reception.person("bob")


async def _friends(reception: Reception) -> tuple[str, str]:
    alice, bob = await _pair(reception)
    await reception.friends.befriend(alice, bob, None)
    await reception.friends.befriend(bob, alice, None)
    return alice, bob


async def _may_write(reception: Reception, user_id: str, other_id: str) -> ErrorCode | None:
    """What the access book says, from its memory if it has been asked before."""
    conv = await reception.access._conversations.create(c2c(user_id, other_id))
    refusal = (await reception.access.of(user_id, conv.conv_id)).refusal
    return None if refusal is None else refusal.code


# befriending


async def test_one_half_is_a_request_and_two_are_friends(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    assert await reception.friends.befriend(alice, bob, None) is FriendStatus.PENDING
    assert await reception.friends.befriend(bob, alice, None) is FriendStatus.ACCEPTED
    assert await reception.friends.befriend(alice, bob, None) is FriendStatus.ACCEPTED


async def test_the_other_is_told_of_a_request_and_both_of_a_friendship(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    hers, his = await reception.online(alice), await reception.online(bob)
    await reception.friends.befriend(alice, bob, "from the choir")
    assert his.take() == [("friend_request", {"userId": alice, "remark": "from the choir"})]
    assert hers.take() == []
    await reception.friends.befriend(bob, alice, None)
    assert hers.take() == [("friend_accepted", {"userId": bob})]
    assert his.take() == [("friend_accepted", {"userId": alice})]


async def test_asking_again_tells_nobody_again(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    hers, his = await reception.online(alice), await reception.online(bob)
    await reception.friends.befriend(alice, bob, None)
    his.take()
    assert await reception.friends.befriend(alice, bob, "please") is FriendStatus.PENDING
    assert his.take() == []
    await reception.friends.befriend(bob, alice, None)
    hers.take(), his.take()
    for one, other in ((alice, bob), (bob, alice)):
        await reception.friends.befriend(one, other, None)
    assert hers.take() + his.take() == []


async def test_two_who_befriend_each_other_at_once_are_friends_and_both_told_once(
    two_receptions: tuple[Reception, Reception],
) -> None:
    here, there = two_receptions
    alice, bob = await _pair(here)
    hers, his = await here.online(alice), await there.online(bob)
    both = here.friends.befriend(alice, bob, None), there.friends.befriend(bob, alice, None)
    assert sorted(await asyncio.gather(*both)) == [FriendStatus.ACCEPTED, FriendStatus.PENDING]
    assert [friend.user_id for friend in await here.friends.friends(alice, 50, 0)] == [bob]
    assert hers.take().count(("friend_accepted", {"userId": bob})) == 1
    assert his.take().count(("friend_accepted", {"userId": alice})) == 1


async def test_nobody_befriends_themselves(reception: Reception) -> None:
    alice = await reception.person("alice")
    with refused(ErrorCode.INVALID):
        await reception.friends.befriend(alice, alice, None)


@pytest.mark.parametrize("friend_id", ["nobody", "", "x" * 65])
async def test_nobody_befriends_nobody(reception: Reception, friend_id: str) -> None:
    with refused(ErrorCode.NOT_FOUND):
        await reception.friends.befriend(await reception.person("alice"), friend_id, None)


async def test_a_remark_has_at_most_64_characters(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    with refused(ErrorCode.INVALID):
        await reception.friends.befriend(alice, bob, "x" * 65)
    await reception.friends.befriend(alice, bob, "x" * 64)
    with refused(ErrorCode.INVALID):
        await reception.friends.set_remark(alice, bob, "x" * 65)


async def test_friends_may_write_at_once_and_not_a_moment_longer(
    two_receptions: tuple[Reception, Reception],
) -> None:
    here, there = two_receptions
    alice, bob = await _pair(here)
    assert await _may_write(there, alice, bob) is ErrorCode.NOT_FRIEND
    await here.friends.befriend(alice, bob, None)
    await here.friends.befriend(bob, alice, None)
    assert await _may_write(there, alice, bob) is None
    await here.friends.remove(bob, alice)
    assert await _may_write(there, alice, bob) is ErrorCode.NOT_FRIEND


# lists


async def test_friends_are_listed_with_my_own_remark_and_requests_with_theirs(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    carol = await reception.person("carol")
    await reception.friends.befriend(alice, bob, "Bobby")
    reception.clock.advance(5)
    await reception.friends.befriend(bob, alice, "Al")
    since = reception.clock.now_ms()
    await reception.friends.befriend(carol, alice, "hello, it is me")
    view = FriendView(user_id=bob, username="bob", nickname="bob", avatar_url="", remark="Bobby", since=since)
    assert await reception.friends.friends(alice, 50, 0) == [view]
    (request,) = await reception.friends.requests(alice, 50, 0)
    assert (request.user_id, request.remark) == (carol, "hello, it is me")
    assert await reception.friends.requests(carol, 50, 0) == []


async def test_lists_come_in_parts(reception: Reception) -> None:
    alice = await reception.person("alice")
    others = [await reception.person(f"friend-{number}") for number in range(5)]
    for other in others:
        reception.clock.advance(1)
        await reception.friends.befriend(other, alice, None)
    parts = [await reception.friends.requests(alice, 2, offset) for offset in (0, 2, 4, 6)]
    assert [[request.user_id for request in part] for part in parts] == [others[:2], others[2:4], others[4:], []]


async def test_a_remark_is_mine_to_change(reception: Reception) -> None:
    alice, bob = await _friends(reception)
    await reception.friends.set_remark(alice, bob, "Bobby")
    assert [friend.remark for friend in await reception.friends.friends(alice, 50, 0)] == ["Bobby"]
    assert [friend.remark for friend in await reception.friends.friends(bob, 50, 0)] == [""]
    with refused(ErrorCode.NOT_FOUND):
        await reception.friends.set_remark(alice, "nobody", "x")


# removing


async def test_removing_removes_both_halves_and_tells_both(reception: Reception) -> None:
    alice, bob = await _friends(reception)
    hers, his = await reception.online(alice), await reception.online(bob)
    await reception.friends.remove(alice, bob)
    assert his.take() == [("friend_removed", {"userId": alice})]
    assert hers.take() == [("friend_removed", {"userId": bob})]
    assert await reception.friends.friends(bob, 50, 0) == await reception.friends.friends(alice, 50, 0) == []
    assert await reception.friends.befriend(alice, bob, None) is FriendStatus.PENDING


async def test_a_request_can_be_declined_and_taken_back(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    for one, other in ((bob, alice), (alice, bob)):
        await reception.friends.befriend(alice, bob, None)
        await reception.friends.remove(one, other)
        assert await reception.friends.requests(bob, 50, 0) == []


async def test_there_is_nothing_to_remove_between_strangers(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    his = await reception.online(bob)
    with refused(ErrorCode.NOT_FOUND):
        await reception.friends.remove(alice, bob)
    assert his.take() == []


# blocks


async def test_nothing_is_left_of_a_request_that_comes_while_it_is_blocked(
    reception: Reception, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await _pair(reception)
    socket = await reception.online(bob)
    blocks = reception.stores["blocks"]
    ask = blocks.is_between

    async def answer_late(one: str, other: str) -> bool:
        answer: bool = await ask(one, other)
        monkeypatch.setattr(blocks, "is_between", ask)
        await reception.friends.block(bob, alice)
        return answer

    monkeypatch.setattr(blocks, "is_between", answer_late)
    with refused(ErrorCode.BLOCKED):
        await reception.friends.befriend(alice, bob, "let me in")
    assert await reception.friends.requests(bob, 10, 0) == []
    assert "friend_request" not in [push["action"] for push in socket.pushes]


@pytest.mark.parametrize("is_me_who_blocks", [True, False])
async def test_a_block_keeps_both_from_befriending(reception: Reception, is_me_who_blocks: bool) -> None:
    alice, bob = await _pair(reception)
    await reception.friends.block(*((alice, bob) if is_me_who_blocks else (bob, alice)))
    his = await reception.online(bob)
    with refused(ErrorCode.BLOCKED):
        await reception.friends.befriend(alice, bob, None)
    assert his.take() == []
    assert await reception.friends.requests(bob, 50, 0) == []


async def test_a_block_keeps_friends_from_writing_until_it_is_taken_back(
    two_receptions: tuple[Reception, Reception],
) -> None:
    here, there = two_receptions
    alice, bob = await _friends(here)
    assert await _may_write(there, bob, alice) is None
    await here.friends.block(alice, bob)
    assert await _may_write(there, bob, alice) is ErrorCode.BLOCKED
    assert await _may_write(there, alice, bob) is ErrorCode.BLOCKED
    await here.friends.unblock(alice, bob)
    assert await _may_write(there, bob, alice) is None


async def test_my_unblocking_does_not_lift_their_block(reception: Reception) -> None:
    alice, bob = await _friends(reception)
    await reception.friends.block(alice, bob)
    await reception.friends.block(bob, alice)
    await reception.friends.unblock(alice, bob)
    assert await _may_write(reception, alice, bob) is ErrorCode.BLOCKED


async def test_a_block_ends_a_request_of_either_side_and_says_nothing(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    for asks, asked in ((alice, bob), (bob, alice)):
        await reception.friends.befriend(asks, asked, None)
        his = await reception.online(bob)
        await reception.friends.block(alice, bob)
        assert his.take() == []
        await reception.friends.unblock(alice, bob)
        assert await reception.friends.requests(asked, 50, 0) == []


async def test_only_my_own_blocks_are_listed(reception: Reception) -> None:
    alice, bob = await _pair(reception)
    await reception.friends.block(alice, bob)
    first = reception.clock.now_ms()
    reception.clock.advance(5)
    await reception.friends.block(alice, bob)
    assert [(block.user_id, block.since) for block in await reception.friends.blocked(alice, 50, 0)] == [(bob, first)]
    assert await reception.friends.blocked(bob, 50, 0) == []


async def test_blocking_takes_somebody_else(reception: Reception) -> None:
    alice = await reception.person("alice")
    with refused(ErrorCode.INVALID):
        await reception.friends.block(alice, alice)
    with refused(ErrorCode.NOT_FOUND):
        await reception.friends.block(alice, "nobody")
    await reception.friends.unblock(alice, "nobody")  # nothing to take back, nothing wrong
