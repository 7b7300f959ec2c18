"""Accounts in the hands of administrators: found, made, closed, opened, erased, and their sessions ended."""

from __future__ import annotations

import json

import pytest

from tests.client import PASSWORD, Refused
from tests.rest.admins import Office, open_office  # noqa: F401

USERS = "/api/admin/users"


async def test_accounts_are_listed_in_parts_and_found(office: Office) -> None:
    root = office.root
    for name in ("ann", "bob", "joanna"):
        await office.world.person(name)
    first = await root.get(USERS, limit=3)
    rest = await root.get(USERS, limit=3, cursor=first["nextCursor"])
    assert [user["username"] for user in first["users"] + rest["users"]] == ["root", "ann", "bob", "joanna"]
    assert rest["nextCursor"] is None
    assert first["users"][0] == {
        "userId": root.user_id,
        "username": "root",
        "nickname": "root",
        "avatarUrl": "",
        "isAdmin": True,
        "isDisabled": False,
        "createdAt": first["users"][0]["createdAt"],
    }
    assert [user["username"] for user in (await root.get(USERS, q=" ANN "))["users"]] == ["ann", "joanna"]
    assert [user["username"] for user in (await root.get(USERS, q=root.user_id))["users"]] == ["root"]
    assert [user["username"] for user in (await root.get(USERS, admins=True))["users"]] == ["root"]
    assert (await root.get(USERS, disabled=True))["users"] == []
    for wrong in ({"limit": 0}, {"cursor": "nonsense"}, {"q": "x" * 65}, {"admins": "perhaps"}):
        with pytest.raises(Refused, match="INVALID"):
            await root.get(USERS, **wrong)


async def test_who_is_disabled_is_gone_at_once_and_comes_back_when_enabled(office: Office) -> None:
    bob = await office.world.person("bob")
    phone, laptop = await office.world.device(bob, "phone"), await office.world.device(bob, "laptop")
    assert await office.root.post(f"{USERS}/{bob.user_id}/disable") is None
    assert [await phone.closed(), await laptop.closed()] == [4001, 4001]
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await bob.get("/api/users/me")
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await bob.post("/api/token/refresh", {"refreshToken": bob.refresh_token})
    with pytest.raises(Refused, match="FORBIDDEN"):
        await office.world.log_in(bob)
    assert [user["username"] for user in (await office.root.get(USERS, disabled=True))["users"]] == ["bob"]
    await office.root.post(f"{USERS}/{bob.user_id}/disable")
    assert await office.root.post(f"{USERS}/{bob.user_id}/enable") is None
    await office.world.device(await office.world.log_in(bob))


async def test_a_new_password_counts_and_ends_what_was_open(office: Office) -> None:
    bob = await office.world.person("bob")
    phone = await office.world.device(bob)
    path = f"{USERS}/{bob.user_id}/password"
    with pytest.raises(Refused, match="INVALID"):
        await office.root.put(path, {"password": "short"})
    assert await office.root.put(path, {"password": "another horse"}) is None
    assert await phone.closed() == 4001
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await office.world.log_in(bob)
    assert await bob.post("/api/login", {"username": "bob", "password": "another horse"})


async def test_sessions_are_listed_and_ended_one_by_one_or_all(office: Office) -> None:
    root = office.root
    bob = await office.world.person("bob", deviceId="phone")
    other = await office.world.log_in(bob)
    phone, laptop = await office.world.device(bob), await office.world.device(other, "laptop")
    path = f"{USERS}/{bob.user_id}/sessions"
    sessions = {session["deviceId"]: session for session in (await root.get(path))["sessions"]}
    assert sessions.keys() == {"phone", None}
    assert sessions["phone"].keys() == {"sessionId", "deviceId", "createdAt", "expiresAt"}
    with pytest.raises(Refused, match="NOT_FOUND"):
        await root.delete(f"{USERS}/{root.user_id}/sessions/{sessions['phone']['sessionId']}")
    assert await root.delete(f"{path}/{sessions['phone']['sessionId']}") is None
    assert await phone.closed() == 4001
    await laptop.ask("ping")
    assert (await root.get(f"{USERS}/{bob.user_id}"))["sessions"] == 1
    assert await root.delete(path) is None
    assert await laptop.closed() == 4001
    assert await root.get(path) == {"sessions": []}


async def test_a_device_is_put_out_with_whatever_session_it_came_in(office: Office) -> None:
    root = office.root
    bob = await office.world.person("bob")
    phone = await office.world.device(bob, "phone")
    path = f"{USERS}/{bob.user_id}/devices"
    listed = await root.get(path)
    assert (listed["count"], listed["devices"][0]["deviceId"], listed["devices"][0]["online"]) == (1, "phone", True)
    with pytest.raises(Refused, match="NOT_FOUND"):
        await root.delete(f"{path}/laptop")
    assert await root.delete(f"{path}/phone") is None
    assert await phone.closed() == 4010
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await bob.get("/api/users/me")
    assert await root.get(path) == {"devices": [], "count": 0}


async def test_an_account_is_made_shown_and_erased(office: Office) -> None:
    root = office.root
    made = await root.post(USERS, {"username": "cleo", "password": PASSWORD, "nickname": "Cleo"})
    ann, cleo = await office.world.person("ann"), await office.world.log_in(type(root)(root.http, username="cleo"))
    assert made == {"userId": cleo.user_id}
    await office.world.befriend(ann, cleo)
    await cleo.post("/api/groups", {"name": "Walks"})
    anns, cleos = await office.world.device(ann), await office.world.device(cleo)
    shown = await root.get(f"{USERS}/{cleo.user_id}")
    assert (shown["nickname"], shown["sessions"], shown["groups"]) == ("Cleo", 1, 1)
    assert shown["lastSeen"] >= shown["createdAt"]
    assert await root.delete(f"{USERS}/{cleo.user_id}") is None
    assert await cleos.closed() == 4001
    assert await anns.push("friend_removed") == {"userId": cleo.user_id}
    with pytest.raises(Refused, match="NOT_FOUND"):
        await root.get(f"{USERS}/{cleo.user_id}")
    await root.post(USERS, {"username": "cleo", "password": PASSWORD})


async def test_nobody_is_not_found(office: Office) -> None:
    nobody = f"{USERS}/0nobody0000000"
    for method, path, body in (
        ("GET", nobody, None),
        ("DELETE", nobody, None),
        ("POST", f"{nobody}/disable", {}),
        ("POST", f"{nobody}/enable", {}),
        ("PUT", f"{nobody}/password", {"password": PASSWORD}),
        ("GET", f"{nobody}/sessions", None),
        ("DELETE", f"{nobody}/sessions", None),
        ("DELETE", f"{nobody}/sessions/x", None),
        ("GET", f"{nobody}/devices", None),
        ("DELETE", f"{nobody}/devices/x", None),
    ):
        with pytest.raises(Refused, match="NOT_FOUND: no such user"):
            await office.root.call(method, path, body)
    with pytest.raises(Refused, match="USERNAME_TAKEN"):
        await office.root.post(USERS, {"username": "ROOT", "password": PASSWORD})


async def test_what_administrators_do_is_logged_with_who_and_whom_and_no_secret(office: Office) -> None:
    bob = await office.world.person("bob")
    await office.root.put(f"{USERS}/{bob.user_id}/password", {"password": "another horse"})
    with pytest.raises(Refused, match="FORBIDDEN"):
        await office.root.post(f"{USERS}/{office.root.user_id}/disable")
    done = {"event": "admin_act", "log_level": "info", "admin_id": office.root.user_id}
    failed = {"event": "admin_act_failed", "log_level": "warning", "admin_id": office.root.user_id}
    assert office.acts == [
        done | {"act": "set_password", "user_id": bob.user_id},
        failed | {"act": "disable_user", "user_id": office.root.user_id, "error": "FORBIDDEN"},
    ]
    assert "another horse" not in json.dumps(office.log)
