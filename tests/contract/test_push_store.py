"""Devices that want pushes, on every database."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from goim.model.conversations import c2c
from goim.model.groups import Group, Member, Role
from goim.model.push import PushDevice, PushKind
from goim.model.users import Session
from goim.stores import sql_push
from tests.contract.structured_stores import (  # noqa: F401
    Stores,
    create_sqlite,
    structured_nodes,
    structured_stores,
)
from tests.contract.test_accounts_store import user

NOW = 1_000


async def session(stores: Stores, session_id: str, user_id: str, expires_at: int = 9_000) -> None:
    await stores.sessions.add(
        Session(
            session_id=session_id,
            user_id=user_id,
            device_id=None,
            refresh_hash="",
            created_at=1,
            expires_at=expires_at,
        )
    )


def device(user_id: str, device_id: str = "phone", **more: Any) -> PushDevice:
    fields: dict[str, Any] = {
        "session_id": f"s-{user_id}",
        "kind": PushKind.HTTP,
        "address": f"token-{user_id}-{device_id}",
        "provider": "apns",
        "created_at": 5,
    }
    return PushDevice(user_id=user_id, device_id=device_id, **{**fields, **more})


@pytest.fixture
async def people(stores: Stores) -> None:
    for user_id in ("ann", "bob", "eve"):
        await session(stores, f"s-{user_id}", user_id)


async def test_of_many_at_once_no_more_are_there_than_the_limit(nodes: tuple[Stores, Stores]) -> None:
    await nodes[0].users.add(user("zoe"))
    await session(nodes[0], "s-zoe", "zoe")
    putting = (nodes[number % 2].push_devices.put(device("zoe", f"d{number}"), 3) for number in range(12))
    assert (await asyncio.gather(*putting)).count(True) == 3


pytestmark = pytest.mark.usefixtures("people")


async def test_a_device_comes_back_as_it_was_registered(stores: Stores) -> None:
    phone = device("ann")
    browser = device("ann", "browser", kind=PushKind.WEBPUSH, address="https://push.test/" + "x" * 2000, p256dh="p")
    assert await stores.push_devices.put(phone, 9)
    assert await stores.push_devices.put(browser, 9)
    await stores.push_devices.put(device("bob"), 9)
    assert await stores.push_devices.get("ann", "phone", NOW) == phone
    assert await stores.push_devices.of_users(["ann"], NOW) == [browser, phone]
    assert await stores.push_devices.of_users(["bob", "ann", "nobody"], NOW) == [browser, phone, device("bob")]
    assert await stores.push_devices.of_users([], NOW) == []
    assert await stores.push_devices.get("ann", "other", NOW) is None


async def test_a_device_registered_again_is_reached_where_it_says_now(stores: Stores) -> None:
    await stores.push_devices.put(device("ann"), 9)
    await stores.push_devices.put(device("ann", address="new"), 9)
    assert [each.address for each in await stores.push_devices.of_users(["ann"], NOW)] == ["new"]


async def test_an_address_belongs_to_whoever_registered_it_last(stores: Stores) -> None:
    """A browser on which somebody else logs in must not show them the first one's messages."""
    await stores.push_devices.put(device("ann", address="browser"), 9)
    await stores.push_devices.put(device("bob", address="browser"), 9)
    assert await stores.push_devices.of_users(["ann"], NOW) == []
    assert len(await stores.push_devices.of_users(["bob"], NOW)) == 1


async def test_a_device_is_good_as_long_as_its_session(stores: Stores) -> None:
    await stores.push_devices.put(device("ann"), 9)
    assert await stores.push_devices.get("ann", "phone", 8_999) is not None
    assert await stores.push_devices.get("ann", "phone", 9_000) is None
    assert await stores.push_devices.of_users(["ann"], 9_000) == []
    await stores.sessions.end(["s-ann"])
    assert await stores.push_devices.get("ann", "phone", NOW) is None
    assert await stores.push_devices.of_users(["ann"], NOW) == []


async def test_no_account_has_more_than_so_many_and_those_that_are_over_do_not_count(stores: Stores) -> None:
    await session(stores, "old", "ann")
    assert await stores.push_devices.put(device("ann", "d1", session_id="old"), 2)
    assert await stores.push_devices.put(device("ann", "d2"), 2)
    assert not await stores.push_devices.put(device("ann", "d3"), 2)
    assert await stores.push_devices.put(device("ann", "d2", address="again"), 2)
    await stores.sessions.end(["old"])
    assert await stores.push_devices.put(device("ann", "d3"), 2)
    assert [each.device_id for each in await stores.push_devices.of_users(["ann"], NOW)] == ["d2", "d3"]


async def test_devices_are_removed_by_name_or_only_where_they_still_have_an_address(stores: Stores) -> None:
    await stores.push_devices.put(device("ann"), 9)
    assert not await stores.push_devices.remove("bob", "phone")
    assert not await stores.push_devices.remove("ann", "phone", "old")
    assert await stores.push_devices.remove("ann", "phone", "token-ann-phone")
    assert not await stores.push_devices.remove("ann", "phone")
    await stores.push_devices.put(device("ann"), 9)
    assert await stores.push_devices.remove("ann", "phone")
    for device_id in ("d1", "d2"):
        await stores.push_devices.put(device("ann", device_id), 9)
    await stores.push_devices.put(device("bob"), 9)
    await stores.push_devices.erase("ann")
    assert await stores.push_devices.of_users(["ann", "bob"], NOW) == [device("bob")]


async def test_the_devices_of_groups_are_those_of_their_members(stores: Stores) -> None:
    for group_id, user_ids in (("g1", ("ann", "bob")), ("g2", ("eve",)), ("g3", ("ann", "eve"))):
        members = [
            Member(
                group_id=group_id, user_id=each, role=Role.MEMBER if each != user_ids[0] else Role.OWNER, joined_at=1
            )
            for each in user_ids
        ]
        await stores.groups.create(Group(group_id=group_id, name="g", owner_id=user_ids[0], created_at=1), members)
    for user_id in ("ann", "bob", "eve"):
        await stores.push_devices.put(device(user_id), 9)
    found = await stores.push_devices.of_groups(["g3", "g1"], NOW)
    assert found == [("g1", device("ann")), ("g1", device("bob")), ("g3", device("ann")), ("g3", device("eve"))]
    assert await stores.push_devices.of_groups(["g1"], 9_000) == []


async def test_who_has_muted_a_conversation_or_is_not_in_it(stores: Stores) -> None:
    conv_id = (await stores.conversations.create(c2c("ann", "bob", created_at=1))).conv_id
    await stores.conversations.set_entry("bob", conv_id, {"muted": True})
    lines = {("ann", conv_id), ("bob", conv_id), ("eve", conv_id)}
    assert await stores.push_devices.muted(lines) == {("bob", conv_id), ("eve", conv_id)}
    assert await stores.push_devices.muted([]) == set()


async def test_one_address_registered_by_two_at_once_has_one_owner(nodes: tuple[Stores, Stores]) -> None:
    await asyncio.gather(
        *(node.push_devices.put(device(user_id, address="browser"), 9) for node in nodes for user_id in ("ann", "bob"))
    )
    assert len(await nodes[0].push_devices.of_users(["ann", "bob"], NOW)) == 1


STATEMENTS = [name for name, sql in vars(sql_push).items() if name.isupper() and isinstance(sql, str)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_whole_table(tmp_path: Path, name: str) -> None:
    sql = getattr(sql_push, name).strip()
    with closing(sqlite3.connect(create_sqlite(tmp_path / "data.db"))) as connection:
        plan = [str(each[3]) for each in connection.execute(f"EXPLAIN QUERY PLAN {sql}", ["x"] * sql.count("?"))]
    assert not [step for step in plan if step.startswith("SCAN")], plan
