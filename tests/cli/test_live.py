"""What `goimctl` does takes effect on a running server at once: live people are told, or gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.conftest import Goimctl
from tests.client import Api, Refused, World
from tests.fake_clock import FakeClock
from tests.node import started_node


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[World]:
    """A node over the same folder as `goimctl`."""
    async with started_node(tmp_path / "data") as (_, world):
        yield world


async def test_who_is_disabled_is_gone_within_a_second(tmp_path: Path, goimctl: Goimctl) -> None:
    clock = FakeClock()
    async with started_node(tmp_path / "data", clock=clock) as (_, people):
        bob = await people.person("bob")
        phone, laptop = await people.device(bob, "phone"), await people.device(bob, "laptop")
        await goimctl.meanwhile("users", "disable", "bob")
        clock.advance(1)
        assert [await phone.closed(), await laptop.closed()] == [4001, 4001]


async def test_who_is_disabled_cannot_come_back_until_enabled(people: World, goimctl: Goimctl) -> None:
    bob = await people.person("bob")
    phone = await people.device(bob, "phone")
    await goimctl.meanwhile("users", "disable", "bob")
    assert await phone.closed() == 4001
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await bob.get("/api/users/me")
    with pytest.raises(Refused, match="FORBIDDEN"):
        await people.log_in(bob)
    await goimctl.meanwhile("users", "enable", bob.user_id)
    await people.device(await people.log_in(bob))


async def test_a_group_made_and_changed_from_outside_is_live_for_its_members(people: World, goimctl: Goimctl) -> None:
    ann, bob, cleo = [await people.person(name) for name in ("ann", "bob", "cleo")]
    ann1, bob1, cleo1 = [await people.device(person) for person in (ann, bob, cleo)]
    made = (await goimctl.meanwhile("groups", "create", "Team", "ann", "bob")).stdout
    group_id = (await ann1.push("group_created"))["groupId"]
    assert group_id in made
    await goimctl.meanwhile("groups", "add", group_id, "cleo", "bob")
    for device in (ann1, bob1, cleo1):
        joined = await device.push("member_joined")
        assert (joined["userId"], joined["by"]) == (cleo.user_id, "")
    hi = {"groupId": group_id, "type": "text", "payload": {"text": "hi"}}
    await ann1.ask("send", hi)
    assert (await cleo1.push("message"))["payload"] == {"text": "hi"}

    await goimctl.meanwhile("groups", "role", group_id, "bob", "admin")
    assert (await ann1.push("member_updated"))["role"] == "admin"
    await goimctl.meanwhile("groups", "remove", group_id, "cleo")
    assert (await cleo1.push("member_left"))["userId"] == cleo.user_id
    with pytest.raises(Refused, match="NOT_FOUND"):
        await cleo1.ask("send", hi)
    await bob1.ask("send", hi)
    await ann1.push("message")
    assert "message" not in [push["action"] for push in await cleo1.quiet()]

    await goimctl.meanwhile("groups", "disband", group_id, "--yes")
    await ann1.push("group_disbanded")
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann1.ask("send", hi)


async def test_one_session_can_be_ended_and_the_others_go_on(people: World, goimctl: Goimctl) -> None:
    bob = await people.person("bob", deviceId="phone")
    other = await people.log_in(bob, deviceId="laptop")
    phone, laptop = await people.device(bob), await people.device(other)
    listed = await asyncio.to_thread(goimctl.json, "users", "sessions", "bob")
    session_of = {session["deviceId"]: session["sessionId"] for session in listed["sessions"]}
    assert session_of.keys() == {"phone", "laptop"}
    await goimctl.meanwhile("users", "sessions", "bob", "--end", session_of["phone"])
    assert await phone.closed() == 4001
    await laptop.ask("ping")
    left = await asyncio.to_thread(goimctl.json, "users", "sessions", "bob", "--end-all")
    assert left == {"sessions": []}
    assert await laptop.closed() == 4001


async def test_a_device_is_put_out(people: World, goimctl: Goimctl) -> None:
    bob = await people.person("bob")
    phone = await people.device(bob, "phone")
    async with people.online(await people.log_in(bob), "pad") as pad:
        await pad.ask("ping")
    await devices_are(goimctl, {"phone", "pad"})
    assert (await goimctl.meanwhile("users", "devices", "bob", "--end", "phone")).stderr == "phone is out\n"
    assert await phone.closed() == 4010
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await bob.get("/api/users/me")
    await devices_are(goimctl, {"pad"})
    unknown = await asyncio.to_thread(goimctl, "users", "devices", "bob", "--end", "phone")
    assert unknown.stderr == "error: bob has no device phone\nhint: goimctl users devices bob\n"


async def devices_are(goimctl: Goimctl, wanted: set[str]) -> None:
    """The server writes who came and went a moment later."""
    found: set[str] = set()
    async with asyncio.timeout(20):
        while found != wanted:
            listed = await asyncio.to_thread(goimctl.json, "users", "devices", "bob")
            found = {device["deviceId"] for device in listed["devices"]}


async def test_who_is_made_an_administrator_is_one_until_it_is_taken_back(people: World, goimctl: Goimctl) -> None:
    alice = await people.person("alice")
    with pytest.raises(Refused, match="FORBIDDEN"):
        await alice.get("/api/admin/stats")
    await goimctl.meanwhile("users", "admin", "alice")
    assert (await alice.get("/api/admin/stats"))["users"]["admins"] == 1
    await goimctl.meanwhile("users", "admin", "alice", "--revoke")
    with pytest.raises(Refused, match="FORBIDDEN"):
        await alice.get("/api/admin/stats")


async def test_a_new_password_ends_what_was_open_with_the_old_one(people: World, goimctl: Goimctl) -> None:
    bob = await people.person("bob")
    phone = await people.device(bob)
    await goimctl.meanwhile("users", "passwd", "bob", "--password-stdin", stdin="another horse\n")
    assert await phone.closed() == 4001
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await people.log_in(bob)
    assert await bob.post("/api/login", {"username": "bob", "password": "another horse"})


async def test_who_is_erased_is_gone_and_their_friends_know(people: World, goimctl: Goimctl) -> None:
    ann, bob = await people.friends("ann", "bob")
    ann1, bob1 = await people.device(ann), await people.device(bob)
    await ann1.ask("send", ann.text(bob, "hi"))
    await goimctl.meanwhile("users", "erase", "bob", "--yes")
    assert await bob1.closed() == 4001
    assert await ann1.push("friend_removed") == {"userId": bob.user_id}
    with pytest.raises(Refused, match="NOT_FRIEND"):
        await ann1.ask("send", ann.text(bob, "are you there?"))
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.get(f"/api/users/{bob.user_id}")


async def test_a_token_made_beside_the_server_opens_it(people: World, goimctl: Goimctl) -> None:
    await goimctl.meanwhile("users", "create", "alice", "--generate")
    token = (await goimctl.meanwhile("token", "alice", "--device", "robot")).stdout
    assert token.count("\n") == 1
    alice = Api(await people.http(), token.strip())
    assert (await alice.get("/api/users/me"))["username"] == "alice"
