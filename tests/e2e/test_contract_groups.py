"""Groups as the contract has them: who comes, goes, speaks and is silenced, and who is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client import Device, Envelope, Person, Refused, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAR = 4_000_000_000_000


def text(group: Envelope) -> Envelope:
    return {"groupId": group["groupId"], "type": "text", "payload": {"text": "hi"}}


def path(group: Envelope, *more: str) -> str:
    return "/".join(["/api/groups", group["groupId"], *more])


async def made(owner: Person, *members: Person, **more: Any) -> Envelope:
    """A new group with these people in it."""
    ids = [member.user_id for member in members]
    group: Envelope = await owner.post("/api/groups", {"name": "Walks", "memberIds": ids} | more)
    assert sorted(group["added"]) == sorted(ids)
    return group


async def told(device: Device) -> list[tuple[str, Envelope]]:
    return [(push["action"], push["data"]) for push in await device.quiet()]


async def test_friends_are_in_at_once_and_others_are_invited(town: World) -> None:
    ann, bob = await town.circle(2)
    cleo, dora = await town.person(), await town.person()
    await dora.post(f"/api/blocks/{ann.user_id}")
    anns, bobs, cleos, doras = [await town.device(one) for one in (ann, bob, cleo, dora)]
    ids = [bob.user_id, cleo.user_id, dora.user_id, ann.user_id, "nobody", bob.user_id]
    group = await ann.post("/api/groups", {"name": " Walks ", "memberIds": ids})
    assert (group["added"], group["invited"]) == ([bob.user_id], [cleo.user_id])
    assert group["convId"] == f"group:{group['groupId']}"
    (created,) = await told(bobs)
    assert created[0] == "group_created"
    assert created[1]["groupId"] == group["groupId"]
    assert (created[1]["name"], created[1]["ownerId"], created[1]["convId"]) == ("Walks", ann.user_id, group["convId"])
    assert [action for action, _ in await told(anns)] == ["group_created"]
    invite = {"groupId": group["groupId"], "name": "Walks", "by": ann.user_id}
    assert await told(cleos) == [("group_invite", invite)]
    assert await told(doras) == []
    answer = await bob.post(path(group, "members"), {"userIds": [cleo.user_id, ann.user_id]})
    assert answer == {"added": [], "invited": [cleo.user_id]}
    assert await told(cleos) == [], "who was invited before is not told again"
    await cleo.post(path(group, "join"))
    assert [member["userId"] for member in (await ann.get(path(group, "members")))["members"]] == sorted(
        person.user_id for person in (ann, bob, cleo)
    )


async def test_members_receive_without_asking_from_the_moment_they_join(town: World) -> None:
    ann, bob = await town.circle(2)
    cleo = await town.person()
    bobs, cleos = await town.device(bob), await town.device(cleo)
    group = await made(ann, bob)
    await ann.post("/api/messages", text(group))
    await cleo.post(path(group, "join"))
    joined = {"groupId": group["groupId"], "userId": cleo.user_id, "role": "member", "by": cleo.user_id}
    await ann.post("/api/messages", text(group))
    assert [(action, data.get("seq", data)) for action, data in await told(cleos)] == [
        ("member_joined", joined),
        ("message", 2),
    ]
    assert [action for action, _ in await told(bobs)] == ["group_created", "message", "member_joined", "message"]
    state = await cleos.ask("subscribe_group", {"groupId": group["groupId"]})
    assert state == {"groupId": group["groupId"], "convId": group["convId"], "lastSeq": 2, "lastChange": 0}
    late = await town.device(cleo)
    await ann.post("/api/messages", text(group))
    assert [action for action, _ in await told(late)] == ["message"]


async def test_joining_again_changes_nothing(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await made(ann, bob, cleo)
    await ann.put(path(group, "members", bob.user_id), {"role": "admin"})
    await ann.put(path(group, "members", cleo.user_id), {"muteUntil": FAR})
    anns = await town.device(ann)
    before = await ann.get(path(group, "members"))
    for person in (ann, bob, cleo):
        assert await person.post(path(group, "join")) is None
    assert await ann.post(path(group, "members"), {"userIds": [bob.user_id]}) == {"added": [], "invited": []}
    assert await ann.get(path(group, "members")) == before
    assert await told(anns) == []


async def test_who_is_put_out_hears_that_and_nothing_more(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await made(ann, bob, cleo)
    bobs, cleos = await town.device(bob), await town.device(cleo)
    await ann.delete(path(group, "members", cleo.user_id))
    await ann.post("/api/messages", text(group))
    left = {"groupId": group["groupId"], "userId": cleo.user_id, "role": "member", "by": ann.user_id}
    assert await told(cleos) == [("member_left", left)]
    assert [action for action, _ in await told(bobs)] == ["member_left", "message"]
    await bob.post(path(group, "leave"))
    await ann.post("/api/messages", text(group))
    left = {"groupId": group["groupId"], "userId": bob.user_id, "role": "member", "by": bob.user_id}
    assert await told(bobs) == [("member_left", left)]
    for device in (bobs, cleos):
        for action, data in (
            ("send", text(group)),
            ("read", {"convId": group["convId"], "seq": 1}),
            ("subscribe_group", {"groupId": group["groupId"]}),
        ):
            with pytest.raises(Refused, match="NOT_FOUND"):
                await device.ask(action, data)
    late = await town.device(bob)
    await ann.post("/api/messages", text(group))
    assert await told(late) == []


async def test_a_mute_is_checked_before_anything_is_stored(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await made(ann, bob, cleo)
    bobs, anns = await town.device(bob), await town.device(ann)
    await ann.put(path(group, "members", bob.user_id), {"muteUntil": FAR})
    muted = {"groupId": group["groupId"], "userId": bob.user_id, "role": "member", "by": ann.user_id, "muteUntil": FAR}
    assert await told(bobs) == await told(anns) == [("member_updated", muted)]
    with pytest.raises(Refused, match="MUTED"):
        await bobs.ask("send", text(group))
    with pytest.raises(Refused, match="MUTED"):
        await bob.post("/api/messages", text(group))
    assert (await cleo.post("/api/messages", text(group)))["seq"] == 1
    await ann.put(path(group, "members", bob.user_id), {"muteUntil": 0})
    assert (await bobs.ask("send", text(group)))["seq"] == 2
    await ann.put(path(group, "members", bob.user_id), {"muteUntil": 1})
    assert (await bobs.ask("send", text(group)))["seq"] == 3, "a mute that is over is none"


async def test_who_leaves_and_comes_back_is_still_muted(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await made(ann, bob)
    await ann.put(path(group, "members", bob.user_id), {"muteUntil": FAR})
    await bob.post(path(group, "leave"))
    await bob.post(path(group, "join"))
    with pytest.raises(Refused, match="MUTED"):
        await bob.post("/api/messages", text(group))
    await ann.delete(path(group, "members", bob.user_id))
    await ann.post(path(group, "members"), {"userIds": [bob.user_id]})
    with pytest.raises(Refused, match="MUTED"):
        await bob.post("/api/messages", text(group))
    await ann.put(path(group, "members", bob.user_id), {"muteUntil": 0})
    assert (await bob.post("/api/messages", text(group)))["seq"] == 1


async def test_in_a_silent_group_owner_and_admins_still_speak(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    group = await made(ann, bob, cleo)
    await ann.put(path(group, "members", bob.user_id), {"role": "admin"})
    cleos = await town.device(cleo)
    await bob.post(path(group, "mute"), {"muted": True})
    assert await told(cleos) == [("group_updated", {"groupId": group["groupId"], "muted": True, "by": bob.user_id})]
    for person in (ann, bob):
        await person.post("/api/messages", text(group))
    with pytest.raises(Refused, match="MUTED"):
        await cleos.ask("send", text(group))
    assert (await cleo.get(path(group)))["muted"] is True
    await ann.post(path(group, "mute"), {"muted": False})
    assert (await cleos.ask("send", text(group)))["seq"] == 3


async def test_changes_of_a_group_are_told_to_its_members(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await made(ann, bob)
    bobs = await town.device(bob)
    changed = await ann.put(path(group), {"name": "Runs", "avatarUrl": "https://x.test/a"})
    assert (changed["name"], changed["avatarUrl"], changed["role"]) == ("Runs", "https://x.test/a", "owner")
    await ann.put(path(group, "members", bob.user_id), {"role": "admin"})
    await ann.put(path(group, "members", bob.user_id), {"role": "owner"})
    updated = {"groupId": group["groupId"], "name": "Runs", "avatarUrl": "https://x.test/a", "by": ann.user_id}
    got = await told(bobs)
    assert got[0] == ("group_updated", updated)
    assert got[1][0] == "member_updated"
    assert (got[1][1]["userId"], got[1][1]["role"]) == (bob.user_id, "admin")
    roles = {data["userId"]: data["role"] for action, data in got[2:] if action == "member_updated"}
    assert roles == {ann.user_id: "admin", bob.user_id: "owner"}
    assert [data["ownerId"] for action, data in got[2:] if action == "group_updated"] == [bob.user_id]
    assert (await ann.get(path(group)))["role"] == "admin"
    assert (await bob.get(path(group)))["ownerId"] == bob.user_id


async def test_an_owner_hands_over_before_leaving_and_the_last_one_ends_it(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await made(ann, bob)
    with pytest.raises(Refused, match="FORBIDDEN"):
        await ann.post(path(group, "leave"))
    await ann.put(path(group, "members", bob.user_id), {"role": "owner"})
    await ann.post(path(group, "leave"))
    bobs = await town.device(bob)
    await bob.post(path(group, "leave"))
    assert [action for action, _ in await told(bobs)] == ["group_disbanded"]
    for person in (ann, bob):
        with pytest.raises(Refused, match="NOT_FOUND"):
            await person.get(path(group))


async def test_a_disbanded_group_is_gone_for_everybody(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await made(ann, bob)
    await bob.post("/api/messages", text(group))
    anns, bobs = await town.device(ann), await town.device(bob)
    await ann.delete(path(group))
    gone = [("group_disbanded", {"groupId": group["groupId"], "by": ann.user_id})]
    assert await told(bobs) == await told(anns) == gone
    for person, device in ((ann, anns), (bob, bobs)):
        assert (await person.get("/api/conversations"))["conversations"] == []
        assert (await person.get("/api/groups"))["groups"] == []
        with pytest.raises(Refused, match="NOT_FOUND"):
            await person.get("/api/messages/history", convId=group["convId"])
        with pytest.raises(Refused, match="NOT_FOUND"):
            await device.ask("send", text(group))
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.post(path(group, "join"))
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.post("/api/groups/0never00000000/join")


async def test_the_views_of_groups_and_members(town: World) -> None:
    ann, bob = await town.circle(2)
    cleo = await town.person()
    group = await made(ann, bob)
    view = await bob.get(path(group))
    assert view == {
        "groupId": group["groupId"],
        "convId": group["convId"],
        "name": "Walks",
        "avatarUrl": "",
        "ownerId": ann.user_id,
        "role": "member",
        "memberCount": 2,
        "joinPolicy": "open",
        "muted": False,
        "createdAt": view["createdAt"],
    }
    assert (await bob.get("/api/groups"))["groups"] == [view]
    assert await cleo.get(path(group)) == {key: value for key, value in view.items() if key != "role"}
    members: list[Envelope] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await bob.get(path(group, "members"), limit=1, cursor=cursor)
        members += page["members"]
        cursor = page["nextCursor"]
    assert {member["userId"]: member["role"] for member in members} == {ann.user_id: "owner", bob.user_id: "member"}
    assert members[0].keys() == {"userId", "nickname", "role", "joinedAt"}
    assert len(members) == 2
