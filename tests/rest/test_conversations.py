"""The list of conversations over HTTP."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from goim.rest.paging import encode_cursor
from tests.client import Refused, World
from tests.rest.people import running_node  # noqa: F401


async def test_the_list_page_by_page_and_what_i_keep(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    assert await ann.get("/api/conversations") == {"conversations": [], "nextCursor": None}
    from_bob = await bob.post("/api/messages", bob.text(ann, "hi"))
    from_cleo = await cleo.post("/api/messages", cleo.text(ann, "hello"))
    group = await ann.post("/api/groups", {"name": "us"})
    phone = await people.device(ann)

    await ann.post(f"/api/conversations/{quote(from_bob['convId'])}/pin", {"pinned": True})
    await ann.post(f"/api/conversations/{from_cleo['convId']}/mute", {"muted": True})
    await ann.post(f"/api/conversations/{group['convId']}/draft", {"draft": "dear all"})
    pushed = [await phone.push("conversation_updated") for _ in range(3)]
    assert pushed == [
        {"convId": from_bob["convId"], "pinned": True},
        {"convId": from_cleo["convId"], "muted": True},
        {"convId": group["convId"], "draft": "dear all"},
    ]

    first = await ann.get("/api/conversations", limit=2)
    rest = await ann.get("/api/conversations", limit=2, cursor=first["nextCursor"])
    views = {view["convId"]: view for view in first["conversations"] + rest["conversations"]}
    assert first["conversations"][0] == {
        "convId": from_bob["convId"],
        "convType": "c2c",
        "peerId": bob.user_id,
        "title": "bob",
        "avatarUrl": "",
        "pinned": True,
        "muted": False,
        "draft": "",
        "lastSeq": 1,
        "lastChange": 0,
        "readSeq": 0,
        "unread": 1,
        "lastMessage": (await ann.get("/api/messages/history", convId=from_bob["convId"]))["messages"][0],
        "updatedAt": from_bob["timestamp"],
    }
    assert rest["nextCursor"] is None
    assert views[from_cleo["convId"]]["muted"] is True
    assert views[group["convId"]] == {
        "convId": group["convId"],
        "convType": "group",
        "groupId": group["groupId"],
        "title": "us",
        "avatarUrl": "",
        "pinned": False,
        "muted": False,
        "draft": "dear all",
        "lastSeq": 0,
        "lastChange": 0,
        "readSeq": 0,
        "unread": 0,
        "lastMessage": None,
        "updatedAt": views[group["convId"]]["updatedAt"],
    }


async def test_a_deleted_conversation_comes_back_without_the_old_messages(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    conv_id = (await bob.post("/api/messages", bob.text(ann, "old")))["convId"]
    assert await ann.post("/api/conversations/delete", {"convId": conv_id}) is None
    assert (await ann.get("/api/conversations"))["conversations"] == []
    assert (await ann.get("/api/messages/history", convId=conv_id))["messages"] == []
    await bob.post("/api/messages", bob.text(ann, "new"))
    (view,) = (await ann.get("/api/conversations"))["conversations"]
    assert (view["convId"], view["unread"], view["lastMessage"]["payload"]) == (conv_id, 1, {"text": "new"})
    assert [m["seq"] for m in (await ann.get("/api/messages/history", convId=conv_id))["messages"]] == [2]
    assert len((await bob.get("/api/messages/history", convId=conv_id))["messages"]) == 2


REFUSALS: list[tuple[str, str, object, str]] = [
    ("GET", "/api/conversations?cursor=nonsense", None, "INVALID"),
    ("GET", f"/api/conversations?cursor={encode_cursor([False, 2**64 - 1, 'c1'])}", None, "INVALID"),
    ("GET", "/api/conversations?limit=none", None, "INVALID"),
    ("POST", "/api/conversations/{theirs}/pin", {"pinned": True}, "NOT_FOUND"),
    ("POST", "/api/conversations/none/mute", {"muted": True}, "NOT_FOUND"),
    ("POST", "/api/conversations/none/draft", {"draft": "x"}, "NOT_FOUND"),
    ("POST", "/api/conversations/none/draft", {"draft": "x" * 4097}, "INVALID"),
    ("POST", "/api/conversations/none/pin", {}, "INVALID"),
    ("POST", "/api/conversations/none/pin", {"pinned": 1}, "INVALID"),
    ("POST", "/api/conversations/delete", {}, "INVALID"),
    ("POST", "/api/conversations/delete", {"convId": "none"}, "NOT_FOUND"),
]


async def test_what_is_wrong_is_refused(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    theirs = (await bob.post("/api/messages", bob.text(cleo, "hi")))["convId"]
    for method, path, body, code in REFUSALS:
        with pytest.raises(Refused) as refused:
            await ann.call(method, path.format(theirs=theirs), body)
        assert refused.value.code == code, (method, path, body, refused.value)
