"""Friends and blocks over HTTP, with the sockets of those who are told."""

from __future__ import annotations

import pytest

from tests.client import Refused, World


async def test_from_a_request_to_the_end_of_a_friendship(people: World) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    hers, his = await people.device(alice), await people.device(bob)

    assert await alice.post("/api/friends", {"friendId": bob.user_id, "remark": "hello"}) == {"status": "pending"}
    assert await his.push("friend_request") == {"userId": alice.user_id, "remark": "hello"}
    (request,) = (await bob.get("/api/friends/requests"))["requests"]
    assert (request["userId"], request["remark"]) == (alice.user_id, "hello")
    assert await alice.get("/api/friends") == {"friends": []}

    assert await bob.post("/api/friends", {"friendId": alice.user_id}) == {"status": "accepted"}
    assert await hers.push("friend_accepted") == {"userId": bob.user_id}
    (friend,) = (await bob.get("/api/friends"))["friends"]
    assert friend == {
        "userId": alice.user_id,
        "username": "alice",
        "nickname": "alice",
        "avatarUrl": "",
        "remark": "",
        "since": friend["since"],
    }
    assert await bob.put(f"/api/friends/{alice.user_id}", {"remark": "Al"}) is None
    assert (await bob.get("/api/friends"))["friends"][0]["remark"] == "Al"

    await hers.ask("send", alice.text(bob, "hi"))
    assert await alice.delete(f"/api/friends/{bob.user_id}") is None
    assert await his.push("friend_removed") == {"userId": alice.user_id}
    with pytest.raises(Refused, match="NOT_FRIEND"):
        await his.ask("send", bob.text(alice, "still there?"))
    with pytest.raises(Refused, match="NOT_FOUND"):
        await alice.delete(f"/api/friends/{bob.user_id}")


async def test_friends_may_write_the_moment_they_are_told(people: World) -> None:
    alice, bob = await people.person(), await people.person()
    hers = await people.device(alice)
    with pytest.raises(Refused, match="NOT_FRIEND"):
        await hers.ask("send", alice.text(bob, "hi"))
    await people.befriend(alice, bob)
    await hers.push("friend_accepted")
    assert await hers.ask("send", alice.text(bob, "hi"))


async def test_a_block_silences_friends_until_it_is_taken_back(people: World) -> None:
    alice, bob = await people.friends(None, None)
    his = await people.device(bob)
    await his.ask("send", bob.text(alice, "hi"))
    assert await alice.post(f"/api/blocks/{bob.user_id}") is None
    (block,) = (await alice.get("/api/blocks"))["blocks"]
    assert block["userId"] == bob.user_id
    assert await bob.get("/api/blocks") == {"blocks": []}
    with pytest.raises(Refused, match="BLOCKED"):
        await his.ask("send", bob.text(alice, "hello?"))
    with pytest.raises(Refused, match="BLOCKED"):
        await bob.post("/api/friends", {"friendId": alice.user_id})
    assert await alice.delete(f"/api/blocks/{bob.user_id}") is None
    assert await his.ask("send", bob.text(alice, "hello again"))


async def test_what_makes_no_sense_is_refused(people: World) -> None:
    alice = await people.person()
    for method, path, body, code in (
        ("POST", "/api/friends", {"friendId": alice.user_id}, "INVALID"),
        ("POST", "/api/friends", {"friendId": "nobody"}, "NOT_FOUND"),
        ("PUT", "/api/friends/nobody", {"remark": "x"}, "NOT_FOUND"),
        ("PUT", "/api/friends/nobody", {"remark": "x" * 65}, "INVALID"),
        ("DELETE", "/api/friends/nobody", None, "NOT_FOUND"),
        ("POST", f"/api/blocks/{alice.user_id}", None, "INVALID"),
        ("POST", "/api/blocks/nobody", None, "NOT_FOUND"),
    ):
        with pytest.raises(Refused) as refused:
            await alice.call(method, path, body)
        assert refused.value.code == code, (method, path)


async def test_lists_come_in_parts(people: World) -> None:
    alice = await people.person()
    others = [await people.person() for _ in range(3)]
    for other in others:
        await people.befriend(alice, other)
    first = await alice.get("/api/friends", limit=2)
    rest = await alice.get("/api/friends", limit=2, offset=2)
    assert (len(first["friends"]), len(rest["friends"])) == (2, 1)
    assert {friend["userId"] for friend in first["friends"] + rest["friends"]} == {other.user_id for other in others}
