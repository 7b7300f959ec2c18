"""Groups over HTTP, with the sockets of those who are told."""

from __future__ import annotations

import pytest

from tests.client import Refused, World
from tests.rest.people import running_node  # noqa: F401


async def test_a_group_from_its_making_to_its_end(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    cleo = await people.person("cleo")
    bobs, cleos = await people.device(bob), await people.device(cleo)

    answer = await ann.http.post(
        "/api/groups",
        json={"name": "Walks", "memberIds": [bob.user_id, cleo.user_id]},
        headers={"Authorization": f"Bearer {ann.token}"},
    )
    assert answer.status_code == 201
    created = answer.json()
    group_id = created["groupId"]
    assert created == {
        "groupId": group_id,
        "convId": f"group:{group_id}",
        "added": [bob.user_id],
        "invited": [cleo.user_id],
    }
    assert (await bobs.push("group_created"))["name"] == "Walks"
    assert await cleos.push("group_invite") == {"groupId": group_id, "name": "Walks", "by": ann.user_id}

    path = f"/api/groups/{group_id}"
    group = await bob.get(path)
    assert (await bob.get("/api/groups")) == {"groups": [group]}
    assert group == {
        "groupId": group_id,
        "convId": f"group:{group_id}",
        "name": "Walks",
        "avatarUrl": "",
        "ownerId": ann.user_id,
        "role": "member",
        "memberCount": 2,
        "joinPolicy": "open",
        "muted": False,
        "createdAt": group["createdAt"],
    }
    assert "role" not in await cleo.get(path)

    assert await cleo.post(f"{path}/join") is None
    assert (await bobs.push("member_joined"))["userId"] == cleo.user_id
    await cleos.push("member_joined")
    sent = await ann.post("/api/messages", {"groupId": group_id, "type": "text", "payload": {"text": "hi"}})
    assert (await cleos.push("message"))["serverMsgId"] == sent["serverMsgId"]

    changed = await ann.put(path, {"name": "Runs", "avatarUrl": "https://pictures.test/1"})
    assert (changed["name"], changed["avatarUrl"]) == ("Runs", "https://pictures.test/1")
    assert await ann.put(f"{path}/members/{bob.user_id}", {"role": "admin"}) is None
    assert await bob.post(f"{path}/mute", {"muted": True}) is None
    with pytest.raises(Refused, match="MUTED"):
        await cleos.ask("send", {"groupId": group_id, "type": "text", "payload": {"text": "?"}})
    assert await bob.delete(f"{path}/members/{cleo.user_id}") is None
    assert (await cleos.push("member_left"))["by"] == bob.user_id
    await bob.post(f"{path}/leave")
    assert await ann.delete(path) is None
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.get(path)


async def test_members_come_in_pages(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    group_id = (await ann.post("/api/groups", {"name": "us"}))["groupId"]
    path = f"/api/groups/{group_id}/members"
    added = await ann.post(path, {"userIds": [bob.user_id, cleo.user_id]})
    assert added == {"added": sorted([bob.user_id, cleo.user_id]), "invited": []}
    await ann.put(f"{path}/{bob.user_id}", {"muteUntil": 4_000_000_000_000})
    first = await bob.get(path, limit=2)
    rest = await bob.get(path, limit=2, cursor=first["nextCursor"])
    members = {member["userId"]: member for member in first["members"] + rest["members"]}
    assert (len(first["members"]), len(rest["members"]), rest["nextCursor"]) == (2, 1, None)
    assert members[ann.user_id] == {
        "userId": ann.user_id,
        "nickname": "ann",
        "role": "owner",
        "joinedAt": members[ann.user_id]["joinedAt"],
    }
    assert members[bob.user_id]["muteUntil"] == 4_000_000_000_000
    with pytest.raises(Refused, match="INVALID"):
        await bob.get(path, cursor="nonsense")


REFUSALS: list[tuple[str, str, object, str]] = [
    ("POST", "/api/groups", {}, "INVALID"),
    ("POST", "/api/groups", {"name": 5}, "INVALID"),
    ("POST", "/api/groups", {"name": "x", "memberIds": "bob"}, "INVALID"),
    ("POST", "/api/groups", {"name": "x", "joinPolicy": "secret"}, "INVALID"),
    ("GET", "/api/groups?limit=0", None, "INVALID"),
    ("GET", "/api/groups/none", None, "NOT_FOUND"),
    ("PUT", "/api/groups/none", {"name": "x"}, "NOT_FOUND"),
    ("DELETE", "/api/groups/none", None, "NOT_FOUND"),
    ("POST", "/api/groups/none/join", None, "NOT_FOUND"),
    ("POST", "/api/groups/none/leave", None, "NOT_FOUND"),
    ("POST", "/api/groups/none/mute", {"muted": "yes"}, "INVALID"),
    ("POST", "/api/groups/none/mute", {"muted": True}, "NOT_FOUND"),
    ("GET", "/api/groups/none/members", None, "NOT_FOUND"),
    ("POST", "/api/groups/none/members", {"userIds": []}, "NOT_FOUND"),
    ("PUT", "/api/groups/none/members/x", {"role": "king"}, "INVALID"),
    ("PUT", "/api/groups/none/members/x", {"muteUntil": "1h"}, "INVALID"),
    ("PUT", "/api/groups/none/members/x", {"role": "admin"}, "NOT_FOUND"),
    ("DELETE", "/api/groups/none/members/x", None, "NOT_FOUND"),
    ("POST", "/api/groups/{theirs}/members", {"userIds": []}, "NOT_GROUP_MEMBER"),
    ("GET", "/api/groups/{theirs}/members", None, "NOT_GROUP_MEMBER"),
    ("PUT", "/api/groups/{theirs}", {"name": "mine"}, "NOT_GROUP_MEMBER"),
]


async def test_what_is_wrong_is_refused(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    theirs = (await bob.post("/api/groups", {"name": "theirs"}))["groupId"]
    for method, path, body, code in REFUSALS:
        with pytest.raises(Refused) as refused:
            await ann.call(method, path.format(theirs=theirs), body)
        assert refused.value.code == code, (method, path, body, refused.value)
