"""What administrators look into: everybody and every group, found, counted, and one act that must not race."""

from __future__ import annotations

import asyncio

import pytest

from goim.model.groups import Group, Member, Role
from goim.model.overview import Counts, UserFilter
from goim.model.users import User
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401

Nodes = tuple[Stores, Stores]


def user(user_id: str, username: str = "", **more: object) -> User:
    fields = {"nickname": username or user_id, "password_hash": "…", "created_at": 1_000} | more
    return User(user_id=user_id, username=username or f"name-{user_id}", **fields)  # type: ignore[arg-type]


async def add_groups(stores: Stores, **names: str) -> None:
    for group_id, name in names.items():
        group = Group(group_id=group_id, name=name, owner_id="u1", created_at=1_000)
        await stores.groups.create(group, [Member(group_id=group_id, user_id="u1", role=Role.OWNER, joined_at=1_000)])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (UserFilter(), ["u1", "u2", "u3", "u4"]),
        (UserFilter(query="ANN"), ["u1", "u2"]),
        (UserFilter(query="明"), ["u2"]),
        (UserFilter(query="ÉLODIE"), ["u3"]),
        (UserFilter(query="u4"), ["u4"]),
        (UserFilter(query="U4"), []),
        (UserFilter(query="%"), []),
        (UserFilter(admins=True), ["u1", "u4"]),
        (UserFilter(disabled=True), ["u2", "u4"]),
        (UserFilter(admins=True, disabled=True), ["u4"]),
        (UserFilter(query="ann", admins=True), ["u1"]),
    ],
)
async def test_accounts_are_found_by_id_and_parts_of_names_disabled_ones_too(
    stores: Stores, wanted: UserFilter, found: list[str]
) -> None:
    await stores.users.add(user("u3", "carol", nickname="élodie"))
    await stores.users.add(user("u1", "Joanna", nickname="Jo", is_admin=True))
    await stores.users.add(user("u2", "ann", nickname="小明", is_disabled=True))
    await stores.users.add(user("u4", "dave", is_admin=True, is_disabled=True))
    assert [each.user_id for each in await stores.overview.users(wanted, "", 10)] == found


async def test_groups_are_found_by_parts_of_their_names_in_any_case(stores: Stores) -> None:
    await stores.users.add(user("u1"))
    await add_groups(stores, g1="ÄRZTE", g2="Zahnärzte", g3="arzte")
    for query in ("ärzte", "ÄRZTE"):
        assert [group.group_id for group in await stores.overview.groups(query, "", 10)] == ["g1", "g2"]


async def test_what_is_found_of_accounts_is_all_there_is_of_them_and_comes_in_parts(stores: Stores) -> None:
    people = [user(f"u{number}", is_admin=number == 2) for number in (1, 2, 3)]
    for each in people:
        await stores.users.add(each)
    assert await stores.overview.users(UserFilter(), "", 2) == people[:2]
    assert await stores.overview.users(UserFilter(), "u2", 2) == people[2:]


@pytest.mark.parametrize(
    ("query", "found"), [("", ["g1", "g2", "g3"]), ("TEAM", ["g1", "g3"]), ("周", ["g2"]), ("g3", ["g3"]), ("_", [])]
)
async def test_groups_are_found_by_id_and_parts_of_their_names(stores: Stores, query: str, found: list[str]) -> None:
    await add_groups(stores, g2="周日", g1="Team red", g3="blue team")
    assert [each.group_id for each in await stores.overview.groups(query, "", 10)] == found
    assert [each.group_id for each in await stores.overview.groups(query, "g1", 1)] == [
        group_id for group_id in found if group_id > "g1"
    ][:1]
    assert await stores.overview.groups("g1", "", 10) == [await stores.groups.get("g1")]


async def test_everything_is_counted(stores: Stores) -> None:
    assert await stores.overview.counts() == Counts(users=0, admins=0, disabled=0, groups=0)
    await stores.users.add(user("u1", is_admin=True))
    await stores.users.add(user("u2", is_admin=True, is_disabled=True))
    await stores.users.add(user("u3"))
    await add_groups(stores, g1="one", g2="two")
    assert await stores.overview.counts() == Counts(users=3, admins=2, disabled=1, groups=2)


async def test_only_an_enabled_administrator_disables(stores: Stores) -> None:
    await stores.users.add(user("u1", is_admin=True))
    await stores.users.add(user("u2", is_admin=True, is_disabled=True))
    await stores.users.add(user("u3"))
    for nobody in ("u2", "u3", "u9"):
        assert not await stores.overview.disable(nobody, "u1")
    assert not await stores.overview.disable("u1", "u9")
    assert await stores.overview.disable("u1", "u3")
    assert await stores.overview.disable("u1", "u3"), "twice is once"
    assert await stores.overview.users(UserFilter(disabled=True, query="u3"), "", 9) == [user("u3", is_disabled=True)]
    assert not (await stores.overview.users(UserFilter(query="u1"), "", 9))[0].is_disabled


async def test_of_administrators_who_disable_each_other_at_once_one_is_left(nodes: Nodes) -> None:
    names = [f"u{number}" for number in range(6)]
    for user_id in names:
        await nodes[0].users.add(user(user_id, is_admin=True))
    acts = [
        nodes[number % 2].overview.disable(one, other)
        for number, (one, other) in enumerate((one, other) for one in names for other in names if one != other)
    ]
    await asyncio.gather(*acts)
    left = [each for each in await nodes[0].overview.users(UserFilter(admins=True), "", 9) if not each.is_disabled]
    assert len(left) == 1
