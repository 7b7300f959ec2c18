"""The way into groups and their notices over HTTP, with the sockets of those who are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goim.model.groups import Group, Member, Role
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_process import SqliteProcessEngine
from tests.client import Refused, World
from tests.fake_clock import FakeClock
from tests.node import started_node


async def test_asking_to_join_is_202_and_being_let_in_is_heard(people: World) -> None:
    ann = await people.person("ann")
    bob = await people.person("bob")
    anns, bobs = await people.device(ann), await people.device(bob)
    made = await ann.post("/api/groups", {"name": "Walks", "joinPolicy": "approval"})
    path = f"/api/groups/{made['groupId']}"
    assert (await bob.get(path))["joinPolicy"] == "approval"

    headers = {"Authorization": f"Bearer {bob.token}"}
    asked = await bob.http.post(f"{path}/join", headers=headers)
    assert (asked.status_code, asked.content) == (202, b'{"status":"pending"}')
    assert await anns.push("group_join_request") == {"groupId": made["groupId"], "userId": bob.user_id}
    [request] = (await ann.get(f"{path}/requests"))["requests"]
    assert request == {
        "userId": bob.user_id,
        "username": "bob",
        "nickname": "bob",
        "avatarUrl": "",
        "createdAt": request["createdAt"],
    }
    assert await ann.post(f"{path}/requests/{bob.user_id}", {"accept": True}) is None
    assert (await bobs.push("member_joined"))["userId"] == bob.user_id
    assert (await ann.get(f"{path}/requests"))["requests"] == []
    joined = await bob.http.post(f"{path}/join", headers=headers)
    assert (joined.status_code, joined.content) == (204, b"")


async def test_an_invite_only_group_is_there_for_those_who_are_invited(people: World) -> None:
    ann, bob, cleo = [await people.person(name) for name in ("ann", "bob", "cleo")]
    bobs = await people.device(bob)
    made = await ann.post("/api/groups", {"name": "Secrets", "joinPolicy": "invite", "memberIds": [bob.user_id]})
    path = f"/api/groups/{made['groupId']}"
    assert (made["added"], made["invited"]) == ([], [bob.user_id])
    assert await bobs.push("group_invite") == {"groupId": made["groupId"], "name": "Secrets", "by": ann.user_id}
    [invitation] = (await bob.get("/api/groups/invitations"))["invitations"]
    assert invitation == {
        "groupId": made["groupId"],
        "name": "Secrets",
        "avatarUrl": "",
        "memberCount": 1,
        "by": ann.user_id,
        "createdAt": invitation["createdAt"],
    }
    for method, where in (("GET", path), ("POST", f"{path}/join"), ("GET", f"{path}/notices")):
        with pytest.raises(Refused, match="NOT_FOUND"):
            await cleo.call(method, where)
    assert await bob.post(f"{path}/join") is None
    assert (await bob.get(path))["role"] == "member"
    assert (await bob.get("/api/groups/invitations"))["invitations"] == []
    await ann.post(f"{path}/members", {"userIds": [cleo.user_id]})
    assert await cleo.delete(f"/api/groups/invitations/{made['groupId']}") is None
    with pytest.raises(Refused, match="NOT_FOUND"):
        await cleo.get(path)


async def test_a_notice_is_answered_pushed_and_listed(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    bobs = await people.device(bob)
    made = await ann.post("/api/groups", {"name": "Walks", "memberIds": [bob.user_id]})
    path = f"/api/groups/{made['groupId']}/notices"
    notice = await ann.post(path, {"title": "Sunday", "content": "We walk."})
    assert notice == {
        "noticeId": notice["noticeId"],
        "title": "Sunday",
        "content": "We walk.",
        "createdBy": ann.user_id,
        "createdAt": notice["createdAt"],
    }
    assert await bobs.push("group_notice") == notice | {"groupId": made["groupId"]}
    assert await bob.get(path) == {"notices": [notice]}
    assert await bob.get(path, offset=1) == {"notices": []}


REFUSALS: list[tuple[str, str, object, str]] = [
    ("POST", "/api/groups/none/join", None, "NOT_FOUND"),
    ("GET", "/api/groups/none/requests", None, "NOT_FOUND"),
    ("GET", "/api/groups/{mine}/requests?limit=0", None, "INVALID"),
    ("POST", "/api/groups/{mine}/requests/nobody", {"accept": True}, "NOT_FOUND"),
    ("POST", "/api/groups/{mine}/requests/nobody", {"accept": "yes"}, "INVALID"),
    ("POST", "/api/groups/{mine}/requests/nobody", {}, "INVALID"),
    ("DELETE", "/api/groups/invitations/{mine}", None, "NOT_FOUND"),
    ("GET", "/api/groups/none/notices", None, "NOT_FOUND"),
    ("POST", "/api/groups/{mine}/notices", {"title": "", "content": "x"}, "INVALID"),
    ("POST", "/api/groups/{mine}/notices", {"title": "x"}, "INVALID"),
    ("POST", "/api/groups/{mine}/notices", {"title": "x" * 201, "content": ""}, "INVALID"),
    ("POST", "/api/groups/{mine}/notices", {"title": "x", "content": "x" * 10_001}, "INVALID"),
]


async def test_what_is_wrong_is_refused(people: World) -> None:
    ann = await people.person("ann")
    mine = (await ann.post("/api/groups", {"name": "mine"}))["groupId"]
    for method, path, body, code in REFUSALS:
        with pytest.raises(Refused) as refused:
            await ann.call(method, path.format(mine=mine), body)
        assert refused.value.code == code, (method, path, body, refused.value)


async def test_history_is_hidden_from_new_members_where_the_settings_say_so(tmp_path: Path) -> None:
    async with started_node(tmp_path, groups={"history_for_new_members": False}) as (_, world):
        ann, bob = await world.person("ann"), await world.person("bob")
        made = await ann.post("/api/groups", {"name": "Walks"})
        send = {"groupId": made["groupId"], "type": "text"}
        await ann.post("/api/messages", send | {"payload": {"text": "before"}})
        await bob.post(f"/api/groups/{made['groupId']}/join")
        await ann.post("/api/messages", send | {"payload": {"text": "after"}})
        for page in (
            await bob.get("/api/messages/history", convId=made["convId"]),
            await bob.get("/api/messages/history", convId=made["convId"], fromSeq=0),
            (await (await world.device(bob)).ask("sync", {"convs": [{"convId": made["convId"]}]}))["convs"][0],
        ):
            assert [message["payload"]["text"] for message in page["messages"]] == ["after"]


def count_calls(monkeypatch: pytest.MonkeyPatch, engine: type, name: str, calls: list[str]) -> None:
    """Note every call of a method."""
    original = getattr(engine, name)

    def counted(*args: Any) -> Any:
        calls.append(name)
        return original(*args)

    monkeypatch.setattr(engine, name, counted)


async def test_a_send_costs_the_database_no_more_in_a_group_of_ten_thousand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that stands still, so that nothing but the sends happens."""
    jobs: list[str] = []
    for engine, name in ((SqliteEngine, "_submit"), (SqliteProcessEngine, "_order")):
        count_calls(monkeypatch, engine, name, jobs)
    async with started_node(tmp_path, clock=FakeClock()) as (node, world):
        ann, bob = await world.friends("ann", "bob")
        stores = node.ground.stores
        costs = []
        for group_id, size in (("small", 1), ("large", 10_000)):
            owner = Member(group_id=group_id, user_id=ann.user_id, role=Role.OWNER, joined_at=1)
            crowd = [Member(group_id=group_id, user_id=f"u{number}", joined_at=1) for number in range(size - 1)]
            me = Member(group_id=group_id, user_id=bob.user_id, joined_at=1)
            group = Group(group_id=group_id, name=group_id, owner_id=ann.user_id, created_at=1)
            await stores.groups.create(group, [owner, me, *crowd])
        anns, bobs = await world.device(ann), await world.device(bob)
        for group_id in ("small", "large"):
            await anns.ask("subscribe_group", {"groupId": group_id})
            await bobs.ask("subscribe_group", {"groupId": group_id})
            jobs.clear()
            for _ in range(3):
                await anns.ask("send", {"groupId": group_id, "type": "text", "payload": {"text": "hi"}})
            costs.append(len(jobs))
            assert [(await bobs.push("message"))["seq"] for _ in range(3)] == [1, 2, 3]
        assert costs[0] == costs[1]
        assert 3 <= costs[1] <= 10
