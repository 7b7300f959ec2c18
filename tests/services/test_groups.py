"""Groups: who may do what in them, what everybody is told, and that nobody hears what is not for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from goim.errors import ErrorCode
from goim.model.groups import JoinPolicy, Member, Role
from goim.protocol.requests import SendData
from tests.services.house import Held, House, Phone, open_house, refused  # noqa: F401

HOUR_MS = 3_600_000


async def test_friends_are_in_at_once_and_others_are_invited(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("cleo", "dora")
    await house.blocks.add("dora", "ann", 0)
    bob, cleo, dora = [await house.phone(name) for name in ("bob", "cleo", "dora")]

    created = await house.group_desk.create("ann", "  Walks ", ["bob", "cleo", "dora", "nobody", "ann", "bob"])

    assert (created.added, created.invited) == (["bob"], ["cleo"])
    assert created.conv_id == f"group:{created.group_id}"
    assert bob.take() == [
        {
            "groupId": created.group_id,
            "convId": created.conv_id,
            "name": "Walks",
            "avatarUrl": "",
            "ownerId": "ann",
            "joinPolicy": "open",
            "muted": False,
            "by": "ann",
        }
    ]
    assert cleo.actions() == ["group_invite"]
    assert cleo.take() == [{"groupId": created.group_id, "name": "Walks", "by": "ann"}]
    assert dora.take() == [], "who blocked the inviter hears nothing"
    assert [await house.role(created.group_id, name) for name in ("ann", "bob", "cleo")] == [
        Role.OWNER,
        Role.MEMBER,
        None,
    ]


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "two\nlines", "\x00"])
async def test_a_group_has_a_name_of_1_to_64_characters(house: House, name: str) -> None:
    await house.people("ann")
    with refused(ErrorCode.INVALID):
        await house.group_desk.create("ann", name)
    await house.group_desk.create("ann", "👩‍👩‍👧 家")
    created = await house.group_desk.create("ann", "x" * 64)
    with refused(ErrorCode.INVALID):
        await house.group_desk.update("ann", created.group_id, name=name)


async def test_no_more_people_at_once_than_the_limit(house: House) -> None:
    await house.people("ann")
    with refused(ErrorCode.INVALID):
        await house.group_desk.create("ann", "all", [f"user{number}" for number in range(501)])


async def test_anybody_sees_an_open_group_and_nobody_a_closed_one(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "bob")
    seen = await house.group_desk.get("cleo", group_id)
    assert (seen.name, seen.owner_id, seen.member_count) == ("the group", "ann", 2)
    assert not seen.role
    assert (await house.group_desk.get("bob", group_id)).role is Role.MEMBER

    await house.groups.update(group_id, {"join_policy": JoinPolicy.INVITE})
    assert (await house.group_desk.get("bob", group_id)).join_policy is JoinPolicy.INVITE
    for look in (house.group_desk.get, house.group_door.join, house.group_desk.leave, house.group_desk.disband):
        with refused(ErrorCode.NOT_FOUND):
            await look("cleo", group_id)
        with refused(ErrorCode.NOT_FOUND):
            await look("cleo", "nowhere")


async def test_mine_are_the_groups_i_am_in(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    mine = [await house.group("ann", "bob") for _ in range(3)]
    await house.group("bob")
    first = await house.group_desk.mine("ann", 2, 0)
    rest = await house.group_desk.mine("ann", 2, 2)
    assert [view.group_id for view in first + rest] == sorted(mine)
    assert {view.role for view in first} == {Role.OWNER}


async def test_who_joins_starts_read_and_misses_nothing_after(house: House) -> None:
    await house.people("ann", "bob")
    group_id = await house.group("ann")
    conv_id = f"group:{group_id}"
    for _ in range(3):
        await house.say("ann", conv_id)
    ann, bob = await house.phone("ann"), await house.phone("bob")

    await house.group_door.join("bob", group_id)
    assert ann.actions() == bob.actions() == ["member_joined"]
    assert ann.take() == [{"groupId": group_id, "userId": "bob", "role": "member", "by": "bob"}]
    assert await house.receipts.of([(conv_id, "bob")]) == {(conv_id, "bob"): 3}
    bob.take()
    await house.say("ann", conv_id)
    assert [message["seq"] for message in bob.take("message")] == [4]
    await house.say("bob", conv_id)
    assert [message["seq"] for message in ann.take("message")] == [4, 5]


async def test_joining_again_changes_neither_role_nor_mute(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "cleo", admins=("bob",))
    until = house.clock.now_ms() + HOUR_MS
    await house.group_desk.set_member("ann", group_id, "cleo", mute_until=until)
    ann = await house.phone("ann")
    for name in ("ann", "bob", "cleo"):
        await house.group_door.join(name, group_id)
    result = await house.group_desk.add("ann", group_id, ["bob", "cleo"])
    assert (result.added, result.invited) == ([], [])
    assert [await house.role(group_id, name) for name in ("ann", "bob", "cleo")] == [
        Role.OWNER,
        Role.ADMIN,
        Role.MEMBER,
    ]
    with refused(ErrorCode.MUTED):
        await house.say("cleo", f"group:{group_id}")
    assert ann.take() == []


async def test_who_leaves_hears_that_and_nothing_after(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    ann, bob = await house.phone("ann"), await house.phone("bob")
    await house.group_desk.leave("bob", group_id)
    left = [{"groupId": group_id, "userId": "bob", "role": "member", "by": "bob"}]
    assert bob.actions() == ["member_left"]
    assert ann.take() == bob.take() == left
    await house.say("ann", f"group:{group_id}")
    assert bob.take() == []
    with refused(ErrorCode.NOT_FOUND):
        await house.say("bob", f"group:{group_id}")
    with refused(ErrorCode.NOT_GROUP_MEMBER):
        await house.group_desk.leave("bob", group_id)


async def test_an_owner_hands_over_before_leaving_and_the_last_one_ends_the_group(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.leave("ann", group_id)
    await house.group_desk.set_member("ann", group_id, "bob", role=Role.OWNER)
    await house.group_desk.leave("ann", group_id)
    assert await house.role(group_id, "bob") is Role.OWNER
    bob = await house.phone("bob")
    await house.group_desk.leave("bob", group_id)
    assert bob.actions() == ["group_disbanded"]
    assert await house.groups.get(group_id) is None


async def test_members_add_their_friends_and_invite_others(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("cleo", "dora")
    await house.befriend("bob", "cleo")
    group_id = await house.group("ann", "bob")
    await house.say("ann", f"group:{group_id}")
    ann, cleo, dora = [await house.phone(name) for name in ("ann", "cleo", "dora")]

    result = await house.group_desk.add("bob", group_id, ["cleo", "dora", "ann"])
    assert (result.added, result.invited) == (["cleo"], ["dora"])
    joined = [{"groupId": group_id, "userId": "cleo", "role": "member", "by": "bob"}]
    assert ann.take() == cleo.take() == joined
    assert dora.actions() == ["group_invite"]
    assert await house.receipts.of([(f"group:{group_id}", "cleo")]) == {(f"group:{group_id}", "cleo"): 1}
    with refused(ErrorCode.NOT_GROUP_MEMBER):
        await house.group_desk.add("dora", group_id, ["cleo"])


async def test_owner_and_admins_change_what_is_given_and_all_are_told(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "cleo", admins=("bob",))
    await house.group_desk.update("ann", group_id, avatar_url="https://pictures.test/1")
    cleo = await house.phone("cleo")
    view = await house.group_desk.update("bob", group_id, name="Runs")
    assert (view.name, view.avatar_url, view.role) == ("Runs", "https://pictures.test/1", Role.ADMIN)
    assert cleo.take("group_updated") == [{"groupId": group_id, "name": "Runs", "by": "bob"}]
    await house.group_desk.update("bob", group_id)
    assert cleo.take() == [], "nothing given, nothing told"
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.update("cleo", group_id, name="Mine")
    with refused(ErrorCode.INVALID):
        await house.group_desk.update("bob", group_id, avatar_url="javascript:alert(1)")
    await house.group_desk.update("bob", group_id, avatar_url="")


async def test_only_the_owner_disbands_and_all_are_told_as_the_last_thing(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "cleo", admins=("bob",))
    bob = await house.phone("bob")
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.disband("bob", group_id)
    await house.group_desk.disband("ann", group_id)
    assert bob.actions() == ["group_disbanded"]
    assert bob.take() == [{"groupId": group_id, "by": "ann"}]
    for name in ("ann", "bob", "cleo"):
        with refused(ErrorCode.NOT_FOUND):
            await house.say(name, f"group:{group_id}")
        with refused(ErrorCode.NOT_FOUND):
            await house.group_desk.get(name, group_id)


@pytest.mark.parametrize(
    ("actor", "target", "may"),
    [
        ("owner", "admin", True),
        ("owner", "member", True),
        ("admin", "member", True),
        ("owner", "owner", False),
        ("admin", "owner", False),
        ("admin", "other_admin", False),
        ("admin", "admin", False),
        ("member", "other", False),
        ("member", "member", False),
    ],
)
async def test_one_acts_on_lower_ranks_only(house: House, actor: str, target: str, may: bool) -> None:
    await house.friends_of_each_other("owner", "admin", "other_admin", "member", "other")
    group_id = await house.group("owner", "member", "other", admins=("admin", "other_admin"))
    until = house.clock.now_ms() + HOUR_MS
    if may:
        await house.group_desk.set_member(actor, group_id, target, mute_until=until)
        with refused(ErrorCode.MUTED):
            await house.say(target, f"group:{group_id}")
        await house.group_desk.kick(actor, group_id, target)
        assert await house.role(group_id, target) is None
    else:
        with refused(ErrorCode.FORBIDDEN):
            await house.group_desk.set_member(actor, group_id, target, mute_until=until)
        with refused(ErrorCode.FORBIDDEN):
            await house.group_desk.kick(actor, group_id, target)
        await house.say(target, f"group:{group_id}")


async def test_who_is_kicked_hears_that_and_nothing_after_on_any_connection(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    phone, laptop = await house.phone("bob"), await house.phone("bob")
    await house.group_desk.kick("ann", group_id, "bob")
    await house.say("ann", f"group:{group_id}")
    assert phone.actions() == laptop.actions() == ["member_left"]
    assert phone.take() == [{"groupId": group_id, "userId": "bob", "role": "member", "by": "ann"}]


async def test_kicking_somebody_who_is_not_in_finds_nobody(house: House) -> None:
    await house.people("ann", "bob")
    group_id = await house.group("ann")
    with refused(ErrorCode.NOT_FOUND):
        await house.group_desk.kick("ann", group_id, "bob")
    with refused(ErrorCode.NOT_FOUND):
        await house.group_desk.set_member("ann", group_id, "bob", role=Role.ADMIN)


async def test_only_the_owner_gives_roles(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "cleo", admins=("bob",))
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.set_member("bob", group_id, "cleo", role=Role.ADMIN)
    cleo = await house.phone("cleo")
    await house.group_desk.set_member("ann", group_id, "cleo", role=Role.ADMIN)
    assert cleo.take("member_updated") == [
        {"groupId": group_id, "userId": "cleo", "role": "admin", "by": "ann", "muteUntil": 0}
    ]
    await house.group_desk.update("cleo", group_id, name="ours")
    await house.group_desk.set_member("ann", group_id, "bob", role=Role.MEMBER)
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.update("bob", group_id, name="mine")


async def test_handing_over_makes_one_owner_and_frees_their_voice(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    await house.group_desk.set_member("ann", group_id, "bob", mute_until=house.clock.now_ms() + HOUR_MS)
    bob = await house.phone("bob")
    await house.group_desk.set_member("ann", group_id, "bob", role=Role.OWNER)
    assert bob.actions() == ["member_updated", "member_updated", "group_updated"]
    assert bob.take("group_updated") == [{"groupId": group_id, "ownerId": "bob", "by": "ann"}]
    assert await house.role(group_id, "ann") is Role.ADMIN
    assert (await house.group_desk.get("bob", group_id)).owner_id == "bob"
    await house.say("bob", f"group:{group_id}")
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.disband("ann", group_id)


async def test_a_mute_is_heard_of_and_ends_by_itself_or_by_hand(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    conv_id = f"group:{group_id}"
    until = house.clock.now_ms() + HOUR_MS
    bob = await house.phone("bob")
    await house.group_desk.set_member("ann", group_id, "bob", mute_until=until)
    assert [push["muteUntil"] for push in bob.take("member_updated")] == [until]
    with refused(ErrorCode.MUTED):
        await house.say("bob", conv_id)
    house.clock.advance(3600)
    await house.say("bob", conv_id)

    await house.group_desk.set_member("ann", group_id, "bob", mute_until=house.clock.now_ms() + HOUR_MS)
    await house.group_desk.set_member("ann", group_id, "bob", mute_until=0)
    assert [push["muteUntil"] for push in bob.take("member_updated")][-1] == 0
    await house.say("bob", conv_id)


async def test_a_change_of_a_member_says_what(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    with refused(ErrorCode.INVALID):
        await house.group_desk.set_member("ann", group_id, "bob")
    for nonsense in (-1, 1 << 60):
        with refused(ErrorCode.INVALID):
            await house.group_desk.set_member("ann", group_id, "bob", mute_until=nonsense)
    with refused(ErrorCode.INVALID):
        await house.group_desk.set_member("ann", group_id, "bob", role=Role.OWNER, mute_until=1)


async def test_a_muted_group_hears_only_owner_and_admins(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "cleo", admins=("bob",))
    conv_id = f"group:{group_id}"
    await house.say("cleo", conv_id)  # so that what may be done is remembered
    cleo = await house.phone("cleo")
    with refused(ErrorCode.FORBIDDEN):
        await house.group_desk.mute("cleo", group_id, muted=True)
    await house.group_desk.mute("bob", group_id, muted=True)
    await house.group_desk.mute("ann", group_id, muted=True)
    assert cleo.take("group_updated") == [{"groupId": group_id, "muted": True, "by": "bob"}], "told once"
    with refused(ErrorCode.MUTED):
        await house.say("cleo", conv_id)
    assert (await house.log.last_seqs([conv_id]))[conv_id] == 1, "nothing was stored"
    await house.say("ann", conv_id)
    await house.say("bob", conv_id)
    await house.group_desk.mute("ann", group_id, muted=False)
    await house.say("cleo", conv_id)


async def test_members_come_in_pages_with_their_nicknames_for_members_only(house: House) -> None:
    names = [f"user{number}" for number in range(5)]
    await house.friends_of_each_other("ann", *names)
    group_id = await house.group("ann", *names)
    await house.group_desk.set_member("ann", group_id, "user1", mute_until=house.clock.now_ms() + HOUR_MS)
    house.calls.clear()
    first = await house.group_desk.members("user0", group_id, "", 4)
    assert house.calls["Users.by_ids"] == 1
    rest = await house.group_desk.members("user0", group_id, first.after or "", 4)
    assert [view.user_id for view in first.members + rest.members] == ["ann", *names]
    assert [view.nickname for view in first.members][:2] == ["Ann", "User0"]
    assert [bool(view.mute_until) for view in first.members] == [False, False, True, False]
    assert (first.after, rest.after) == ("user2", None)
    await house.people("cleo")
    with refused(ErrorCode.NOT_GROUP_MEMBER):
        await house.group_desk.members("cleo", group_id, "", 4)


async def test_an_erased_account_leaves_its_groups_to_an_admin_else_to_the_earliest(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo", "dora")
    with_admin = await house.group("ann", "bob", "cleo", admins=("dora",))
    alone = await house.group("ann")
    without = await house.group("ann")
    house.clock.advance(1)
    await house.group_desk.add("ann", without, ["dora"])
    house.clock.advance(1)
    await house.group_desk.add("ann", without, ["bob"])
    others = await house.group("bob", "ann")
    dora = await house.phone("dora")

    await house.group_desk.leave_all("ann")

    assert await house.role(with_admin, "dora") is Role.OWNER
    assert await house.role(without, "dora") is Role.OWNER
    assert await house.groups.get(alone) is None
    assert await house.role(others, "bob") is Role.OWNER
    assert await house.groups.ids_of_users(["ann"]) == {}
    assert [push["userId"] for push in dora.take("member_left")] == ["ann", "ann"]


async def test_a_group_whose_heir_leaves_at_the_same_moment_goes_to_the_next_one(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "cleo", admins=("bob",))
    held = house.held["Members.page"] = Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.group_desk.leave_all("ann"))
        await held.reached.wait()
        await house.members.remove(group_id, "bob")  # by another node
        held.set()
    assert await house.role(group_id, "cleo") is Role.OWNER
    assert await house.role(group_id, "ann") is None


async def test_a_group_that_cannot_be_left_keeps_nobody_for_ever(house: House) -> None:
    """A count of members that is wrong, for example."""
    await house.people("ann")
    group_id = await house.group("ann")
    house.data.groups[group_id] = replace(house.data.groups[group_id], member_count=2)
    with refused(ErrorCode.UNAVAILABLE):
        await house.group_desk.leave_all("ann")


async def test_who_is_made_the_owner_while_they_leave_is_told_to_hand_over(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    held = house.held["Members.get"] = Held()
    with refused(ErrorCode.FORBIDDEN):
        await _meanwhile(held, house.group_desk.leave("bob", group_id), house.members.hand_over(group_id, "ann", "bob"))
    assert await house.role(group_id, "bob") is Role.OWNER


async def test_a_group_that_somebody_joins_while_its_last_member_leaves_does_not_end(house: House) -> None:
    await house.people("ann", "bob")
    group_id = await house.group("ann")
    held = house.held["Members.get"] = Held()
    with refused(ErrorCode.FORBIDDEN):
        bob = Member(group_id=group_id, user_id="bob", joined_at=0)
        await _meanwhile(held, house.group_desk.leave("ann", group_id), house.members.add(group_id, [bob], 0))
    assert [await house.role(group_id, name) for name in ("ann", "bob")] == [Role.OWNER, Role.MEMBER]


async def test_a_group_that_somebody_joins_while_its_last_member_is_erased_is_theirs(house: House) -> None:
    await house.people("ann", "abe")
    group_id = await house.group("ann")
    held = house.held["Members.page"] = Held()
    abe = Member(group_id=group_id, user_id="abe", joined_at=0)
    await _meanwhile(held, house.group_desk.leave_all("ann"), house.members.add(group_id, [abe], 0))
    assert [await house.role(group_id, name) for name in ("ann", "abe")] == [None, Role.OWNER]


@pytest.mark.parametrize("what", ["kick", "mute", "promote", "hand over"])
@pytest.mark.parametrize(("by_then", "code"), [("owner", ErrorCode.FORBIDDEN), ("gone", ErrorCode.NOT_FOUND)])
async def test_what_another_node_has_made_impossible_meanwhile_is_refused(
    house: House, what: str, by_then: str, code: ErrorCode
) -> None:
    await house.friends_of_each_other("ann", "bob")
    group_id = await house.group("ann", "bob")
    bob = await house.phone("bob")
    desk = house.group_desk
    acts: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "kick": lambda: desk.kick("ann", group_id, "bob"),
        "mute": lambda: desk.set_member("ann", group_id, "bob", mute_until=house.clock.now_ms() + HOUR_MS),
        "promote": lambda: desk.set_member("ann", group_id, "bob", role=Role.ADMIN),
        "hand over": lambda: desk.set_member("ann", group_id, "bob", role=Role.OWNER),
    }
    held = house.held["Members.get"] = Held(after=1)  # Bob is looked at after Ann
    with refused(code):
        if by_then == "owner":
            await _meanwhile(held, acts[what](), house.members.hand_over(group_id, "ann", "bob"))
        else:
            await _meanwhile(held, acts[what](), house.members.remove(group_id, "bob"))
    assert await house.role(group_id, "bob") is (Role.OWNER if by_then == "owner" else None)
    assert bob.take() == []


async def _meanwhile(held: Held, act: Coroutine[Any, Any, Any], deed: Coroutine[Any, Any, Any]) -> None:
    """Have an act look at what there is, and go on when another node has done a deed."""

    async def other() -> None:
        await held.reached.wait()
        await deed
        held.set()

    await asyncio.gather(act, other())


async def test_who_is_put_out_while_they_read_is_not_told_that_they_have_read_nothing(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    conv_id = f"group:{await house.group('ann', 'bob')}"
    for _ in range(3):
        await house.messages.send_now(
            Phone("ann", "pen"), SendData(type="text", payload=Raw(b'{"text":""}'), conv_id=conv_id)
        )
    assert await house.book.mark_read_now("bob", conv_id, 3) == 3
    house.log.is_shared = lambda: True  # other nodes may write, too
    held = house.held["Messages.last_seqs"] = Held()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(house.book.mark_read_now("bob", conv_id, 1))
        await held.reached.wait()
        await house.group_desk.kick("ann", conv_id.removeprefix("group:"), "bob")
        held.set()
    assert reading.result() == 3


async def test_of_a_join_and_a_kick_at_once_the_later_decides_who_receives(house: House) -> None:
    await house.people("ann", "bob")
    group_id = await house.group("ann")
    bob = await house.phone("bob")
    house.held["Members.add"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.group_door.join("bob", group_id))  # is stored, and not yet known
        kick = tasks.create_task(house.group_desk.kick("ann", group_id, "bob"))
        await asyncio.wait([kick], timeout=0.05)
        house.held["Members.add"].set()
    assert await house.role(group_id, "bob") is None
    bob.take()
    await house.say("ann", f"group:{group_id}")
    assert bob.take() == []


async def test_of_two_owners_by_turns_there_is_always_one(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "bob", "cleo")
    await asyncio.gather(
        house.group_desk.set_member("ann", group_id, "bob", role=Role.OWNER),
        house.group_desk.set_member("ann", group_id, "cleo", role=Role.OWNER),
        house.group_desk.leave("ann", group_id),
        return_exceptions=True,
    )
    members = await house.members.page(group_id, "", 10)
    assert [member.user_id for member in members if member.role is Role.OWNER] == ["bob"]
    assert (await house.group_desk.get("bob", group_id)).owner_id == "bob"


async def test_an_operator_acts_in_any_group_without_being_in_it(house: House) -> None:
    await house.people("ann", "bob", "cleo")
    group = await house.operator.create("Staff", "ann", ["bob"])
    bob = await house.phone("bob")
    assert (group.owner_id, group.member_count) == ("ann", 2)
    assert await house.operator.add(group.group_id, ["cleo", "bob"]) == ["cleo"]
    assert bob.take("member_joined") == [{"groupId": group.group_id, "userId": "cleo", "role": "member", "by": ""}]
    await house.operator.set_role(group.group_id, "bob", Role.OWNER)
    await house.operator.set_role(group.group_id, "cleo", Role.ADMIN)
    found = await house.operator.members(group.group_id, "", 10)
    assert [(member.user_id, member.role) for member in found] == [
        ("ann", Role.ADMIN),
        ("bob", Role.OWNER),
        ("cleo", Role.ADMIN),
    ]
    with refused(ErrorCode.FORBIDDEN):
        await house.operator.remove(group.group_id, "bob")
    with refused(ErrorCode.FORBIDDEN):
        await house.operator.set_role(group.group_id, "bob", Role.MEMBER)
    await house.operator.remove(group.group_id, "ann")
    await house.operator.disband(group.group_id)
    with refused(ErrorCode.NOT_FOUND):
        await house.operator.get(group.group_id)


async def test_an_operator_is_told_which_people_there_are_not(house: House) -> None:
    await house.people("ann")
    with refused(ErrorCode.NOT_FOUND):
        await house.operator.create("Staff", "ann", ["ghost"])
    group = await house.operator.create("Staff", "ann")
    with refused(ErrorCode.NOT_FOUND):
        await house.operator.add(group.group_id, ["ghost"])
    with refused(ErrorCode.NOT_FOUND):
        await house.operator.remove(group.group_id, "ghost")
