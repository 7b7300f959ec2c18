"""Sessions and devices as the contract has them: what a token is good for, and everything that ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.client import PASSWORD, Person, Refused, World
from tests.fake_clock import FakeClock
from tests.node import started_node

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def check_dead(town: World, person: Person) -> None:
    """Its token opens nothing any more."""
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await person.get("/api/users/me")
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await person.post("/api/messages", {"to": "x", "type": "text", "payload": {"text": "hi"}})
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{town.base_url.replace('http', 'ws')}/ws?token={person.token}", proxy=None)
    assert refused.value.response.status_code == 401
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await person.post("/api/token/refresh", {"refreshToken": person.refresh_token})


async def test_a_login_says_what_it_gives(town: World) -> None:
    ann = await town.person()
    answer = await ann.post("/api/login", {"username": ann.username.upper(), "password": PASSWORD})
    assert answer.keys() == {"token", "userId", "expiresAt", "refreshToken"}
    assert answer["userId"] == ann.user_id
    for wrong in ({"password": PASSWORD + " "}, {"username": "nobody.here"}, {"username": "x"}, {"password": ""}):
        with pytest.raises(Refused) as refused:
            await ann.post("/api/login", {"username": ann.username, "password": PASSWORD} | wrong)
        assert (refused.value.code, refused.value.data["status"]) == ("BAD_CREDENTIALS", 401)
        assert refused.value.data["detail"] == "wrong username or password", "not which of the two"


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(town: World) -> None:
    ann = await town.person()
    other = await town.log_in(ann)
    device = await town.device(ann)
    first = await ann.post("/api/token/refresh", {"refreshToken": ann.refresh_token})
    assert first.keys() == {"token", "userId", "expiresAt", "refreshToken"}
    assert (await Person(ann.http, token=first["token"]).get("/api/users/me"))["userId"] == ann.user_id
    assert (await ann.get("/api/users/me"))["userId"] == ann.user_id, "the old token lives out its time"
    second = await ann.post("/api/token/refresh", {"refreshToken": first["refreshToken"]})
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await ann.post("/api/token/refresh", {"refreshToken": first["refreshToken"]})
    assert await device.closed() == 4001
    for answer in (first, second):
        await check_dead(town, Person(ann.http, token=answer["token"], refresh_token=answer["refreshToken"]))
    assert (await other.get("/api/users/me"))["userId"] == ann.user_id, "another session goes on"


async def test_of_two_refreshes_at_once_at_most_one_succeeds(town: World) -> None:
    ann = await town.person()
    body = {"refreshToken": ann.refresh_token}
    answers = await asyncio.gather(*(ann.post("/api/token/refresh", body) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(answer, dict) for answer in answers) == 1


async def test_a_logout_ends_this_session_and_no_other(town: World) -> None:
    ann = await town.person()
    other = await town.log_in(ann)
    phone, tablet, laptop = await town.device(ann), await town.device(ann), await town.device(other)
    assert await ann.post("/api/logout") is None
    assert await phone.closed() == await tablet.closed() == 4001
    await check_dead(town, ann)
    assert "timestamp" in await laptop.ask("ping")


async def test_a_new_password_ends_the_other_sessions(town: World) -> None:
    ann = await town.person()
    other = await town.log_in(ann)
    mine, theirs = await town.device(ann), await town.device(other)
    change = {"oldPassword": PASSWORD, "newPassword": "battery staple"}
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await ann.put("/api/users/me/password", change | {"oldPassword": "wrong"})
    with pytest.raises(Refused, match="INVALID"):
        await ann.put("/api/users/me/password", change | {"newPassword": "short"})
    assert await ann.put("/api/users/me/password", change) is None
    assert await theirs.closed() == 4001
    await check_dead(town, other)
    assert "timestamp" in await mine.ask("ping")
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await town.log_in(ann)
    assert "token" in await ann.post("/api/login", {"username": ann.username, "password": "battery staple"})


# devices


async def test_a_second_connection_of_a_device_replaces_the_first(town: World) -> None:
    ann = await town.person()
    first, other = await town.device(ann, "phone"), await town.device(ann, "laptop")
    second = await town.device(ann, "phone")
    assert await first.closed() == 4009
    third = await town.device(await town.log_in(ann), "phone")
    assert await second.closed() == 4009, "whatever the session"
    for device in (third, other):
        assert "timestamp" in await device.ask("ping")
    bob = await town.person()
    await town.device(bob, "phone")
    assert "timestamp" in await third.ask("ping"), "somebody else's phone is another one"


async def test_a_session_of_a_device_is_that_devices(town: World) -> None:
    ann = await town.person(deviceId="phone")
    url = town.base_url.replace("http", "ws")
    async with connect(f"{url}/ws?token={ann.token}", proxy=None):
        (device,) = (await ann.get("/api/users/me/devices"))["devices"]
        assert (device["deviceId"], device["online"], device["transport"]) == ("phone", True, "websocket")
    for wrong in ("laptop", "x" * 65, "Phone"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{url}/ws?token={ann.token}&deviceId={wrong}", proxy=None)
        assert refused.value.response.status_code == 400
    device = await town.device(ann, "phone")
    again = await town.log_in(ann, deviceId="phone")
    assert await device.closed() == 4001, "a second login on a device ends the first"
    await check_dead(town, ann)
    assert (await again.get("/api/users/me"))["userId"] == ann.user_id
    with pytest.raises(Refused, match="INVALID"):
        await town.log_in(ann, deviceId="x" * 65)


async def test_a_kicked_device_is_closed_and_its_session_ended(town: World) -> None:
    ann = await town.person()
    phone = await town.log_in(ann, deviceId="phone")
    socket, mine = await town.device(phone), await town.device(ann, "laptop")
    assert await ann.delete("/api/users/me/devices/phone") is None
    assert await socket.closed() == 4010
    await check_dead(town, phone)
    assert "timestamp" in await mine.ask("ping")
    assert [device["deviceId"] for device in (await ann.get("/api/users/me/devices"))["devices"]] == ["laptop"]
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.delete("/api/users/me/devices/phone")
    bob = await town.person()
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.delete("/api/users/me/devices/laptop")


async def test_kicking_a_device_of_ones_own_session_leaves_the_session(town: World) -> None:
    ann = await town.person()
    tablet = await town.device(ann, "tablet")
    await ann.delete("/api/users/me/devices/tablet")
    assert await tablet.closed() == 4010
    assert (await ann.get("/api/users/me/devices")) == {"devices": [], "count": 0}


async def test_devices_are_listed_with_what_is_known_of_them(town: World) -> None:
    ann = await town.person()
    async with town.online(ann, "phone") as phone:
        await phone.ask("ping")
    await town.device(ann, "laptop")
    answer = await ann.get("/api/users/me/devices")
    assert answer["count"] == len(answer["devices"]) == 2
    assert [device["deviceId"] for device in answer["devices"]] == ["laptop", "phone"], "the connected one first"
    assert answer["devices"][0]["online"] is True
    for device in answer["devices"]:
        assert device.keys() == {"deviceId", "online", "connectedAt", "lastSeen", "transport"}
        assert device["lastSeen"] >= device["connectedAt"] > 0


# limits


@pytest_asyncio.fixture(loop_scope="module")
async def strict(tmp_path: Path) -> AsyncIterator[tuple[World, FakeClock]]:
    """A node with low limits and a clock that stands still."""
    clock = FakeClock()
    auth = {
        "login_per_minute": 3,
        "login_per_minute_per_address": 5,
        "register_per_minute": 3,
        "token_ttl": 60,
        "refresh_ttl": 120,
    }
    async with started_node(tmp_path, clock=clock, auth=auth) as (_, world):
        yield world, clock


async def test_too_many_guesses_must_wait_and_others_need_not(strict: tuple[World, FakeClock]) -> None:
    world, clock = strict
    ann, bob = await world.person("ann"), await world.person("bob")

    async def outcome(person: Any, password: str) -> tuple[str, int | None]:
        with pytest.raises(Refused) as refused:
            await ann.post("/api/login", {"username": person, "password": password})
        return refused.value.code, refused.value.data.get("retryAfterMs")

    for _ in range(3):
        assert (await outcome("ann", "wrong password"))[0] == "BAD_CREDENTIALS"
    code, wait_ms = await outcome("ANN", PASSWORD)
    assert code == "RATE_LIMIT"
    assert wait_ms
    assert 0 < wait_ms <= 20_000
    assert (await world.log_in(bob)).user_id == bob.user_id
    for _ in range(2):
        assert (await outcome("nobody.at.all", "wrong password"))[0] == "BAD_CREDENTIALS"
    assert (await outcome("bob", PASSWORD))[0] == "RATE_LIMIT", "the address has failed five times"
    clock.advance(wait_ms / 1000)
    assert (await world.log_in(ann)).user_id == ann.user_id


async def test_too_many_registrations_must_wait(strict: tuple[World, FakeClock]) -> None:
    world, clock = strict
    people = [await world.person() for _ in range(3)]
    with pytest.raises(Refused, match="RATE_LIMIT"):
        await world.person()
    clock.advance(20)
    assert (await world.person()).user_id not in {person.user_id for person in people}


async def test_a_socket_ends_with_its_token_and_comes_back_with_a_fresh_one(strict: tuple[World, FakeClock]) -> None:
    world, clock = strict
    ann, bob = await world.person("ann"), await world.person("bob")
    clock.advance(30)
    async with world.online(await world.log_in(bob)) as young, world.online(ann) as old:
        clock.advance(30)
        assert await old.closed() == 4001
        fresh = await ann.post("/api/token/refresh", {"refreshToken": ann.refresh_token})
        async with world.online(Person(ann.http, token=fresh["token"])) as again:
            assert "timestamp" in await again.ask("ping")
        assert "timestamp" in await young.ask("ping")


async def test_tokens_end_in_time(strict: tuple[World, FakeClock]) -> None:
    world, clock = strict
    ann = await world.person()
    answer = await ann.post("/api/login", {"username": ann.username, "password": PASSWORD})
    assert answer["expiresAt"] == clock.now_ms() + 60_000
    clock.advance(59)
    assert (await ann.get("/api/users/me"))["userId"] == ann.user_id
    clock.advance(1)
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await ann.get("/api/users/me")
    fresh = await ann.post("/api/token/refresh", {"refreshToken": answer["refreshToken"]})
    assert (await Person(ann.http, token=fresh["token"]).get("/api/users/me"))["userId"] == ann.user_id
    clock.advance(120)
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await ann.post("/api/token/refresh", {"refreshToken": fresh["refreshToken"]})
