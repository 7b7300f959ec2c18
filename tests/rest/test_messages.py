"""Messages over HTTP: sending without a socket, reading what lies back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client import Person, Refused, World
from tests.rest.people import running_node  # noqa: F401


async def test_who_sends_without_a_socket_gets_the_ack_and_everybody_else_the_message(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    anns, bobs = await people.device(ann), await people.device(bob)
    body = ann.text(bob, "hi", clientMsgId="m1") | {"payload": {"b": 1.50, "a": 2, "text": "hi"}}
    headers = {"Authorization": f"Bearer {ann.token}"}
    answer = await ann.http.post("/api/messages", json=body, headers=headers)
    assert answer.status_code == 201
    ack = answer.json()
    assert ack.keys() == {"clientMsgId", "serverMsgId", "convId", "seq", "timestamp"}
    pushed = await anns.push("message")
    assert pushed == await bobs.push("message")
    assert list(pushed["payload"]) == ["b", "a", "text"]

    again = await ann.post("/api/messages", body)
    assert again == ack | {"duplicate": True}
    assert await bobs.quiet() == []


async def history(person: Person, conv_id: str, **query: Any) -> tuple[list[int], bool]:
    page = await person.get("/api/messages/history", convId=conv_id, **query)
    return [message["seq"] for message in page["messages"]], page["hasMore"]


async def test_history_goes_both_ways_and_begins_at_the_newest(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    for number in range(5):
        conv_id = (await ann.post("/api/messages", ann.text(bob, str(number))))["convId"]
    assert await history(bob, conv_id) == ([1, 2, 3, 4, 5], False)
    assert await history(bob, conv_id, limit=2) == ([4, 5], True)
    assert await history(bob, conv_id, beforeSeq=0, limit=2) == ([4, 5], True)
    assert await history(bob, conv_id, beforeSeq=4, limit=2) == ([2, 3], True)
    assert await history(bob, conv_id, beforeSeq=2, limit=2) == ([1], False)
    assert await history(bob, conv_id, beforeSeq=1) == ([], False)
    assert await history(bob, conv_id, fromSeq=0, limit=2) == ([1, 2], True)
    assert await history(bob, conv_id, fromSeq=3, limit=2) == ([4, 5], False)
    assert await history(bob, conv_id, fromSeq=5) == ([], False)
    assert await history(bob, conv_id, fromSeq=0, beforeSeq=3) == ([1, 2], False)
    assert await history(bob, conv_id, limit=100_000) == ([1, 2, 3, 4, 5], False)


async def test_a_recalled_message_leaves_a_tombstone(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    bobs = await people.device(bob)
    ack = await ann.post("/api/messages", ann.text(bob, "oops"))
    recall = {"convId": ack["convId"], "serverMsgId": ack["serverMsgId"]}
    with pytest.raises(Refused, match="FORBIDDEN"):
        await bob.post("/api/messages/recall", recall)
    assert await ann.post("/api/messages/recall", recall) is None
    assert await ann.post("/api/messages/recall", recall) is None
    assert (await bobs.push("recalled"))["serverMsgId"] == ack["serverMsgId"]
    assert [push["action"] for push in await bobs.quiet()] == ["message"], "told once"
    (message,) = (await bob.get("/api/messages/history", convId=ack["convId"]))["messages"]
    assert (message["recalled"], message["payload"]) == (True, None)


async def test_a_read_mark_rises_to_the_last_message_and_no_further(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    for text in ("one", "two"):
        conv_id = (await ann.post("/api/messages", ann.text(bob, text)))["convId"]
    anns = await people.device(ann)
    assert await bob.post("/api/messages/read", {"convId": conv_id, "seq": 99}) is None
    assert await bob.post("/api/messages/read", {"convId": conv_id, "seq": 1}) is None
    assert await anns.push("read") == {"convId": conv_id, "userId": bob.user_id, "seq": 2}
    assert await anns.quiet() == []


REFUSALS: list[tuple[str, str, object, str]] = [
    ("POST", "/api/messages", {}, "INVALID"),
    ("POST", "/api/messages", {"type": "text", "payload": {"text": "x"}}, "INVALID"),
    ("POST", "/api/messages", {"type": "song", "payload": {}, "to": "{bob}", "convType": "c2c"}, "INVALID"),
    ("POST", "/api/messages", {"type": "text", "payload": {}, "to": "{bob}", "convType": "c2c"}, "INVALID"),
    ("POST", "/api/messages", {"type": "text", "payload": {"text": "x"}, "convId": "{theirs}"}, "NOT_FOUND"),
    ("POST", "/api/messages", {"type": "text", "payload": {"text": "x"}, "to": "{dora}"}, "NOT_FRIEND"),
    ("POST", "/api/messages", {"type": "text", "payload": {"text": "x" * 70_000}, "to": "{bob}"}, "TOO_LARGE"),
    ("POST", "/api/messages/recall", {"convId": "{theirs}", "serverMsgId": "x"}, "NOT_FOUND"),
    ("POST", "/api/messages/recall", {"convId": "{mine}", "serverMsgId": "x"}, "NOT_FOUND"),
    ("POST", "/api/messages/recall", {"convId": "{mine}"}, "INVALID"),
    ("POST", "/api/messages/read", {"convId": "{theirs}", "seq": 1}, "NOT_FOUND"),
    ("POST", "/api/messages/read", {"convId": "{mine}", "seq": -1}, "INVALID"),
    ("POST", "/api/messages/read", {"convId": "{mine}", "seq": "1"}, "INVALID"),
    ("GET", "/api/messages/history", None, "INVALID"),
    ("GET", "/api/messages/history?convId={theirs}", None, "NOT_FOUND"),
    ("GET", "/api/messages/history?convId={mine}&fromSeq=-1", None, "INVALID"),
    ("GET", "/api/messages/history?convId={mine}&beforeSeq=x", None, "INVALID"),
    ("GET", "/api/messages/history?convId={mine}&limit=0", None, "INVALID"),
    ("GET", "/api/messages/history?convId={mine}&fromSeq=1&beforeSeq=3", None, "INVALID"),
]


async def test_what_is_wrong_is_refused(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    dora = await people.person("dora")
    names = {
        "bob": bob.user_id,
        "dora": dora.user_id,
        "mine": (await ann.post("/api/messages", ann.text(bob, "hi")))["convId"],
        "theirs": (await bob.post("/api/messages", bob.text(cleo, "hi")))["convId"],
    }

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(part) for key, part in value.items()}
        return value.format(**names) if isinstance(value, str) else value

    for method, path, body, code in REFUSALS:
        with pytest.raises(Refused) as refused:
            await ann.call(method, named(path), named(body))
        assert refused.value.code == code, (method, path, refused.value)


async def test_a_message_of_a_group_has_readers(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    made = await ann.post("/api/groups", {"name": "us", "memberIds": [bob.user_id, cleo.user_id]})
    body = {"groupId": made["groupId"], "type": "text", "payload": {"text": "hi"}}
    sent = await ann.post("/api/messages", body)
    path = f"/api/messages/{sent['serverMsgId']}/readers"
    await bob.post("/api/messages/read", {"convId": made["convId"], "seq": 1})
    answer = await cleo.get(path, convId=made["convId"])
    read_at = answer["readers"][0]["readAt"]
    assert answer == {"readers": [{"userId": bob.user_id, "readAt": read_at}], "unread": [cleo.user_id]}
    assert read_at >= sent["timestamp"]
    with pytest.raises(Refused, match="INVALID"):
        await ann.get(path)
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.get("/api/messages/nothing/readers", convId=made["convId"])
