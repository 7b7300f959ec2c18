"""Accounts, friends and blocks as the contract has them, up to the erasure of an account."""

from __future__ import annotations

import pytest

from tests.client import PASSWORD, Device, Envelope, Person, Refused, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def text(to: Person) -> Envelope:
    return {"convType": "c2c", "to": to.user_id, "type": "text", "payload": {"text": "hi"}}


async def told(device: Device) -> list[tuple[str, Envelope]]:
    return [(push["action"], push["data"]) for push in await device.quiet()]


async def ids(person: Person, path: str, key: str) -> list[str]:
    return [one["userId"] for one in (await person.get(path))[key]]


# accounts


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"username": "ab"}, "INVALID"),
        ({"username": "x" * 33}, "INVALID"),
        ({"username": "a b c"}, "INVALID"),
        ({"username": "ännä"}, "INVALID"),
        ({"username": "abc\n"}, "INVALID"),
        ({"username": ""}, "INVALID"),
        ({"password": "1234567"}, "INVALID"),
        ({"password": "x" * 129}, "INVALID"),
        ({"nickname": ""}, "INVALID"),
        ({"nickname": "x" * 65}, "INVALID"),
        ({"nickname": "a\x00b"}, "INVALID"),
        ({"username": "{taken}"}, "USERNAME_TAKEN"),
        ({"username": "{TAKEN}"}, "USERNAME_TAKEN"),
    ],
    ids=str,
)
async def test_a_registration_that_cannot_be(town: World, wrong: dict[str, str], code: str) -> None:
    ann = await town.person()
    names = {"taken": ann.username, "TAKEN": ann.username.upper()}
    body = {"username": "somebody", "password": PASSWORD} | wrong
    with pytest.raises(Refused) as refused:
        await ann.post("/api/register", body | {"username": body["username"].format(**names)})
    assert refused.value.code == code


async def test_a_profile_is_made_changed_and_shown(town: World) -> None:
    http = await town.http()
    body = {"username": "A-n_n.1", "password": "x" * 128, "nickname": " 安妮 👩🏽 "}
    answer = await http.post("/api/register", json=body)
    assert answer.status_code == 201
    user_id = answer.json()["userId"]
    assert answer.json() == {"userId": user_id}
    ann = Person(http, token=(await http.post("/api/login", json=body)).json()["token"])
    mine = await ann.get("/api/users/me")
    shown = {"userId": user_id, "username": "A-n_n.1", "nickname": "安妮 👩🏽", "avatarUrl": ""}
    assert mine == shown | {"createdAt": mine["createdAt"]}
    bob = await town.person()
    assert await bob.get(f"/api/users/{user_id}") == shown
    assert await ann.put("/api/users/me", {"avatarUrl": "https://x.test/a"}) == mine | {"avatarUrl": "https://x.test/a"}
    assert (await ann.put("/api/users/me", {"nickname": "Ann"}))["avatarUrl"] == "https://x.test/a", "left out: stays"
    for wrong in ({"nickname": ""}, {"nickname": 5}, {"avatarUrl": "javascript:alert(1)"}, {"avatarUrl": "x" * 5000}):
        with pytest.raises(Refused, match="INVALID"):
            await ann.put("/api/users/me", wrong)
    for query in ("a-N_", "N.1", "ann"):
        assert user_id in await ids(bob, f"/api/users/search?q={query}", "users")
    assert (await bob.get("/api/users/search", q="%"))["users"] == []
    assert (await bob.get("/api/users/search", q="_%"))["users"] == []
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.get("/api/users/0nobody0000000")


# friends


async def test_both_halves_make_friends(town: World) -> None:
    ann, bob = await town.person(), await town.person()
    anns, bobs = await town.device(ann), await town.device(bob)
    with pytest.raises(Refused, match="NOT_FRIEND"):
        await anns.ask("send", text(bob))
    half = {"friendId": bob.user_id, "remark": "from work"}
    assert await ann.post("/api/friends", half) == {"status": "pending"}
    assert await ann.post("/api/friends", half) == {"status": "pending"}
    assert await told(bobs) == [("friend_request", {"userId": ann.user_id, "remark": "from work"})]
    (request,) = (await bob.get("/api/friends/requests"))["requests"]
    assert (request["userId"], request["username"], request["remark"]) == (ann.user_id, ann.username, "from work")
    assert await ids(ann, "/api/friends", "friends") == []
    assert (await ann.get("/api/friends/requests"))["requests"] == []
    with pytest.raises(Refused, match="NOT_FRIEND"):
        await bobs.ask("send", text(ann))
    assert await bob.post("/api/friends", {"friendId": ann.user_id}) == {"status": "accepted"}
    assert await told(anns) == [("friend_accepted", {"userId": bob.user_id})]
    assert await told(bobs) == [("friend_accepted", {"userId": ann.user_id})]
    (friend,) = (await ann.get("/api/friends"))["friends"]
    assert friend == {
        "userId": bob.user_id,
        "username": bob.username,
        "nickname": bob.username,
        "avatarUrl": "",
        "remark": "from work",
        "since": friend["since"],
    }
    await ann.put(f"/api/friends/{bob.user_id}", {"remark": "Bobby"})
    assert [one["remark"] for one in (await ann.get("/api/friends"))["friends"]] == ["Bobby"]
    assert [one["remark"] for one in (await bob.get("/api/friends"))["friends"]] == [""]
    await anns.ask("send", text(bob))
    with pytest.raises(Refused, match="INVALID"):
        await ann.post("/api/friends", {"friendId": ann.user_id})
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.post("/api/friends", {"friendId": "0nobody0000000"})


async def test_the_end_of_a_friendship_leaves_the_conversation_to_read(town: World) -> None:
    ann, bob = await town.circle(2)
    anns, bobs = await town.device(ann), await town.device(bob)
    sent = await anns.ask("send", text(bob))
    await ann.delete(f"/api/friends/{bob.user_id}")
    assert (await told(bobs))[1:] == [("friend_removed", {"userId": ann.user_id})]
    assert await told(anns) == [("friend_removed", {"userId": bob.user_id})]
    for device, other in ((anns, bob), (bobs, ann)):
        for data in (text(other), text(other) | {"convId": sent["convId"]}):
            with pytest.raises(Refused, match="NOT_FRIEND"):
                await device.ask("send", data)
        with pytest.raises(Refused, match="NOT_FRIEND"):
            await device.ask("typing", {"convId": sent["convId"], "typing": True})
    assert len((await bob.get("/api/messages/history", convId=sent["convId"]))["messages"]) == 1
    assert (await bobs.ask("read", {"convId": sent["convId"], "seq": 1}))["seq"] == 1
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.delete(f"/api/friends/{ann.user_id}")
    assert await bob.post("/api/friends", {"friendId": ann.user_id}) == {"status": "pending"}, "both halves were gone"


async def test_a_block_keeps_both_apart_but_not_in_groups(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    anns, bobs = await town.device(ann), await town.device(bob)
    sent = await anns.ask("send", text(bob))
    await ann.post(f"/api/blocks/{bob.user_id}")
    await ann.post(f"/api/blocks/{bob.user_id}")
    (block,) = (await ann.get("/api/blocks"))["blocks"]
    assert block == {"userId": bob.user_id, "since": block["since"]}
    assert (await bob.get("/api/blocks"))["blocks"] == []
    for person, device, other in ((ann, anns, bob), (bob, bobs, ann)):
        for refused in (
            device.ask("send", text(other)),
            device.ask("typing", {"convId": sent["convId"], "typing": True}),
            person.post("/api/messages", text(other)),
            person.post("/api/friends", {"friendId": other.user_id}),
        ):
            with pytest.raises(Refused, match="BLOCKED"):
                await refused
        assert await person.get("/api/presence", userIds=other.user_id) == {"presence": []}
    await told(bobs)
    in_group = text(bob) | {"groupId": group["groupId"], "convType": "group"}
    del in_group["to"]
    await anns.ask("send", in_group)
    assert [action for action, _ in await told(bobs)] == ["message"], "in common groups a block changes nothing"
    await ann.delete(f"/api/blocks/{bob.user_id}")
    assert (await bobs.ask("send", text(ann)))["seq"] == 2
    (seen,) = (await ann.get("/api/presence", userIds=bob.user_id))["presence"]
    assert seen["online"] is True


# erasing


async def test_an_erased_account_is_gone_and_its_messages_are_tombstones(town: World) -> None:
    ann, bob = await town.circle(2)
    group = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    anns, bobs = await town.device(ann), await town.device(bob)
    in_group = {"groupId": group["groupId"], "type": "text", "payload": {"text": "hi"}}
    for device, data in ((anns, text(bob)), (bobs, text(ann)), (anns, in_group), (bobs, in_group)):
        sent = await device.ask("send", data)
    conv_id = (await bob.get("/api/conversations"))["conversations"][1]["convId"]
    for wrong in ("wrong", ""):
        with pytest.raises(Refused, match="BAD_CREDENTIALS"):
            await ann.delete("/api/users/me", {"password": wrong})
    await told(bobs)
    assert await ann.delete("/api/users/me", {"password": PASSWORD}) is None
    assert await anns.closed() == 4001
    with pytest.raises(Refused, match="UNAUTHORIZED"):
        await ann.get("/api/users/me")
    with pytest.raises(Refused, match="BAD_CREDENTIALS"):
        await town.log_in(ann)
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.get(f"/api/users/{ann.user_id}")
    assert await ids(bob, "/api/friends", "friends") == []
    assert await ids(bob, f"/api/users/search?q={ann.username}", "users") == []
    pushed = await told(bobs)
    assert ("friend_removed", {"userId": ann.user_id}) in pushed
    assert {data["convId"] for action, data in pushed if action == "recalled"} == {conv_id, group["convId"]}
    for conversation in (conv_id, group["convId"]):
        messages = (await bob.get("/api/messages/history", convId=conversation))["messages"]
        assert [(m["from"], m["recalled"], m["payload"]) for m in messages] == [
            (ann.user_id, True, None),
            (bob.user_id, False, {"text": "hi"}),
        ]
    assert (await bob.get(f"/api/groups/{group['groupId']}"))["role"] == "owner", "somebody has to run it"
    lines = {line["convId"]: line for line in (await bob.get("/api/conversations"))["conversations"]}
    assert (lines[conv_id]["title"], lines[conv_id]["peerId"]) == ("", ann.user_id)
    with pytest.raises(Refused, match="NOT_FRIEND"):
        await bobs.ask("send", {"convId": conv_id, "type": "text", "payload": {"text": "?"}})
    assert sent["seq"] == 2
    await ann.post("/api/register", {"username": ann.username, "password": PASSWORD})
    again = await town.log_in(ann)
    assert again.user_id != ann.user_id
    assert (await again.get("/api/conversations"))["conversations"] == []
