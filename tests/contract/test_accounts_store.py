"""Accounts, sessions and devices, on every database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from goim.model.users import Device, Session, User
from goim.stores.base import Taken
from tests.contract.structured_stores import Stores, structured_nodes, structured_stores  # noqa: F401

Nodes = tuple[Stores, Stores]


def user(user_id: str, username: str = "", **more: Any) -> User:
    fields = {"nickname": f"nick of {user_id}", "password_hash": "hash", "created_at": 1_000, **more}
    return User(user_id=user_id, username=username or f"name-{user_id}", **fields)


def session(session_id: str, user_id: str = "u1", **more: Any) -> Session:
    fields = {"device_id": None, "refresh_hash": "hash", "created_at": 1_000, "expires_at": 9_000, **more}
    return Session(session_id=session_id, user_id=user_id, **fields)


def device(user_id: str, device_id: str, last_seen: int = 5_000, **more: Any) -> Device:
    fields = {"session_id": "s1", "transport": "ws", "connected_at": 4_000, **more}
    return Device(user_id=user_id, device_id=device_id, last_seen=last_seen, **fields)


async def test_an_account_comes_back_as_it_was_stored(stores: Stores) -> None:
    ann = user("u1", "Ann", nickname="安妮 'é' {%s} 😀", avatar_url="/files/a.png", is_admin=True, is_disabled=True)
    plain = user("u2", "Bob")
    await stores.users.add(ann)
    await stores.users.add(plain)
    assert await stores.users.get("u1") == ann
    assert await stores.users.get("u2") == plain
    assert await stores.users.get("u3") is None


async def test_an_account_is_found_by_its_name_whatever_the_case(stores: Stores) -> None:
    await stores.users.add(user("u1", "Ann.Lee"))
    assert await stores.users.by_username("aNN.lEE") == user("u1", "Ann.Lee")
    assert await stores.users.by_username("Ann") is None


async def test_a_username_in_use_in_another_case_is_taken_and_nothing_is_stored(stores: Stores) -> None:
    await stores.users.add(user("u1", "Ann"))
    with pytest.raises(Taken):
        await stores.users.add(user("u2", "ANN"))
    assert await stores.users.get("u2") is None


async def test_a_user_id_in_use_is_taken(stores: Stores) -> None:
    await stores.users.add(user("u1", "Ann"))
    with pytest.raises(Taken):
        await stores.users.add(user("u1", "Bob"))
    assert await stores.users.by_username("Bob") is None


async def test_of_many_who_want_one_name_at_once_one_gets_it(nodes: Nodes) -> None:
    adds = [nodes[number % 2].users.add(user(f"u{number}", "Ann")) for number in range(20)]
    results = await asyncio.gather(*adds, return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [Taken] * 19
    assert len(await nodes[0].users.search("ann", 100, 100)) == 1


async def test_accounts_by_ids_leave_out_who_does_not_exist(stores: Stores) -> None:
    await stores.users.add(user("u1"))
    await stores.users.add(user("u2", is_admin=True))
    assert await stores.users.by_ids(["u2", "u9", "u1"]) == {"u1": user("u1"), "u2": user("u2", is_admin=True)}
    assert await stores.users.by_ids([]) == {}


async def test_an_update_sets_what_it_names_and_answers_what_is_now(stores: Stores) -> None:
    await stores.users.add(user("u1", "Ann"))
    await stores.users.add(user("u2", "Bob"))
    changed = await stores.users.update("u1", {"nickname": "Queen", "is_disabled": True})
    assert changed == user("u1", "Ann", nickname="Queen", is_disabled=True)
    assert await stores.users.get("u1") == changed
    assert await stores.users.get("u2") == user("u2", "Bob")


async def test_an_update_of_nothing_or_of_nobody_changes_nothing(stores: Stores) -> None:
    await stores.users.add(user("u1"))
    assert await stores.users.update("u1", {}) == user("u1")
    assert await stores.users.update("u9", {"nickname": "Nobody"}) is None
    assert await stores.users.by_ids(["u1", "u9"]) == {"u1": user("u1")}


async def test_of_many_who_replace_one_password_at_once_one_succeeds(nodes: Nodes) -> None:
    await nodes[0].users.add(user("u1", "ann", password_hash="old"))
    await nodes[0].users.add(user("u2", "bob", password_hash="old"))
    done = await asyncio.gather(*(nodes[n % 2].users.change_password("u1", "old", f"new-{n}") for n in range(10)))
    assert done.count(True) == 1
    for user_id, now in (("u1", f"new-{done.index(True)}"), ("u2", "old")):
        found = await nodes[1].users.get(user_id)
        assert found is not None
        assert found.password_hash == now
    assert not await nodes[0].users.change_password("nobody", "old", "new")


async def test_a_new_username_is_found_and_the_old_one_is_free(stores: Stores) -> None:
    await stores.users.add(user("u1", "Ann"))
    await stores.users.update("u1", {"username": "Anna"})
    assert await stores.users.by_username("anna") == user("u1", "Anna")
    await stores.users.add(user("u2", "Ann"))
    with pytest.raises(Taken):
        await stores.users.update("u2", {"username": "ANNA"})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ANN", ["u2", "u1"]),
        ("élodie", ["u3"]),
        ("明", ["u2"]),
        ("100%", ["u4"]),
        ("0%_", []),
        ("_", ["u4"]),
        ("zed", []),
    ],
)
async def test_search_finds_parts_of_names_in_any_case_but_no_disabled_account(
    stores: Stores, query: str, found: list[str]
) -> None:
    await stores.users.add(user("u1", "Joanna", nickname="Jo"))
    await stores.users.add(user("u2", "ann", nickname="小明"))
    await stores.users.add(user("u3", "carol", nickname="ÉLODIE"))
    await stores.users.add(user("u4", "dave_x", nickname="100% Dave"))
    await stores.users.add(user("u5", "zed-ann", nickname="élodie 明", is_disabled=True))
    assert [each.user_id for each in await stores.users.search(query, 10, 10)] == found


async def test_search_stops_at_the_limit_in_order_of_names(stores: Stores) -> None:
    for name in ("Cleo-x", "anna-x", "Bert-x"):
        await stores.users.add(user(name))
    assert [each.user_id for each in await stores.users.search("-X", 2, 10)] == ["anna-x", "Bert-x"]


async def test_beginnings_of_names_are_found_first_and_parts_among_the_latest_accounts(stores: Stores) -> None:
    await stores.users.add(user("u1", "old-ann"))
    await stores.users.add(user("u2", "zoe", nickname="Anna"))
    await stores.users.add(user("u3", "annette", nickname="ann"))
    await stores.users.add(user("u4", "anne", is_disabled=True))
    await stores.users.add(user("u5", "new-ann"))
    await stores.users.add(user("u6", "susann"))

    async def found(limit: int, among: int) -> list[str]:
        return [each.user_id for each in await stores.users.search("Ann", limit, among)]

    assert await found(10, 6) == ["u3", "u2", "u5", "u1", "u6"]
    assert await found(10, 2) == ["u3", "u2", "u5", "u6"]
    assert await found(2, 6) == ["u3", "u2"]
    assert await found(1, 6) == ["u3"]


async def test_erasing_an_account_takes_all_that_is_its_own_and_nothing_else(stores: Stores) -> None:
    for user_id in ("u1", "u2", "u3"):
        await stores.users.add(user(user_id))
        await stores.sessions.add(session(f"s-{user_id}", user_id))
        await stores.sessions.seen([device(user_id, "phone")])
    for one, other in (("u1", "u2"), ("u2", "u1"), ("u2", "u3"), ("u3", "u2")):
        await stores.friends.add_half(one, other, None, 1_000)
    for one, other in (("u1", "u3"), ("u3", "u1"), ("u2", "u3")):
        await stores.blocks.add(one, other, 1_000)
    await stores.users.erase("u1")
    assert await stores.users.get("u1") is None
    assert await stores.sessions.get("s-u1") is None
    assert await stores.sessions.devices(["u1", "u2"]) == [device("u2", "phone")]
    assert await stores.friends.halves("u1", "u2") == (False, False)
    assert await stores.friends.friend_ids("u2") == ["u3"]
    assert await stores.blocks.ids_around("u3") == {"u2"}
    assert await stores.sessions.get("s-u2") == session("s-u2", "u2")
    await stores.users.add(user("u4", "NAME-u1"))


async def test_a_session_comes_back_as_it_was_stored(stores: Stores) -> None:
    named = session("s1", device_id="null")
    await stores.sessions.add(named)
    await stores.sessions.add(session("s2"))
    assert await stores.sessions.get("s1") == named
    assert await stores.sessions.get("s2") == session("s2")
    assert await stores.sessions.get("s3") is None
    with pytest.raises(Taken):
        await stores.sessions.add(session("s1", "u2"))


async def test_a_refresh_token_is_replaced_by_who_knows_it(stores: Stores) -> None:
    await stores.sessions.add(session("s1", refresh_hash="first"))
    assert not await stores.sessions.rotate("s1", "guess", "evil", 99_000)
    assert not await stores.sessions.rotate("s9", "first", "evil", 99_000)
    assert await stores.sessions.get("s1") == session("s1", refresh_hash="first")
    assert await stores.sessions.rotate("s1", "first", "second", 20_000)
    assert await stores.sessions.get("s1") == session("s1", refresh_hash="second", expires_at=20_000)
    assert not await stores.sessions.rotate("s1", "first", "third", 30_000)


async def test_of_many_who_spend_one_refresh_token_at_once_one_succeeds(nodes: Nodes) -> None:
    await nodes[0].sessions.add(session("s1", refresh_hash="first"))
    rotations = [nodes[number % 2].sessions.rotate("s1", "first", f"new-{number}", number) for number in range(20)]
    results = await asyncio.gather(*rotations)
    assert results.count(True) == 1
    winner = results.index(True)
    assert await nodes[1].sessions.get("s1") == session("s1", refresh_hash=f"new-{winner}", expires_at=winner)


async def test_ended_sessions_are_gone_and_the_others_stay(stores: Stores) -> None:
    for number in (2, 1, 3):
        await stores.sessions.add(session(f"s{number}", created_at=number))
    await stores.sessions.add(session("t1", "u2"))
    await stores.sessions.add(session("x1", "disabled"))
    await stores.sessions.add(session("y1", "erased"))
    for each in (user("u1", "ann"), user("u2", "bob"), user("disabled", "cat")):
        await stores.users.add(each)
    await stores.users.update("disabled", {"is_disabled": True})
    assert [each.session_id for each in await stores.sessions.of_user("u1")] == ["s1", "s2", "s3"]
    living = await stores.sessions.living(["s1", "t1", "x1", "y1", "unknown"])
    assert living == {"s1": session("s1", created_at=1), "t1": session("t1", "u2")}
    await stores.sessions.end(["s1", "s3", "unknown"])
    assert await stores.sessions.living({"s1", "s2"}) == {"s2": session("s2", created_at=2)}
    assert await stores.sessions.living([]) == {}
    assert await stores.sessions.of_user("u1") == [session("s2", created_at=2)]
    assert await stores.sessions.of_user("u2") == [session("t1", "u2")]
    await stores.sessions.end([])


async def test_a_device_is_remembered_as_it_was_seen_last(stores: Stores) -> None:
    await stores.sessions.seen([device("u1", "phone"), device("u1", "pad"), device("u2", "phone")])
    again = device("u1", "phone", 8_000, session_id="s2", transport="tcp", connected_at=7_000)
    await stores.sessions.seen([device("u1", "phone", 6_000), again, device("u2", "tv", 7_000)])
    assert await stores.sessions.devices(["u1"]) == [again, device("u1", "pad")]
    assert [each.last_seen for each in await stores.sessions.devices(["u2", "u1"])] == [8_000, 7_000, 5_000, 5_000]
    await stores.sessions.seen([])


async def test_a_forgotten_device_is_gone_and_the_others_stay(stores: Stores) -> None:
    await stores.sessions.seen([device("u1", "phone"), device("u1", "pad"), device("u2", "phone")])
    await stores.sessions.forget_device("u1", "phone")
    await stores.sessions.forget_device("u1", "unknown")
    assert await stores.sessions.devices(["u1", "u2"]) == [device("u1", "pad"), device("u2", "phone")]
