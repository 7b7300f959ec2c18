"""Presence: who is told of whom, when, and what a storm of reconnects costs; and typing."""

from __future__ import annotations

from typing import Any

import pytest

from goim.elsewhere.base import Connected, Nobody
from goim.errors import ErrorCode, StoreDown
from goim.model.users import Device
from goim.protocol.pushes import PresenceData
from goim.services.presence import LASTING_SECONDS
from tests.fake_clock import START_MS
from tests.services.house import House, Phone, open_house, refused  # noqa: F401


async def settle(house: House) -> None:
    """Let everything that came or went last long enough to be told."""
    house.clock.advance(LASTING_SECONDS)
    await house.presence.tell_due()


async def settled(house: House, *user_ids: str) -> list[Phone]:
    """People who have been online for a while."""
    phones = [await house.phone(user_id) for user_id in user_ids]
    await settle(house)
    for phone in phones:
        phone.take()
    return phones


# asking


async def test_friends_and_fellow_group_members_may_ask_and_nobody_else(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("cleo", "dora")
    group_id = await house.group("ann")
    await house.group_door.join("cleo", group_id)
    for name in ("ann", "bob", "cleo", "dora"):
        await house.phone(name)
    now = house.clock.now_ms()
    asked = ["bob", "cleo", "dora", "nobody", "ann", "bob"]
    assert await house.presence.of("ann", asked) == [PresenceData("bob", True, now), PresenceData("cleo", True, now)]
    assert await house.presence.of("dora", ["ann", "bob", "cleo"]) == []


class There(Nobody):
    """Another node, to which bob's laptop is connected; it is asked once for all."""

    def __init__(self) -> None:
        self.asked = 0

    async def devices(self, *user_ids: str) -> list[Connected]:
        self.asked += 1
        return [Connected(each, "laptop", "session", "websocket", 1) for each in user_ids if each == "bob"]


async def test_a_device_is_connected_whichever_node_it_is_connected_to(house: House) -> None:
    await house.people("ann", "bob", "cleo")
    here = {(name, (await house.phone(name)).device_id) for name in ("ann", "bob")}
    assert await house.presence.connected_devices(["ann", "bob", "cleo"]) == here
    house.presence._elsewhere = there = There()
    assert await house.presence.connected_devices(["ann", "bob", "cleo"]) == here | {("bob", "laptop")}
    assert there.asked == 1


async def test_friends_hear_that_those_are_there_whose_node_had_been_taken_for_dead(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    ann, _ = await settled(house, "ann", "bob")
    house.presence.again()
    house.clock.advance(5)
    await house.presence.tell_due()
    assert [(push["userId"], push["online"]) for push in ann.take("presence")] == [("bob", True)]
    house.clock.advance(5)
    await house.presence.tell_due()
    assert ann.take("presence") == []


@pytest.mark.parametrize(("blocker", "blocked"), [("ann", "bob"), ("bob", "ann")])
async def test_a_block_hides_both_from_each_other(house: House, blocker: str, blocked: str) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.group("ann", "bob")
    await house.blocks.add(blocker, blocked, 0)
    (ann,) = await settled(house, "ann")
    bob = await house.phone("bob")
    await settle(house)
    assert await house.presence.of("ann", ["bob"]) == []
    assert await house.presence.of("bob", ["ann"]) == []
    assert ann.take("presence") == bob.take("presence") == []


async def test_who_is_away_was_last_seen_when_the_last_device_was(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    devices = [
        Device(user_id="bob", device_id=name, session_id="s", transport="ws", connected_at=0, last_seen=seen)
        for name, seen in (("phone", 5_000), ("laptop", 9_000))
    ]
    await house.sessions.seen(devices)
    assert await house.presence.of("ann", ["bob", "cleo"]) == [
        PresenceData("bob", False, 9_000),
        PresenceData("cleo", False, 0),
    ]


@pytest.mark.parametrize("later", [1, 5])
async def test_who_went_a_moment_ago_was_last_seen_then(house: House, later: float) -> None:
    await house.friends_of_each_other("ann", "bob")
    (bob,) = await settled(house, "bob")
    house.delivery.detach(bob)
    went = house.clock.now_ms()
    house.clock.advance(later)
    await house.presence.tell_due()
    assert await house.presence.of("ann", ["bob"]) == [PresenceData("bob", False, went)]


async def test_asking_for_many_is_a_few_queries_and_for_too_many_is_refused(house: House) -> None:
    names = [f"user{number}" for number in range(200)]
    await house.people("ann", *names)
    await house.befriend("ann", *names)
    house.calls.clear()
    assert len(await house.presence.of("ann", names)) == 200
    assert house.calls.total() == 4
    with refused(ErrorCode.INVALID):
        await house.presence.of("ann", [*names, "one more"])


# telling


async def test_friends_hear_who_came_and_who_went_once_it_has_lasted(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    await house.people("cleo")
    ann, cleo = await settled(house, "ann", "cleo")

    bob = await house.phone("bob")
    house.clock.advance(LASTING_SECONDS - 0.1)
    await house.presence.tell_due()
    assert ann.take() == []
    house.clock.advance(0.1)
    await house.presence.tell_due()
    assert ann.take("presence") == [{"userId": "bob", "online": True, "lastSeen": START_MS + 2_000}]
    assert cleo.take() == []

    house.delivery.detach(bob)
    went = house.clock.now_ms()
    await settle(house)
    assert ann.take("presence") == [{"userId": "bob", "online": False, "lastSeen": went}]


async def test_who_comes_and_goes_at_once_is_not_told(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    (ann,) = await settled(house, "ann")
    bob = await house.phone("bob")
    house.clock.advance(1.9)
    house.delivery.detach(bob)
    await settle(house)
    assert ann.take() == []


async def test_a_reconnect_and_a_second_device_are_not_told(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    ann, bob = await settled(house, "ann", "bob")
    house.delivery.detach(bob)
    house.clock.advance(1.9)
    back = await house.phone("bob", "phone")
    await settle(house)
    await house.phone("bob", "phone")  # replaces the one before
    laptop = await house.phone("bob", "laptop")
    await settle(house)
    house.delivery.detach(laptop)
    await settle(house)
    assert back.closed
    assert ann.take() == []


async def test_the_time_to_last_begins_anew_with_each_turn(house: House) -> None:
    await house.friends_of_each_other("ann", "bob")
    (ann,) = await settled(house, "ann")
    first = await house.phone("bob")
    house.clock.advance(1)
    house.delivery.detach(first)
    house.clock.advance(0.9)
    await house.phone("bob")
    house.clock.advance(0.1)
    await house.presence.tell_due()
    assert ann.take() == [], "online for a tenth of a second"
    house.clock.advance(1.9)
    await house.presence.tell_due()
    assert [push["online"] for push in ann.take("presence")] == [True]


async def test_a_storm_of_reconnects_costs_a_few_queries(house: House) -> None:
    names = [f"user{number}" for number in range(1000)]
    await house.people("ann", *names)
    await house.befriend("ann", *names)
    (ann,) = await settled(house, "ann")
    house.calls.clear()
    for name in names:
        house.delivery.attach(Phone(name, name))
    assert house.calls.total() == 0
    await settle(house)
    assert len(ann.take("presence")) == 1000
    assert house.calls.total() <= 2 * 1000 / 200, house.calls


async def test_it_is_told_by_itself_while_the_node_runs(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    (ann,) = await settled(house, "ann")
    async with house.presence.running():
        await house.phone("bob")
        await house.clock.until_asleep()
        house.clock.advance(1)
        await house.phone("cleo")
        house.clock.advance(1)
        await house.clock.until_asleep()  # bob is told, cleo is waited for
        assert [push["userId"] for push in ann.take("presence")] == ["bob"]
        house.clock.advance(1)
        await ann.until_pushed()
        assert [push["userId"] for push in ann.take("presence")] == ["cleo"]


@pytest.mark.parametrize("error", [StoreDown("away"), RuntimeError("a mistake")])
async def test_what_goes_wrong_delays_the_news_and_loses_none(house: House, error: Exception) -> None:
    await house.friends_of_each_other("ann", "bob")
    (ann,) = await settled(house, "ann")
    house.failures["Friends.friend_ids_of"] = [error]
    async with house.presence.running():
        await house.phone("bob")
        await house.clock.until_asleep()
        house.clock.advance(LASTING_SECONDS)
        await house.clock.until_asleep()  # for another two seconds
        assert ann.take() == []
        house.clock.advance(LASTING_SECONDS)
        await ann.until_pushed()
        assert [push["userId"] for push in ann.take("presence")] == ["bob"]


# typing


async def chat(house: House) -> tuple[str, Phone, Phone]:
    """Ann and bob have talked: the conversation and their phones."""
    await house.friends_of_each_other("ann", "bob")
    conv_id = (await house.say("ann", "bob")).conv_id
    return conv_id, await house.phone("ann"), await house.phone("bob")


def typed(phone: Phone) -> list[bool]:
    return [push["typing"] for push in phone.take("typing")]


async def test_the_other_one_sees_me_type_and_nothing_is_stored(house: House) -> None:
    conv_id, ann, bob = await chat(house)
    await house.presence.typing(ann, conv_id, is_typing=True)
    assert bob.take("typing") == [{"convId": conv_id, "userId": "ann", "typing": True}]
    assert ann.take("typing") == []
    assert (await house.log.last_seqs([conv_id]))[conv_id] == 1


async def test_starts_pass_once_a_second_and_stops_only_after_a_start(house: House) -> None:
    conv_id, ann, bob = await chat(house)
    steps: list[tuple[float, bool, list[bool]]] = [
        (0.0, True, [True]),
        (0.5, True, []),
        (0.0, False, [False]),
        (0.0, False, []),
        (0.4, True, []),
        (0.0, False, []),
        (0.1, True, [True]),
        (0.0, False, [False]),
    ]
    for wait, is_typing, seen in steps:
        house.clock.advance(wait)
        await house.presence.typing(ann, conv_id, is_typing=is_typing)
        assert typed(bob) == seen
    await house.presence.typing(bob, conv_id, is_typing=True)
    assert typed(ann) == [True], "everybody has seconds of their own"


async def test_a_group_sees_it_but_not_the_connection_that_types(house: House) -> None:
    await house.friends_of_each_other("ann", "bob", "cleo")
    group_id = await house.group("ann", "bob", "cleo")
    ann, bob, cleo = [await house.phone(name) for name in ("ann", "bob", "cleo")]
    await house.presence.typing(ann, f"group:{group_id}", is_typing=True)
    assert (typed(ann), typed(bob), typed(cleo)) == ([], [True], [True])


@pytest.mark.parametrize("what", ["stranger", "blocked", "unfriended", "muted", "left"])
async def test_who_may_not_write_does_not_type(house: House, what: str) -> None:
    conv_id, ann, bob = await chat(house)
    await house.people("cleo")
    group_id = await house.group("bob", "ann")
    cases: dict[str, tuple[Any, str, ErrorCode]] = {
        "stranger": (await house.phone("cleo"), conv_id, ErrorCode.NOT_FOUND),
        "blocked": (ann, conv_id, ErrorCode.BLOCKED),
        "unfriended": (ann, conv_id, ErrorCode.NOT_FRIEND),
        "muted": (ann, f"group:{group_id}", ErrorCode.MUTED),
        "left": (ann, f"group:{group_id}", ErrorCode.NOT_FOUND),
    }
    if what == "blocked":
        await house.blocks.add("bob", "ann", 0)
    elif what == "unfriended":
        await house.friends.remove("bob", "ann")
    elif what == "muted":
        await house.group_desk.mute("bob", group_id, muted=True)
    elif what == "left":
        await house.group_desk.leave("ann", group_id)
    await house.access.relation_changed("ann", "bob")
    actor, where, code = cases[what]
    bob.take()
    with refused(code):
        await house.presence.typing(actor, where, is_typing=True)
    assert bob.take() == []
