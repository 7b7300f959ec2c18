"""Favourites over HTTP."""

from __future__ import annotations

import pytest

from tests.client import PASSWORD, Refused, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_favourites_from_the_first_to_the_last(town: World) -> None:
    ann, bob = await town.circle(2)
    sent = await ann.post("/api/messages", ann.text(bob, "绿茶 or black?"))
    body = {"messageId": sent["serverMsgId"], "convId": sent["convId"]}
    kept = await bob.post("/api/favorites/message", body)
    assert kept == {
        "favoriteId": kept["favoriteId"],
        "type": "message",
        "convId": sent["convId"],
        "title": ann.username,
        "content": "绿茶 or black?",
        "message": (await bob.get("/api/messages/history", convId=sent["convId"]))["messages"][0],
        "tags": [],
        "createdAt": kept["createdAt"],
    }
    with pytest.raises(Refused, match="ALREADY_EXISTS"):
        await bob.post("/api/favorites/message", body)

    custom = {"title": "Recipe", "content": "water", "tags": ["tea", "茶"]}
    answer = await bob.http.post("/api/favorites/custom", json=custom, headers={"Authorization": f"Bearer {bob.token}"})
    assert answer.status_code == 201
    own = answer.json()
    assert own == {
        "favoriteId": own["favoriteId"],
        "type": "custom",
        "convId": "",
        "createdAt": own["createdAt"],
        **custom,
    }

    await ann.post("/api/messages/recall", {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]})
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.post("/api/favorites/message", body)

    assert await bob.get("/api/favorites") == {"favorites": [own, kept]}
    assert await bob.get("/api/favorites", type="", tags="", limit=1, offset=1) == {"favorites": [kept]}
    assert await bob.get("/api/favorites", type="message") == {"favorites": [kept]}
    assert await bob.get("/api/favorites", tags="nothing,茶") == {"favorites": [own]}
    assert await bob.get("/api/favorites/search", keyword="绿茶") == {"favorites": [kept]}
    assert await bob.get("/api/favorites/search", keyword="茶") == {"favorites": [own, kept]}
    assert await bob.get("/api/favorites/stats") == {"total": 2, "message": 1, "custom": 1}
    assert await ann.get("/api/favorites/stats") == {"total": 0, "message": 0, "custom": 0}

    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.delete(f"/api/favorites/{own['favoriteId']}")
    assert await bob.delete(f"/api/favorites/{own['favoriteId']}") is None
    assert await bob.get("/api/favorites") == {"favorites": [kept]}


async def test_favourites_go_with_the_account(town: World) -> None:
    ann = await town.person("ann")
    await ann.post("/api/favorites/custom", {"title": "x", "content": ""})
    await ann.delete("/api/users/me", {"password": PASSWORD})
    again = await town.person("ann")
    assert (await again.get("/api/favorites/stats"))["total"] == 0


REFUSALS: list[tuple[str, str, object]] = [
    ("POST", "/api/favorites/message", {}),
    ("POST", "/api/favorites/message", {"messageId": 5, "convId": "c1"}),
    ("POST", "/api/favorites/custom", {"title": "x"}),
    ("POST", "/api/favorites/custom", {"title": "", "content": ""}),
    ("POST", "/api/favorites/custom", {"title": "x", "content": "", "tags": "a,b"}),
    ("POST", "/api/favorites/custom", {"title": "x", "content": "", "tags": ["a,b"]}),
    ("GET", "/api/favorites?type=other", None),
    ("GET", "/api/favorites?limit=0", None),
    ("GET", "/api/favorites?offset=-1", None),
    ("GET", "/api/favorites/search", None),
    ("GET", "/api/favorites/search?keyword=", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSALS)
async def test_what_is_wrong_is_refused(town: World, method: str, path: str, body: object) -> None:
    ann = await town.person()
    with pytest.raises(Refused, match="INVALID"):
        await ann.call(method, path, body)
