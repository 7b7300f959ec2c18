"""Uploaded files and who may read them, on every database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from goim.model.conversations import c2c
from goim.model.files import EVERYBODY, FileStats, Grant, StoredFile, kept_by
from goim.model.groups import Group, Member, Role
from goim.stores.base import Taken
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401

Nodes = tuple[Stores, Stores]
NOW = 1_700_000_000_000


def file(file_id: str, owner_id: str = "ann", **more: Any) -> StoredFile:
    fields = {"path": f"ab/{file_id}", "name": "a.png", "size": 10, "mime_type": "image/png", "created_at": 1_000}
    return StoredFile(file_id=file_id, owner_id=owner_id, **{**fields, **more})


async def talk(stores: Stores, one: str, other: str) -> str:
    """The conversation of a pair."""
    return (await stores.conversations.create(c2c(one, other, created_at=1_000))).conv_id


async def group(stores: Stores, owner: str, *others: str) -> str:
    """The conversation of a group called g1."""
    members = [Member(group_id="g1", user_id=owner, role=Role.OWNER, joined_at=1_000)]
    members += [Member(group_id="g1", user_id=other, joined_at=1_000) for other in others]
    await stores.groups.create(Group(group_id="g1", name="g", owner_id=owner, created_at=1_000), members)
    return "group:g1"


async def readers(stores: Stores, file_id: str, *user_ids: str) -> set[str]:
    return {user_id for user_id, _ in await stores.grants.readable([(user_id, file_id) for user_id in user_ids], NOW)}


async def test_a_file_comes_back_as_it_was_stored(stores: Stores) -> None:
    picture = file("f1", name="图片 'é'.png", width=640, height=480, thumbnail="ab/f1.small", expires_at=9_000)
    large = file("f2", size=1 << 40, mime_type="application/octet-stream")
    await stores.files.add(picture)
    await stores.files.add(large)
    assert await stores.files.get("f1") == picture
    assert await stores.files.get("f2") == large
    assert await stores.files.get("f3") is None
    assert await stores.files.known(["f2", "f9", "f1"]) == {"f1", "f2"}
    assert await stores.files.known([]) == set()


async def test_an_id_in_use_is_taken_and_its_file_stays(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    with pytest.raises(Taken):
        await stores.files.add(file("f1", "bob"))
    assert await stores.files.get("f1") == file("f1")


async def test_pages_show_the_latest_first_of_one_owner_or_of_all(stores: Stores) -> None:
    for file_id, owner, at in (("f1", "ann", 1), ("f2", "bob", 3), ("f3", "ann", 2), ("f4", "ann", 2)):
        await stores.files.add(file(file_id, owner, created_at=at))
    assert [each.file_id for each in await stores.files.page("ann", 2, 0)] == ["f4", "f3"]
    assert [each.file_id for each in await stores.files.page("ann", 2, 2)] == ["f1"]
    assert [each.file_id for each in await stores.files.page(None, 9, 0)] == ["f2", "f4", "f3", "f1"]
    assert await stores.files.page("eve", 9, 0) == []


async def test_a_file_is_readable_by_its_owner_alone_until_it_is_sent(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    await talk(stores, "ann", "bob")
    assert await readers(stores, "f1", "ann", "bob") == {"ann"}
    assert await readers(stores, "none", "ann", "bob") == set()


async def test_a_file_that_is_everybodys_is_readable_by_everybody(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    await stores.files.add(file("f2"))
    await stores.grants.grant([Grant("f1", EVERYBODY)])
    claims = [("ann", "f1"), ("stranger", "f1"), ("stranger", "f2")]
    assert await stores.grants.readable(claims, NOW) == {("ann", "f1"), ("stranger", "f1")}


async def test_a_file_that_somebody_keeps_is_readable_by_them_until_they_drop_it(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    await stores.grants.grant([Grant("f1", kept_by("bob"), "bob", "m1"), Grant("f1", kept_by("bob"), "bob", "m2")])
    assert await readers(stores, "f1", "bob", "eve") == {"bob"}
    await stores.grants.withdraw([(kept_by("bob"), "bob", "m1")])
    assert await readers(stores, "f1", "bob") == {"bob"}
    await stores.grants.withdraw([(kept_by("bob"), "bob", "m2")])
    assert await readers(stores, "f1", "bob") == set()


async def test_a_file_that_was_sent_is_readable_by_the_members_and_nobody_else(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    await stores.files.add(file("f2", "bob"))
    conv_id = await talk(stores, "ann", "bob")
    await talk(stores, "bob", "eve")
    await stores.grants.grant([Grant("f1", conv_id)])
    assert await readers(stores, "f1", "ann", "bob", "eve", "nobody") == {"ann", "bob"}
    assert await readers(stores, "f2", "ann", "bob", "eve") == {"bob"}
    assert await stores.grants.readable([("bob", "f1"), ("eve", "f1"), ("bob", "f2"), ("ann", "f2")], NOW) == {
        ("bob", "f1"),
        ("bob", "f2"),
    }
    assert await stores.grants.readable([], NOW) == set()


async def test_who_leaves_a_group_loses_its_files_and_who_joins_gets_them(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    await stores.grants.grant([Grant("f1", await group(stores, "ann", "bob"))])
    assert await readers(stores, "f1", "bob", "eve") == {"bob"}
    await stores.members.remove("g1", "bob")
    await stores.members.add("g1", [Member(group_id="g1", user_id="eve", joined_at=2_000)], 0)
    assert await readers(stores, "f1", "ann", "bob", "eve") == {"ann", "eve"}
    await stores.groups.disband("g1")
    assert await readers(stores, "f1", "ann", "bob", "eve") == {"ann"}


async def test_a_file_sent_in_several_conversations_needs_only_one_of_them(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    await stores.grants.grant([Grant("f1", await group(stores, "ann", "bob"))])
    await stores.grants.grant(
        [Grant("f1", await talk(stores, "ann", "bob")), Grant("f1", await talk(stores, "ann", "eve"))]
    )
    await stores.members.remove("g1", "bob")
    assert await readers(stores, "f1", "bob", "eve") == {"bob", "eve"}


async def test_granting_again_changes_nothing_and_what_is_not_there_is_not_granted(stores: Stores) -> None:
    await stores.files.add(file("f1"))
    conv_id = await talk(stores, "ann", "bob")
    await stores.grants.grant([Grant("f1", conv_id), Grant("none", conv_id)])
    await stores.grants.grant([Grant("f1", conv_id)])
    await stores.grants.grant([])
    await stores.files.add(file("none", "eve"))
    assert await readers(stores, "f1", "bob") == {"bob"}
    assert await readers(stores, "none", "bob") == set()


async def test_what_a_message_gave_is_taken_away_unless_another_one_gave_it_too(stores: Stores) -> None:
    conv_id, elsewhere = await talk(stores, "ann", "bob"), await talk(stores, "ann", "eve")
    for file_id in ("f1", "f2", "f3"):
        await stores.files.add(file(file_id))
    one, other = Grant("f1", conv_id, "ann", "m1"), Grant("f1", conv_id, "ann", "m2")
    of_before, not_theirs = Grant("f2", conv_id), Grant("f2", elsewhere, "ann", "m1")
    await stores.grants.grant([one, one._replace(file_id="f2"), one._replace(file_id="f3"), other])
    await stores.grants.grant([of_before, not_theirs])
    for _ in range(2):
        await stores.grants.withdraw([(conv_id, "ann", "m1"), (conv_id, "bob", "m2"), (conv_id, "ann", "none")])
        assert [await readers(stores, file_id, "bob", "eve") for file_id in ("f1", "f2", "f3")] == [
            {"bob"},
            {"bob", "eve"},
            set(),
        ]
    await stores.grants.withdraw([(conv_id, "ann", "m2"), (elsewhere, "ann", "m1")])
    assert [await readers(stores, file_id, "ann", "bob", "eve") for file_id in ("f1", "f2")] == [
        {"ann"},
        {"ann", "bob"},
    ]
    await stores.grants.withdraw([])


async def test_a_right_that_ends_is_none_from_then_on_and_no_resend_makes_it_longer(stores: Stores) -> None:
    conv_id = await talk(stores, "ann", "bob")
    await stores.files.add(file("f1"))
    grant = Grant("f1", conv_id, "ann", "m1", NOW)
    await stores.grants.grant([grant])
    await stores.grants.grant([grant._replace(ends_at=None)])
    for now, may in ((NOW - 1, {("bob", "f1")}), (NOW, set())):
        assert await stores.grants.readable([("bob", "f1")], now) == may
    assert await readers(stores, "f1", "ann") == {"ann"}, "it is hers"
    await stores.grants.grant([grant._replace(client_msg_id="m2", ends_at=NOW + 1)])
    assert await readers(stores, "f1", "bob") == {"bob"}


async def test_all_that_somebodys_messages_gave_is_taken_away_and_nothing_of_others(stores: Stores) -> None:
    conv_id, elsewhere = await talk(stores, "ann", "bob"), await talk(stores, "ann", "eve")
    await stores.files.add(file("f1"))
    await stores.files.add(file("f2"))
    await stores.grants.grant([Grant("f1", conv_id, "ann", "m1"), Grant("f1", elsewhere, "ann", "m2")])
    await stores.grants.grant([Grant("f2", conv_id, "bob", "m1"), Grant("f2", EVERYBODY)])
    await stores.grants.withdraw_of("ann")
    assert await readers(stores, "f1", "ann", "bob", "eve") == {"ann"}
    assert await readers(stores, "f2", "bob", "stranger") == {"bob", "stranger"}


async def test_grants_that_are_given_and_taken_away_at_the_same_time_get_in_nobodys_way(nodes: Nodes) -> None:
    conv_id = await talk(nodes[0], "ann", "bob")
    grants = [Grant(f"f{number % 5}", conv_id, "ann", f"m{number}") for number in range(20)]
    for number in range(5):
        await nodes[0].files.add(file(f"f{number}"))
    keys = [(conv_id, "ann", grant.client_msg_id) for grant in grants]
    await asyncio.gather(
        *(nodes[1].grants.grant(grants[at : at + 4]) for at in range(0, 20, 4)),
        *(nodes[0].grants.withdraw(keys[at : at + 7]) for at in range(0, 20, 7)),
        *(nodes[1].grants.withdraw([key]) for key in reversed(keys)),
        nodes[0].files.delete(["f4"]),
    )
    await nodes[0].grants.withdraw(keys)
    claims = [("bob", f"f{number}") for number in range(5)]
    assert await nodes[1].grants.readable(claims, NOW) == set()


async def test_a_deleted_file_is_gone_with_its_grants_and_the_others_stay(stores: Stores) -> None:
    conv_id = await talk(stores, "ann", "bob")
    for file_id in ("f1", "f2", "f3"):
        await stores.files.add(file(file_id))
        await stores.grants.grant([Grant(file_id, conv_id)])
    await stores.files.delete(["f3", "f1", "unknown"])
    assert await stores.files.known(["f1", "f2", "f3"]) == {"f2"}
    assert await readers(stores, "f2", "bob") == {"bob"}
    await stores.files.add(file("f1", "eve"))
    assert await readers(stores, "f1", "ann", "bob", "eve") == {"eve"}
    await stores.files.delete([])


async def test_files_granted_and_deleted_at_the_same_time_leave_no_grant(nodes: Nodes) -> None:
    conv_id = await talk(nodes[0], "ann", "bob")
    file_ids = [f"f{number}" for number in range(20)]
    for file_id in file_ids:
        await nodes[0].files.add(file(file_id))
    await asyncio.gather(
        *(nodes[1].grants.grant([Grant(file_id, conv_id)]) for file_id in file_ids),
        *(nodes[0].files.delete([file_id]) for file_id in file_ids),
        *(nodes[1].grants.grant([Grant(file_id, conv_id)]) for file_id in file_ids),
    )
    for file_id in file_ids:
        await nodes[0].files.add(file(file_id, "eve"))
    assert await nodes[0].grants.readable([("bob", file_id) for file_id in file_ids], NOW) == set()


async def test_expired_are_those_whose_time_has_come_and_those_made_too_long_ago(stores: Stores) -> None:
    for file_id, made, expires in (("f1", 500, None), ("f2", 1_000, 5_000), ("f3", 1_000, 5_001), ("f4", 1_000, None)):
        await stores.files.add(file(file_id, created_at=made, expires_at=expires))
    assert {each.file_id for each in await stores.files.expired(5_000, 501, 10)} == {"f1", "f2"}
    assert {each.file_id for each in await stores.files.expired(5_000, 0, 10)} == {"f2"}
    assert len(await stores.files.expired(9_000, 501, 2)) == 2
    assert await stores.files.expired(0, 0, 10) == []


async def test_stats_count_files_bytes_and_owners(stores: Stores) -> None:
    assert await stores.files.stats() == FileStats(files=0, bytes=0, owners=0)
    for file_id, owner, size in (("f1", "ann", 5), ("f2", "ann", 1 << 33), ("f3", "bob", 0)):
        await stores.files.add(file(file_id, owner, size=size))
    assert await stores.files.stats() == FileStats(files=3, bytes=(1 << 33) + 5, owners=2)
