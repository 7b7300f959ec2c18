"""What nodes know of each other's connections, also of a node that died and of a Redis that has forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from goim.clock import SystemClock
from goim.elsewhere import redis as module
from goim.elsewhere.base import Connected
from goim.elsewhere.redis import RedisElsewhere
from goim.resp.client import RedisClient
from goim.resp.link import Login, RedisDown, Server
from goim.resp.places import OneServer
from tests.redis_server import ask

clock = SystemClock()


class Ahead(SystemClock):
    """A clock that can be set forward."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


class Place:
    """A node: who is here, and whom it was told that a dead node has lost."""

    def __init__(self, server: Server, login: Login) -> None:
        self._server, self._login = server, login
        self.clock = Ahead()
        self.client = RedisClient(OneServer(server), login, clock)
        self.knows = RedisElsewhere(self.client, self.clock)
        self.here: dict[str, Connected] = {}
        self.lost: list[tuple[str, str]] = []
        self.returns = 0
        self.knows.watch(lambda: list(self.here.values()), self.lost.extend, self.return_)

    def return_(self) -> None:
        self.returns += 1

    async def stand_still(self) -> None:
        """No heartbeat, and none for so long that it is as dead as a process that was killed."""
        self._ask = self.client.ask
        self.client.ask = no_answer  # type: ignore[method-assign]
        self.clock.seconds += 2 * module.DEAD_MS / 1000
        await ask(self._server, "ZADD", module._NODES, "XX", "1", self.knows._me, login=self._login)

    def go_on(self) -> None:
        self.client.ask = self._ask  # type: ignore[method-assign]

    def connect(self, user_id: str, device_id: str, at: int = 1) -> Connected:
        device = self.here[device_id] = Connected(user_id, device_id, "session", "websocket", at)
        self.knows.came(device)
        return device

    def disconnect(self, device_id: str) -> None:
        self.knows.went(self.here.pop(device_id))


async def no_answer(*_: object) -> None:
    raise RedisDown("it stands still")


@pytest.fixture(name="places")
async def three_places(
    redis_server: Server, redis_login: Login, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[tuple[Place, contextlib.AsyncExitStack]]]:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.1)
    async with contextlib.AsyncExitStack() as stack:
        places = []
        for _ in range(3):
            place = Place(redis_server, redis_login)
            life = await stack.enter_async_context(contextlib.AsyncExitStack())
            await life.enter_async_context(place.client.open())
            await life.enter_async_context(place.knows.running())
            places.append((place, life))
        yield places


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():
            await clock.sleep(0.02)


Places = list[tuple[Place, contextlib.AsyncExitStack]]


async def test_a_device_is_seen_by_the_others_until_it_goes(places: Places) -> None:
    (one, _), (two, _), _ = places
    phone = one.connect("ann", "phone")

    async def is_seen() -> bool:
        return await two.knows.devices("ann") == [phone]

    await until(is_seen)
    assert await two.knows.online(["ann", "bob"]) == {"ann"}
    assert await two.knows.devices("bob", "ann") == [phone]
    assert await one.knows.online(["ann"]) == set(), "what is here is not elsewhere"
    one.disconnect("phone")

    async def is_gone() -> bool:
        return await two.knows.online(["ann"]) == set()

    await until(is_gone)


async def test_people_of_a_node_that_has_just_come_are_seen_at_once(redis_server: Server, redis_login: Login) -> None:
    one, two = Place(redis_server, redis_login), Place(redis_server, redis_login)
    async with one.client.open(), one.knows.running(), two.client.open(), two.knows.running():  # heartbeats are slow
        phone = two.connect("ann", "phone")
        await two.knows._flush()
        assert await one.knows.devices("ann") == [phone]


async def test_of_nodes_that_notice_the_same_one_tells_it(places: Places) -> None:
    nodes = [place.knows for place, _ in places]

    async def tellers(*, is_online: bool) -> int:
        answers = await asyncio.gather(*(node.is_news({"ann": is_online}) for node in nodes))
        return sum(answer == {"ann"} for answer in answers)

    assert [await tellers(is_online=each) for each in (True, True, False, False, True)] == [1, 0, 1, 0, 1]


async def test_a_device_that_moved_stays_where_it_went(places: Places) -> None:
    (one, _), (two, _), (three, _) = places
    one.connect("ann", "phone", 1)
    await one.knows._flush()
    moved = two.connect("ann", "phone", 2)
    await two.knows._flush()
    one.disconnect("phone")
    await one.knows._flush()

    async def is_known() -> bool:
        return await three.knows.devices("ann") == [moved]

    await until(is_known)


async def test_a_node_that_stood_still_does_not_take_back_a_device_that_moved_meanwhile(places: Places) -> None:
    (one, _), (two, _), (three, _) = places
    old = one.connect("ann", "phone", 1)
    await one.knows._flush()
    moved = two.connect("ann", "phone", 2)
    await two.knows._flush()
    one.knows.came(old)  # it was dead to the others, and says anew who is there
    one.disconnect("phone")
    await one.knows._flush()
    assert await three.knows.devices("ann") == [moved]


async def test_the_people_of_a_node_that_died_are_told_once(places: Places) -> None:
    (one, _), (two, _), (three, _) = places
    for number in range(5):
        one.connect("ann", f"device {number}")
    await one.knows._flush()

    async def is_seen() -> bool:
        return await two.knows.online(["ann"]) == await three.knows.online(["ann"]) == {"ann"}

    await until(is_seen)
    await one.stand_still()

    async def is_told() -> bool:
        return bool(two.lost or three.lost)

    await until(is_told)
    assert sorted(two.lost + three.lost) == [("ann", f"device {number}") for number in range(5)]
    assert await two.knows.online(["ann"]) == set()


async def test_a_node_that_stood_still_is_known_again_and_told_that_it_had_been_taken_for_dead(
    places: Places,
) -> None:
    (one, _), (two, _), (three, _) = places
    phone = one.connect("ann", "phone")
    await one.knows._flush()
    await one.stand_still()

    async def is_told() -> bool:
        return bool(two.lost or three.lost)

    await until(is_told)
    assert await two.knows.devices("ann") == []
    one.go_on()

    async def is_back() -> bool:
        return await two.knows.devices("ann") == [phone]

    await until(is_back)
    assert (one.returns, two.returns, three.returns) == (1, 0, 0)
    assert two.lost + three.lost == [("ann", "phone")]


async def test_the_people_of_a_node_that_died_alone_are_told_by_the_next_one_that_comes(
    redis_server: Server, redis_login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.1)
    one, two = Place(redis_server, redis_login), Place(redis_server, redis_login)
    async with one.client.open(), one.knows.running():
        one.connect("ann", "phone")
        await one.knows._flush()
        await one.stand_still()  # dead before the other one comes
        async with two.client.open(), two.knows.running(), asyncio.timeout(20):
            while two.lost != [("ann", "phone")]:
                await clock.sleep(0.02)


async def test_a_node_that_ends_in_peace_is_mourned_by_nobody(places: Places) -> None:
    (one, life), (two, _), (three, _) = places
    one.connect("ann", "phone")
    await one.knows._flush()
    await life.aclose()

    async def is_gone() -> bool:
        return await two.knows.online(["ann"]) == await three.knows.online(["ann"]) == set()

    await until(is_gone)
    assert two.lost == three.lost == []


async def test_a_redis_that_has_forgotten_everything_is_told_again(
    places: Places, redis_server: Server, redis_login: Login
) -> None:
    (one, _), (two, _), _ = places
    phone = one.connect("ann", "phone")
    await one.knows._flush()
    await ask(redis_server, "FLUSHDB", login=redis_login)

    async def is_seen() -> bool:
        return await two.knows.devices("ann") == [phone]

    await until(is_seen)


async def test_who_goes_while_redis_is_away_is_gone_when_it_is_back(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, _), (two, _), _ = places
    one.connect("ann", "phone")
    await one.knows._flush()

    async def is_seen() -> bool:
        return await two.knows.online(["ann"]) == {"ann"}

    await until(is_seen)
    with monkeypatch.context() as away:

        async def refuse(_: object) -> list[object]:
            raise RedisDown("away")

        away.setattr(one.client, "ask_all", refuse)
        one.disconnect("phone")
        with pytest.raises(RedisDown):
            await one.knows._flush()

    async def is_gone() -> bool:
        return await two.knows.devices("ann") == []

    await until(is_gone)
    assert two.lost == []
