"""Invitations, requests to join and notices of groups, on every database."""

from __future__ import annotations

import asyncio
from typing import Any

from goim.model.groups import Group, GroupNotice, Invitation, JoinRequest, Member, Role
from goim.model.users import User
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401

Nodes = tuple[Stores, Stores]


def member(user_id: str, group_id: str = "g1", **more: Any) -> Member:
    return Member(**{"group_id": group_id, "user_id": user_id, "joined_at": 1_000, **more})


async def create(stores: Stores, group_id: str = "g1", *members: Member) -> None:
    """A group of `owner` and these people."""
    owner = member("owner", group_id, role=Role.OWNER)
    group = Group(group_id=group_id, name=group_id, owner_id="owner", created_at=1_000)
    await stores.groups.create(group, [owner, *members])


def notice(number: int, group_id: str = "g1", at: int = 1_000) -> GroupNotice:
    return GroupNotice(
        notice_id=f"n{number}", group_id=group_id, title=f"公告 {number}", content="", created_by="owner", created_at=at
    )


async def test_who_is_invited_is_invited_until_that_is_settled(stores: Stores) -> None:
    assert await stores.admissions.invite("g1", ["bob", "ann", "ann"], "owner", 1_000) == ["ann", "bob"]
    assert await stores.admissions.is_invited("g1", "ann")
    assert not await stores.admissions.is_invited("g2", "ann")
    assert not await stores.admissions.is_invited("g1", "cleo")
    await stores.admissions.settle("g1", ["ann", "cleo"])
    assert not await stores.admissions.is_invited("g1", "ann")
    assert await stores.admissions.is_invited("g1", "bob")


async def test_inviting_again_keeps_the_first_invitation(stores: Stores) -> None:
    await stores.admissions.invite("g1", ["ann"], "owner", 1_000)
    assert await stores.admissions.invite("g1", ["ann", "bob"], "cleo", 2_000) == ["bob"]
    [first] = await stores.admissions.invitations("ann", 10, 0)
    assert first == Invitation(group_id="g1", user_id="ann", invited_by="owner", created_at=1_000)
    assert await stores.admissions.invite("g1", [], "cleo", 2_000) == []


async def test_invitations_come_in_pages_earliest_first(stores: Stores) -> None:
    for group_id, at in (("g3", 1_000), ("g1", 2_000), ("g2", 2_000)):
        await stores.admissions.invite(group_id, ["ann", "bob"], "owner", at)
    mine = await stores.admissions.invitations("ann", 2, 0) + await stores.admissions.invitations("ann", 2, 2)
    assert [invitation.group_id for invitation in mine] == ["g3", "g1", "g2"]
    assert await stores.admissions.invitations("cleo", 10, 0) == []


async def test_of_many_requests_of_one_person_at_once_one_is_new(nodes: Nodes) -> None:
    asked = await asyncio.gather(*(nodes[number % 2].admissions.ask("g1", "ann", 1_000) for number in range(10)))
    assert sorted(asked) == [False] * 9 + [True]
    assert await nodes[1].admissions.requests("g1", 10, 0) == [
        JoinRequest(group_id="g1", user_id="ann", created_at=1_000)
    ]


async def test_requests_come_in_pages_earliest_first(stores: Stores) -> None:
    for user_id, at in (("dora", 1_000), ("ann", 2_000), ("bob", 2_000)):
        await stores.admissions.ask("g1", user_id, at)
    await stores.admissions.ask("g2", "eve", 500)
    assert not await stores.admissions.ask("g1", "dora", 9_000)
    found = await stores.admissions.requests("g1", 2, 0) + await stores.admissions.requests("g1", 2, 2)
    assert [request.user_id for request in found] == ["dora", "ann", "bob"]
    assert await stores.admissions.asking("g1", ["ann", "eve", "dora"]) == {"ann", "dora"}
    await stores.admissions.settle("g1", ["dora", "bob"])
    assert [request.user_id for request in await stores.admissions.requests("g1", 10, 0)] == ["ann"]


async def test_owner_and_admins_decide(stores: Stores) -> None:
    await create(stores, "g1", member("ann"), member("bob", role=Role.ADMIN), member("cleo", role=Role.ADMIN))
    await create(stores, "g2", member("dora", "g2", role=Role.ADMIN))
    assert await stores.admissions.deciders("g1") == ["bob", "cleo", "owner"]
    assert await stores.admissions.deciders("g9") == []


async def test_who_is_let_in_or_put_out_is_neither_invited_nor_asking(stores: Stores) -> None:
    await create(stores, "g1", member("bob"))
    await stores.admissions.invite("g1", ["ann", "bob", "cleo"], "owner", 1_000)
    for user_id in ("ann", "bob", "cleo"):
        await stores.admissions.ask("g1", user_id, 1_000)
    await stores.members.add("g1", [member("ann")], 0)
    await stores.members.remove("g1", "bob")
    assert await stores.admissions.asking("g1", ["ann", "bob", "cleo"]) == {"cleo"}
    assert [await stores.admissions.is_invited("g1", each) for each in ("ann", "bob", "cleo")] == [False, False, True]


async def test_with_a_group_go_its_invitations_requests_and_notices(stores: Stores) -> None:
    for group_id in ("g1", "g2"):
        await create(stores, group_id)
        await stores.admissions.invite(group_id, ["ann"], "owner", 1_000)
        await stores.admissions.ask(group_id, "bob", 1_000)
        await stores.notice_board.add(notice(int(group_id[1]), group_id))
    await stores.groups.disband("g1")
    assert [each.group_id for each in await stores.admissions.invitations("ann", 10, 0)] == ["g2"]
    assert await stores.admissions.requests("g1", 10, 0) == []
    assert await stores.notice_board.page("g1", 10, 0) == []
    assert len(await stores.admissions.requests("g2", 10, 0)) == len(await stores.notice_board.page("g2", 10, 0)) == 1


async def test_with_an_account_go_its_invitations_and_requests(stores: Stores) -> None:
    await stores.users.add(User(user_id="ann", username="ann", nickname="", password_hash="", created_at=1))
    await create(stores)
    await stores.admissions.invite("g1", ["ann", "bob"], "owner", 1_000)
    await stores.admissions.invite("g1", ["cleo"], "ann", 1_000)
    for user_id in ("ann", "bob"):
        await stores.admissions.ask("g1", user_id, 1_000)
    await stores.users.erase("ann")
    assert await stores.admissions.asking("g1", ["ann", "bob"]) == {"bob"}
    assert [await stores.admissions.is_invited("g1", each) for each in ("ann", "bob", "cleo")] == [False, True, True]


async def test_notices_come_in_pages_latest_first(stores: Stores) -> None:
    first, second, third = notice(1, at=1_000), notice(2, at=3_000), notice(3, at=3_000)
    for each in (first, second, third, notice(9, "g2")):
        await stores.notice_board.add(each)
    assert await stores.notice_board.page("g1", 2, 0) == [third, second]
    assert await stores.notice_board.page("g1", 2, 2) == [first]
