"""Groups and figures in the hands of administrators, with the sockets of those who are told."""

from __future__ import annotations

import pytest

from tests.client import Refused
from tests.rest.admins import Office, open_office  # noqa: F401

GROUPS = "/api/admin/groups"


async def test_groups_are_listed_in_parts_and_found(office: Office) -> None:
    ann = await office.world.person("ann")
    ids = [(await ann.post("/api/groups", {"name": name}))["groupId"] for name in ("Team red", "周日", "blue team")]
    first = await office.root.get(GROUPS, limit=2)
    rest = await office.root.get(GROUPS, limit=2, cursor=first["nextCursor"])
    assert [group["groupId"] for group in first["groups"] + rest["groups"]] == ids
    assert rest["nextCursor"] is None
    found = (await office.root.get(GROUPS, q="TEAM"))["groups"]
    assert [group["name"] for group in found] == ["Team red", "blue team"]
    assert await office.root.get(f"{GROUPS}/{ids[0]}") == found[0]
    assert found[0] == {
        "groupId": ids[0],
        "convId": f"group:{ids[0]}",
        "name": "Team red",
        "avatarUrl": "",
        "ownerId": ann.user_id,
        "memberCount": 1,
        "joinPolicy": "open",
        "muted": False,
        "createdAt": found[0]["createdAt"],
    }


async def test_a_group_from_its_making_to_its_end(office: Office) -> None:
    root = office.root
    ann, bob, cleo = [await office.world.person(name) for name in ("ann", "bob", "cleo")]
    anns, cleos = await office.world.device(ann), await office.world.device(cleo)
    made = await root.post(GROUPS, {"name": "Walks", "ownerId": ann.user_id, "memberIds": [bob.user_id]})
    path = f"{GROUPS}/{made['groupId']}"
    assert made["memberCount"] == 2
    assert (await anns.push("group_created"))["name"] == "Walks"

    added = await root.post(f"{path}/members", {"userIds": [bob.user_id, cleo.user_id]})
    assert added == {"added": [cleo.user_id]}
    assert (await cleos.push("member_joined"))["by"] == ""
    assert await root.put(f"{path}/members/{bob.user_id}", {"role": "owner"}) is None
    members = (await root.get(f"{path}/members"))["members"]
    assert {member["username"]: member["role"] for member in members} == {
        "ann": "admin",
        "bob": "owner",
        "cleo": "member",
    }
    assert members[0].keys() == {"userId", "username", "nickname", "role", "muteUntil", "joinedAt"}
    first = await root.get(f"{path}/members", limit=2)
    assert (await root.get(f"{path}/members", limit=2, cursor=first["nextCursor"]))["members"] == members[2:]

    with pytest.raises(Refused, match="FORBIDDEN"):
        await root.delete(f"{path}/members/{bob.user_id}")
    assert await root.delete(f"{path}/members/{cleo.user_id}") is None
    assert (await cleos.push("member_left"))["userId"] == cleo.user_id
    assert await root.delete(path) is None
    assert (await anns.push("group_disbanded"))["by"] == ""
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.get(f"/api/groups/{made['groupId']}")
    assert [act["act"] for act in office.acts if act["event"] == "admin_act"] == [
        "create_group",
        "add_members",
        "set_role",
        "remove_member",
        "disband_group",
    ]


async def test_what_is_not_there_is_not_found_and_what_is_wrong_refused(office: Office) -> None:
    root = office.root
    made = await root.post(GROUPS, {"name": "Walks", "ownerId": root.user_id})
    for method, path, body, code in (
        ("GET", f"{GROUPS}/none", None, "NOT_FOUND"),
        ("DELETE", f"{GROUPS}/none", None, "NOT_FOUND"),
        ("GET", f"{GROUPS}/none/members", None, "NOT_FOUND"),
        ("POST", f"{GROUPS}/none/members", {"userIds": []}, "NOT_FOUND"),
        ("PUT", f"{GROUPS}/none/members/x", {"role": "admin"}, "NOT_FOUND"),
        ("DELETE", f"{GROUPS}/{made['groupId']}/members/x", None, "NOT_FOUND"),
        ("POST", f"{GROUPS}/{made['groupId']}/members", {"userIds": ["nobody"]}, "NOT_FOUND"),
        ("POST", f"{GROUPS}/{made['groupId']}/members", {"userIds": ["x"] * 501}, "INVALID"),
        ("PUT", f"{GROUPS}/{made['groupId']}/members/{root.user_id}", {"role": "king"}, "INVALID"),
        ("POST", GROUPS, {"name": " ", "ownerId": root.user_id}, "INVALID"),
        ("POST", GROUPS, {"name": "Walks", "ownerId": "nobody"}, "NOT_FOUND"),
    ):
        with pytest.raises(Refused) as refused:
            await root.call(method, path, body)
        assert refused.value.code == code, (method, path, body, refused.value)


async def test_figures_are_those_of_what_there_is(office: Office) -> None:
    ann, bob = await office.world.friends("ann", "bob")
    await office.root.post(f"/api/admin/users/{bob.user_id}/disable")
    await ann.post("/api/groups", {"name": "Walks"})
    await office.world.device(ann)
    token = {"Authorization": f"Bearer {ann.token}"}
    await ann.http.post("/api/files/upload", files={"file": ("a.txt", b"words")}, headers=token)
    group_id = (await ann.get("/api/groups"))["groups"][0]["groupId"]
    for text in ("one", "two"):
        await ann.post("/api/messages", {"groupId": group_id, "type": "text", "payload": {"text": text}})
    stats = await office.root.get("/api/admin/stats")
    assert stats["users"] == {"total": 3, "admins": 1, "disabled": 1}
    assert stats["groups"] == {"total": 1}
    assert stats["files"] == {"files": 1, "bytes": 5, "owners": 1}
    assert stats["storage"]["databases"].keys() == {"goim", "messages", "search"}
    assert min(stats["storage"]["databases"].values()) > 0
    node = stats["node"]
    assert (sum(node["connections"].values()), node["usersOnline"]) == (1, 1)
    assert (node["messagesLastMinute"], node["messagesSinceStart"]) == (2, 2)
    assert node["startedAt"] <= stats["countedAt"]
