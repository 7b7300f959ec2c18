"""Presence over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.client import Refused, World
from tests.fake_clock import FakeClock
from tests.node import started_node
from tests.rest.people import running_node  # noqa: F401


async def test_friends_and_group_members_are_shown_and_others_left_out(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    cleo, dora = await people.person("cleo"), await people.person("dora")
    group_id = (await ann.post("/api/groups", {"name": "us"}))["groupId"]
    await cleo.post(f"/api/groups/{group_id}/join")
    await people.device(bob)
    asked = ",".join(person.user_id for person in (bob, cleo, dora))
    answer = await ann.get("/api/presence", userIds=asked)
    shown = {each["userId"]: each for each in answer["presence"]}
    assert set(shown) == {bob.user_id, cleo.user_id}
    assert shown[bob.user_id]["online"] is True
    assert shown[bob.user_id]["lastSeen"] > 0
    assert shown[cleo.user_id] == {"userId": cleo.user_id, "online": False, "lastSeen": 0}
    assert await ann.get("/api/presence", userIds="") == {"presence": []}


async def test_a_friend_who_comes_and_goes_is_told_and_then_last_seen(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_node(tmp_path, clock=clock) as (node, people):
        ann, bob = await people.friends("ann", "bob")
        anns = await people.device(ann)
        gone = asyncio.Event()
        node.services.delivery.watchers.append(lambda _, came: None if came else gone.set())
        async with people.online(bob) as phone:
            await phone.ask("ping")
            came = clock.now_ms()
            clock.advance(2)
            assert await anns.push("presence") == {"userId": bob.user_id, "online": True, "lastSeen": came}
        await asyncio.wait_for(gone.wait(), 15)
        went = clock.now_ms()
        clock.advance(2)
        assert await anns.push("presence") == {"userId": bob.user_id, "online": False, "lastSeen": went}
        (away,) = (await ann.get("/api/presence", userIds=bob.user_id))["presence"]
        assert away == {"userId": bob.user_id, "online": False, "lastSeen": went}


async def test_too_many_or_none_named_is_refused(people: World) -> None:
    ann = await people.person("ann")
    with pytest.raises(Refused, match="INVALID"):
        await ann.get("/api/presence")
    with pytest.raises(Refused, match="INVALID"):
        await ann.get("/api/presence", userIds=",".join(f"user{number}" for number in range(201)))
