"""Groups and their members, on every database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from goim.model.conversations import Receipt, of_group
from goim.model.groups import Group, JoinPolicy, Member, Role
from goim.stores.base import Taken
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401

Nodes = tuple[Stores, Stores]


def group(group_id: str = "g1", **more: Any) -> Group:
    return Group(**{"group_id": group_id, "name": f"the {group_id}", "owner_id": "owner", "created_at": 1_000, **more})


def member(user_id: str, group_id: str = "g1", **more: Any) -> Member:
    return Member(**{"group_id": group_id, "user_id": user_id, "joined_at": 1_000, **more})


def owner(group_id: str = "g1", user_id: str = "owner") -> Member:
    return member(user_id, group_id, role=Role.OWNER)


async def create(stores: Stores, group_id: str = "g1", *user_ids: str) -> None:
    """A group of `owner` and these people."""
    await stores.groups.create(group(group_id), [owner(group_id), *(member(each, group_id) for each in user_ids)])


async def roles(stores: Stores, group_id: str = "g1") -> dict[str, Role]:
    return {each.user_id: each.role for each in await stores.members.page(group_id, "", 100)}


async def count(stores: Stores, group_id: str = "g1") -> int:
    found = await stores.groups.get(group_id)
    assert found is not None
    return found.member_count


async def test_a_new_group_has_its_members_its_conversation_and_a_line_in_every_list(stores: Stores) -> None:
    new = group(avatar_url="/a.png", join_policy=JoinPolicy.APPROVAL, muted=True)
    await stores.groups.create(new, [owner(), member("ann", mute_until=7_000)])
    assert await stores.groups.get("g1") == group(
        avatar_url="/a.png", join_policy=JoinPolicy.APPROVAL, muted=True, member_count=2
    )
    assert await stores.members.get("g1", "owner") == owner()
    assert await stores.members.get("g1", "ann") == member("ann", mute_until=7_000)
    conv = of_group("g1", created_at=1_000)
    assert await stores.conversations.get(conv.conv_id) == conv
    assert await stores.conversations.by_subject("group:g1") == conv
    for user_id in ("owner", "ann"):
        [entry] = await stores.conversations.entries(user_id, None, 10)
        assert (entry.conv, entry.updated_at, entry.read_seq) == (conv, 1_000, 0)


async def test_what_does_not_exist_is_not_found(stores: Stores) -> None:
    assert await stores.groups.get("g1") is None
    assert await stores.members.get("g1", "ann") is None
    assert await stores.members.page("g1", "", 10) == []
    assert await stores.groups.update("g1", {"name": "x"}) is None
    assert await stores.members.set("g1", "ann", {"mute_until": 5}) is None
    assert await stores.members.add("g1", [member("ann")], 0) == []
    assert not await stores.members.remove("g1", "ann")
    assert await stores.groups.of_user("ann", 10, 0) == []
    await stores.groups.disband("g1")


async def test_a_group_id_in_use_is_taken_and_nothing_is_stored(stores: Stores) -> None:
    await create(stores)
    with pytest.raises(Taken):
        await create(stores, "g1", "ann")
    assert await roles(stores) == {"owner": Role.OWNER}
    assert await count(stores) == 1
    assert await stores.conversations.entries("ann", None, 10) == []


async def test_groups_by_ids_leave_out_what_does_not_exist(stores: Stores) -> None:
    muted = group("g1", muted=True, member_count=1)
    await stores.groups.create(muted, [owner("g1")])
    await create(stores, "g2")
    assert await stores.groups.by_ids(["g2", "g9", "g1"]) == {"g1": muted, "g2": group("g2", member_count=1)}
    assert await stores.groups.by_ids([]) == {}


async def test_an_update_sets_what_it_names_and_answers_what_is_now(stores: Stores) -> None:
    await create(stores)
    await create(stores, "g2")
    changed = await stores.groups.update("g1", {"name": "new", "join_policy": JoinPolicy.INVITE, "muted": True})
    assert changed == group(name="new", join_policy=JoinPolicy.INVITE, muted=True, member_count=1)
    assert await stores.groups.get("g1") == changed
    assert await stores.groups.update("g1", {}) == changed
    assert await stores.groups.get("g2") == group("g2", member_count=1)


async def test_a_disbanded_group_leaves_only_its_conversation_behind(stores: Stores) -> None:
    for group_id in ("g1", "g2"):
        await create(stores, group_id, "ann")
        await stores.receipts.advance([Receipt(conv_id=f"group:{group_id}", user_id="ann", seq=3, read_at=1)])
    await stores.groups.disband("g1")
    assert await stores.groups.get("g1") is None
    assert await roles(stores) == {}
    assert await stores.groups.ids_of_users(["ann"]) == {"ann": ["g2"]}
    assert await stores.receipts.of_conversation("group:g1") == []
    assert await stores.conversations.entry("ann", "group:g1") is None
    assert await stores.conversations.get("group:g1") == of_group("g1", created_at=1_000)
    assert await stores.receipts.of([("group:g2", "ann")]) == {("group:g2", "ann"): 3}
    assert [each.conv.group_id for each in await stores.conversations.entries("ann", None, 10)] == ["g2"]


async def test_my_groups_come_with_my_membership_in_order_of_their_ids(stores: Stores) -> None:
    for group_id in ("g3", "g1", "g2"):
        await create(stores, group_id, "ann")
    await create(stores, "g4")
    await stores.members.set("g2", "ann", {"role": Role.ADMIN, "mute_until": 9})
    mine = await stores.groups.of_user("ann", 2, 1)
    assert mine == [
        (group("g2", member_count=2), member("ann", "g2", role=Role.ADMIN, mute_until=9)),
        (group("g3", member_count=2), member("ann", "g3")),
    ]
    assert await stores.groups.ids_of_users(["ann", "bob"]) == {"ann": ["g1", "g2", "g3"]}


async def test_pages_of_members_go_on_where_the_last_one_ended(stores: Stores) -> None:
    await create(stores, "g1", "ann", "bob", "cleo")
    await create(stores, "g2", "zoe")
    await create(stores, "g3")
    assert [each.user_id for each in await stores.members.page("g1", "", 2)] == ["ann", "bob"]
    assert [each.user_id for each in await stores.members.page("g1", "bob", 5)] == ["cleo", "owner"]


async def test_who_joins_is_listed_and_begins_to_read_where_told(stores: Stores) -> None:
    await create(stores)
    joined = [member("bob", joined_at=5_000), member("ann", joined_at=5_000, role=Role.ADMIN)]
    assert await stores.members.add("g1", joined, 42) == ["ann", "bob"]
    assert await roles(stores) == {"owner": Role.OWNER, "ann": Role.ADMIN, "bob": Role.MEMBER}
    assert await count(stores) == 3
    entry = await stores.conversations.entry("bob", "group:g1")
    assert entry is not None
    assert (entry.conv, entry.updated_at, entry.read_seq) == (of_group("g1", created_at=1_000), 5_000, 42)
    assert Receipt(conv_id="group:g1", user_id="ann", seq=42, read_at=5_000) in (
        await stores.receipts.of_conversation("group:g1")
    )


async def test_who_is_in_already_stays_as_they_are(stores: Stores) -> None:
    await create(stores, "g1", "ann")
    await stores.members.set("g1", "ann", {"role": Role.ADMIN, "mute_until": 7_000})
    await stores.conversations.set_entry("ann", "group:g1", {"pinned": True})
    again = [member("ann", joined_at=9_000), member("bob", joined_at=9_000), member("bob", joined_at=9_500)]
    assert await stores.members.add("g1", again, 42) == ["bob"]
    assert await stores.members.get("g1", "ann") == member("ann", role=Role.ADMIN, mute_until=7_000)
    assert await stores.members.get("g1", "bob") == member("bob", joined_at=9_000)
    assert await stores.receipts.of([("group:g1", "ann")]) == {}
    entry = await stores.conversations.entry("ann", "group:g1")
    assert entry is not None
    assert (entry.pinned, entry.updated_at) == (True, 1_000)
    assert await count(stores) == 3


async def test_a_mute_outlives_leaving_and_ends_with_the_group(stores: Stores) -> None:
    await create(stores, "g1", "ann", "bob")
    await stores.members.set("g1", "ann", {"role": Role.ADMIN, "mute_until": 7_000})
    assert await stores.members.remove("g1", "ann")
    assert await stores.members.remove("g1", "bob")
    assert await stores.members.add("g1", [member("ann"), member("bob")], 0) == ["ann", "bob"]
    assert await stores.members.get("g1", "ann") == member("ann", mute_until=7_000)
    assert await stores.members.get("g1", "bob") == member("bob")
    await stores.members.set("g1", "ann", {"mute_until": 0})
    await stores.members.remove("g1", "ann")
    await stores.members.add("g1", [member("ann")], 0)
    assert await stores.members.get("g1", "ann") == member("ann"), "a mute that was taken back does not come again"


async def test_of_many_joins_of_one_person_at_once_one_is_new(nodes: Nodes) -> None:
    await create(nodes[0])
    joins = [nodes[number % 2].members.add("g1", [member("ann", joined_at=number)], 0) for number in range(20)]
    assert sorted(await asyncio.gather(*joins)) == [[]] * 19 + [["ann"]]
    assert await count(nodes[0]) == 2


async def test_joining_and_leaving_at_once_leaves_the_count_right(nodes: Nodes) -> None:
    await create(nodes[0], "g1", *(f"old-{number}" for number in range(20)))
    joins = [nodes[number % 2].members.add("g1", [member(f"new-{number % 15}")], 0) for number in range(20)]
    leaves = [nodes[number % 2].members.remove("g1", f"old-{number % 15}") for number in range(20)]
    await asyncio.gather(*joins, *leaves)
    inside = await roles(nodes[0])
    assert inside.keys() == {"owner", *(f"new-{n}" for n in range(15)), *(f"old-{n}" for n in range(15, 20))}
    assert await count(nodes[0]) == len(inside)


async def test_nobody_gets_into_a_group_that_is_disbanded_meanwhile(nodes: Nodes) -> None:
    await create(nodes[0])
    joins = [nodes[number % 2].members.add("g1", [member(f"u{number}")], 0) for number in range(10)]
    await asyncio.gather(*joins[:5], nodes[0].groups.disband("g1"), *joins[5:])
    assert await roles(nodes[0]) == {}
    for number in range(10):
        assert await nodes[1].conversations.entry(f"u{number}", "group:g1") is None


async def test_ten_thousand_people_join_at_once(stores: Stores) -> None:
    await create(stores)
    people = [member(f"u{number:05}") for number in range(10_000)]
    assert len(await stores.members.add("g1", people, 7)) == 10_000
    assert await count(stores) == 10_001
    assert len(await stores.receipts.of_conversation("group:g1")) == 10_000
    assert len(await stores.members.among("g1", [each.user_id for each in people] + ["stranger"])) == 10_000


async def test_who_leaves_takes_list_entry_and_receipt_along(stores: Stores) -> None:
    await create(stores, "g1", "ann", "bob")
    await stores.receipts.advance(
        [Receipt(conv_id="group:g1", user_id=each, seq=9, read_at=1) for each in ("ann", "bob")]
    )
    assert await stores.members.remove("g1", "ann")
    assert not await stores.members.remove("g1", "ann")
    assert await roles(stores) == {"owner": Role.OWNER, "bob": Role.MEMBER}
    assert await count(stores) == 2
    assert await stores.conversations.entry("ann", "group:g1") is None
    assert await stores.receipts.of([("group:g1", "ann")]) == {}
    assert await stores.receipts.of([("group:g1", "bob")]) == {("group:g1", "bob"): 9}
    assert await stores.conversations.entry("bob", "group:g1") is not None


async def test_an_owner_stays_to_the_end(stores: Stores) -> None:
    """With the last one the group ends; a group without an owner there is not."""
    await create(stores, "g1", "ann")
    assert not await stores.members.remove("g1", "owner")
    assert await count(stores) == 2
    await stores.members.remove("g1", "ann")
    assert not await stores.members.remove("g1", "owner")
    assert await roles(stores) == {"owner": Role.OWNER}


async def test_a_group_that_ends_with_its_last_member_does_not_end_for_others(nodes: Nodes) -> None:
    await create(nodes[0], "g1", "ann")
    assert not await nodes[0].groups.disband("g1", if_alone=True)
    assert await roles(nodes[1]) == {"owner": Role.OWNER, "ann": Role.MEMBER}
    await nodes[0].members.remove("g1", "ann")
    assert await nodes[1].groups.disband("g1", if_alone=True)
    assert not await nodes[0].groups.disband("g1", if_alone=True)
    assert not await nodes[0].groups.disband("g1")
    for number in range(20):
        group_id = f"h{number}"
        await create(nodes[0], group_id)
        is_over, joined = await asyncio.gather(
            nodes[0].groups.disband(group_id, if_alone=True),
            nodes[1].members.add(group_id, [member("ann", group_id)], 0),
        )
        assert joined == ([] if is_over else ["ann"])


async def test_a_mute_that_comes_while_its_member_leaves_is_kept_or_refused(nodes: Nodes) -> None:
    for number in range(40):
        group_id = f"g{number}"
        await create(nodes[0], group_id, "ann")
        muted, _ = await asyncio.gather(
            nodes[number % 2].members.set(group_id, "ann", {"mute_until": 7_000}),
            nodes[(number + 1) % 2].members.remove(group_id, "ann"),
        )
        await nodes[0].members.add(group_id, [member("ann", group_id)], 0)
        again = await nodes[0].members.get(group_id, "ann")
        assert again is not None
        assert again.mute_until == (7_000 if muted is not None else 0)


async def test_a_member_gets_a_role_or_is_muted(stores: Stores) -> None:
    await create(stores, "g1", "ann", "bob")
    assert await stores.members.set("g1", "ann", {"role": Role.ADMIN}) == member("ann", role=Role.ADMIN)
    assert await stores.members.set("g1", "ann", {"mute_until": 5}) == member("ann", role=Role.ADMIN, mute_until=5)
    assert await stores.members.set("g1", "ann", {}) == member("ann", role=Role.ADMIN, mute_until=5)
    assert await stores.members.get("g1", "bob") == member("bob")


async def test_setting_a_role_neither_makes_nor_unmakes_an_owner(stores: Stores) -> None:
    await create(stores, "g1", "ann")
    with pytest.raises(ValueError, match="hand_over"):
        await stores.members.set("g1", "ann", {"role": Role.OWNER})
    assert await stores.members.set("g1", "owner", {"role": Role.MEMBER}) is None
    assert await roles(stores) == {"owner": Role.OWNER, "ann": Role.MEMBER}


async def test_nobody_mutes_an_owner(stores: Stores) -> None:
    """There is nobody above them who could let them speak again."""
    await create(stores, "g1", "ann")
    await stores.members.set("g1", "ann", {"mute_until": 7_000})
    assert await stores.members.hand_over("g1", "owner", "ann")
    assert await stores.members.get("g1", "ann") == owner(user_id="ann")
    assert await stores.members.set("g1", "ann", {"mute_until": 7_000}) is None
    assert await stores.members.get("g1", "ann") == owner(user_id="ann")


async def test_handing_over_swaps_the_roles(stores: Stores) -> None:
    await create(stores, "g1", "ann", "bob")
    assert await stores.members.hand_over("g1", "owner", "ann")
    assert await roles(stores) == {"owner": Role.ADMIN, "ann": Role.OWNER, "bob": Role.MEMBER}
    found = await stores.groups.get("g1")
    assert found is not None
    assert found.owner_id == "ann"


@pytest.mark.parametrize(
    ("giver", "heir"),
    [("ann", "bob"), ("owner", "stranger"), ("owner", "owner"), ("stranger", "ann")],
)
async def test_handing_over_what_is_not_so_changes_nothing(stores: Stores, giver: str, heir: str) -> None:
    await create(stores, "g1", "ann", "bob")
    assert not await stores.members.hand_over("g1", giver, heir)
    assert await roles(stores) == {"owner": Role.OWNER, "ann": Role.MEMBER, "bob": Role.MEMBER}
    found = await stores.groups.get("g1")
    assert found is not None
    assert found.owner_id == "owner"


async def test_of_many_heirs_at_once_one_becomes_the_owner(nodes: Nodes) -> None:
    heirs = [f"u{number}" for number in range(20)]
    await create(nodes[0], "g1", *heirs)
    handed = await asyncio.gather(
        *[nodes[n % 2].members.hand_over("g1", "owner", heir) for n, heir in enumerate(heirs)]
    )
    assert handed.count(True) == 1
    owners = [user_id for user_id, role in (await roles(nodes[1])).items() if role is Role.OWNER]
    assert owners == [heirs[handed.index(True)]]
    found = await nodes[0].groups.get("g1")
    assert found is not None
    assert found.owner_id == owners[0]


async def test_a_group_keeps_an_owner_when_the_heir_is_removed_or_demoted_at_the_same_time(nodes: Nodes) -> None:
    for number in range(5):
        group_id = f"g{number}"
        await create(nodes[0], group_id, "ann", "bob")
        await asyncio.gather(
            nodes[0].members.hand_over(group_id, "owner", "ann"),
            nodes[1].members.remove(group_id, "ann"),
            nodes[0].members.set(group_id, "ann", {"role": Role.MEMBER}),
        )
        inside = await roles(nodes[1], group_id)
        found = await nodes[1].groups.get(group_id)
        assert found is not None
        assert [user_id for user_id, role in inside.items() if role is Role.OWNER] == [found.owner_id]


async def test_among_tells_members_from_others(stores: Stores) -> None:
    await create(stores, "g1", "ann", "bob")
    await create(stores, "g2", "cleo")
    assert await stores.members.among("g1", ["ann", "cleo", "owner"]) == {"ann", "owner"}
    assert await stores.members.among("g1", []) == set()


async def test_people_who_share_any_group_with_me(stores: Stores) -> None:
    await create(stores, "g1", "ann", "bob")
    await create(stores, "g2", "ann", "bob", "cleo")
    await create(stores, "g3", "dora")
    assert await stores.members.share_a_group("ann", ["bob", "cleo", "dora", "eve"]) == {"bob", "cleo"}
    assert await stores.members.share_a_group("eve", ["ann"]) == set()
