"""Search over HTTP, on the real index, and across restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client import Person, Refused, World
from tests.node import started_node

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_was_just_said_is_found_in_my_conversations(town: World) -> None:
    ann, bob = await town.circle(2)
    cleo = await town.person()
    made = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id]})
    sent = await ann.post("/api/messages", ann.text(bob, "今天喝绿茶 with Milk"))
    await ann.post("/api/messages", {"groupId": made["groupId"], "type": "text", "payload": {"text": "milky way 茶叶"}})

    history = (await bob.get("/api/messages/history", convId=sent["convId"]))["messages"]
    assert await bob.get("/api/messages/search", q="绿茶") == {"messages": history}
    for q, expected in {"茶": 2, "MILK": 2, "milk": 2, "milky": 1, "喝绿": 1, "绿喝": 0, "茶叶 milk": 1}.items():
        assert len((await bob.get("/api/messages/search", q=q))["messages"]) == expected, q
    assert len((await bob.get("/api/messages/search", q="茶", convId=made["convId"]))["messages"]) == 1
    assert len((await bob.get("/api/messages/search", q="茶", limit=1))["messages"]) == 1
    assert await cleo.get("/api/messages/search", q="茶") == {"messages": []}

    await ann.post("/api/messages/edit", {**where(sent), "payload": {"text": "红茶"}})
    assert await bob.get("/api/messages/search", q="绿茶") == {"messages": []}
    assert len((await bob.get("/api/messages/search", q="红茶"))["messages"]) == 1
    await ann.post("/api/messages/recall", where(sent))
    assert await bob.get("/api/messages/search", q="红茶") == {"messages": []}


def where(sent: dict[str, str]) -> dict[str, str]:
    return {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]}


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20", "?q=!", "?q=x&limit=0", "?q=" + "x" * 101])
async def test_what_is_wrong_is_refused(town: World, query: str) -> None:
    ann = await town.person()
    with pytest.raises(Refused, match="INVALID"):
        await ann.get(f"/api/messages/search{query}")


@pytest.mark.parametrize("q", ['"', '" OR "', "a* AND NOT b", "terms:hello", "^hello", "NEAR(a b)", "hello'--", "¤"])
async def test_nothing_in_a_question_is_a_language_of_the_index(town: World, q: str) -> None:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "something else"))
    headers = {"Authorization": f"Bearer {ann.token}"}
    answer = (await ann.http.get("/api/messages/search", params={"q": q}, headers=headers)).json()
    assert answer == {"messages": []} or answer["code"] == "INVALID"


async def test_the_conversation_of_others_is_not_there(town: World) -> None:
    ann, bob, cleo = await town.circle(3)
    sent = await ann.post("/api/messages", ann.text(bob, "hello"))
    with pytest.raises(Refused, match="NOT_FOUND"):
        await cleo.get("/api/messages/search", q="hello", convId=sent["convId"])


def lose_index(folder: Path) -> None:
    for file in folder.glob("search.db*"):
        file.unlink()


async def test_the_index_is_right_after_a_restart_and_made_anew_where_it_is_lost(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        kept = await ann.post("/api/messages", ann.text(bob, "hello kept"))
        gone = await ann.post("/api/messages", ann.text(bob, "hello gone"))
        await ann.get("/api/messages/search", q="hello")
        await ann.post("/api/messages/recall", where(gone))
        await ann.post("/api/messages", ann.text(bob, "hello late"))
    for is_lost in (False, True):
        if is_lost:
            lose_index(tmp_path)
        async with started_node(tmp_path) as (_, world):
            again = await world.log_in(Person(await world.http(), username="ann"))
            found = (await again.get("/api/messages/search", q="hello"))["messages"]
            assert [message["payload"]["text"] for message in found] == ["hello late", "hello kept"]
            assert found[1]["serverMsgId"] == kept["serverMsgId"]
