"""Accounts, sessions and devices over HTTP, with the sockets that end with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from goim.ids import new_id
from tests.client import PASSWORD, Refused, World
from tests.fake_clock import FakeClock
from tests.node import started_node


async def test_from_registering_to_logging_out(people: World) -> None:
    http = await people.http()
    registered = await http.post("/api/register", json={"username": "alice", "password": PASSWORD, "nickname": "Alice"})
    assert registered.status_code == 201
    user_id = registered.json()["userId"]
    again = await http.post("/api/register", json={"username": "ALICE", "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (409, "USERNAME_TAKEN")

    login = await http.post("/api/login", json={"username": "alice", "password": PASSWORD})
    assert login.status_code == 200
    assert set(login.json()) == {"token", "userId", "expiresAt", "refreshToken"}
    assert login.json()["userId"] == user_id

    headers = {"Authorization": f"Bearer {login.json()['token']}"}
    me = await http.get("/api/users/me", headers=headers)
    assert me.json() == {
        "userId": user_id,
        "username": "alice",
        "nickname": "Alice",
        "avatarUrl": "",
        "createdAt": me.json()["createdAt"],
    }
    out = await http.post("/api/logout", headers=headers)
    assert (out.status_code, out.content) == (204, b"")
    assert (await http.get("/api/users/me", headers=headers)).status_code == 401


async def test_logging_out_closes_the_sockets_of_this_session_only(people: World) -> None:
    alice = await people.person()
    other = await people.log_in(alice)
    mine, theirs = await people.device(alice), await people.device(other)
    await alice.post("/api/logout")
    assert await mine.closed() == 4001
    assert await theirs.ask("ping")


async def test_tokens_are_renewed_once(people: World) -> None:
    alice = await people.person()
    renewed = await alice.post("/api/token/refresh", {"refreshToken": alice.refresh_token})
    assert set(renewed) == {"token", "userId", "expiresAt", "refreshToken"}
    alice.token = renewed["token"]
    assert await alice.get("/api/users/me")
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await alice.post("/api/token/refresh", {"refreshToken": alice.refresh_token})
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await alice.get("/api/users/me")


async def test_a_token_ends_when_it_said(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_node(tmp_path, clock=clock, auth={"token_ttl": 60}) as (_, world):
        alice = await world.person()
        clock.advance(59)
        await alice.get("/api/users/me")
        clock.advance(1)
        with pytest.raises(Refused, match="UNAUTHORIZED"):
            await alice.get("/api/users/me")


async def test_a_profile_changes_field_by_field(people: World) -> None:
    alice = await people.person("alice")
    await alice.put("/api/users/me", {"avatarUrl": "https://pictures.test/a"})
    changed = await alice.put("/api/users/me", {"nickname": "Al"})
    assert (changed["nickname"], changed["avatarUrl"]) == ("Al", "https://pictures.test/a")
    assert await alice.put("/api/users/me", {"nickname": None}) == changed == await alice.get("/api/users/me")


async def test_others_see_the_public_part(people: World) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    public = {"userId": alice.user_id, "username": "alice", "nickname": "alice", "avatarUrl": ""}
    assert await bob.get(f"/api/users/{alice.user_id}") == public
    assert await bob.get("/api/users/search", q="lic") == {"users": [public]}
    assert await bob.get("/api/users/search", q="nobody") == {"users": []}
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.get(f"/api/users/{new_id()}")


async def test_a_new_password_ends_the_other_sessions(people: World) -> None:
    alice = await people.person()
    other = await people.log_in(alice)
    socket = await people.device(other)
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await alice.put("/api/users/me/password", {"oldPassword": "wrong horse", "newPassword": "battery staple"})
    body = {"oldPassword": PASSWORD, "newPassword": "battery staple"}
    assert await alice.put("/api/users/me/password", body) is None
    assert await socket.closed() == 4001
    assert await alice.get("/api/users/me")
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await people.log_in(alice)


async def test_devices_are_listed_and_kicked(people: World) -> None:
    alice = await people.person()
    phone = await people.device(await people.log_in(alice, deviceId="phone"))
    await people.device(alice, "laptop")
    listed = await alice.get("/api/users/me/devices")
    assert listed["count"] == 2
    first = listed["devices"][0]
    assert set(first) == {"deviceId", "online", "connectedAt", "lastSeen", "transport"}
    assert {device["deviceId"] for device in listed["devices"] if device["online"]} == {"phone", "laptop"}
    await alice.delete("/api/users/me/devices/phone")
    assert await phone.closed() == 4010
    assert [device["deviceId"] for device in (await alice.get("/api/users/me/devices"))["devices"]] == ["laptop"]
    with pytest.raises(Refused, match="NOT_FOUND"):
        await alice.delete("/api/users/me/devices/phone")


async def test_kicking_a_device_on_my_own_session_keeps_me_logged_in(people: World) -> None:
    alice = await people.person()
    phone = await people.device(alice, "phone")
    await alice.delete("/api/users/me/devices/phone")
    assert await phone.closed() == 4010
    assert await alice.get("/api/users/me/devices") == {"devices": [], "count": 0}


async def test_a_second_login_of_a_device_ends_the_first(people: World) -> None:
    alice = await people.person(deviceId="phone")
    socket = await people.device(alice)
    again = await people.log_in(alice, deviceId="phone")
    assert await socket.closed() == 4001
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await alice.get("/api/users/me")
    assert await again.get("/api/users/me")


async def test_an_erased_account_is_gone_for_everybody(people: World) -> None:
    alice, bob = await people.friends("alice", "bob")
    hers, his = await people.device(alice), await people.device(bob)
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await alice.delete("/api/users/me", {"password": "wrong horse"})
    assert await alice.delete("/api/users/me", {"password": PASSWORD}) is None
    assert await hers.closed() == 4001
    assert await his.push("friend_removed") == {"userId": alice.user_id}
    assert await bob.get("/api/friends") == {"friends": []}
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.get(f"/api/users/{alice.user_id}")
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await alice.get("/api/users/me")
    assert (await people.person("alice")).user_id != alice.user_id


@pytest.mark.parametrize(("trusted", "is_told_apart"), [([], False), (["127.0.0.1"], True)])
async def test_only_a_trusted_proxy_may_say_where_a_request_comes_from(
    tmp_path: Path, trusted: list[str], is_told_apart: bool
) -> None:
    server, auth = {"trusted_proxies": trusted}, {"register_per_minute": 1}
    async with started_node(tmp_path, server=server, auth=auth) as (_, world):
        http = await world.http()
        answers = [
            await http.post(
                "/api/register",
                json={"username": f"user{number}", "password": PASSWORD},
                headers={"X-Forwarded-For": f"10.9.9.9, 192.0.2.{number}"},
            )
            for number in range(2)
        ]
    assert [answer.status_code for answer in answers] == [201, 201 if is_told_apart else 429]
