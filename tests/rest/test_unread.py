"""Unread messages over HTTP."""

from __future__ import annotations

from tests.client import World
from tests.rest.people import running_node  # noqa: F401


async def test_what_waits_is_counted_and_read_at_once(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    for text in ("one", "two"):
        from_bob = await bob.post("/api/messages", bob.text(ann, text))
    from_cleo = await cleo.post("/api/messages", cleo.text(ann, "three"))
    await ann.post(f"/api/conversations/{from_cleo['convId']}/mute", {"muted": True})
    bobs = await people.device(bob)
    assert await ann.get("/api/unread/summary") == {"totalUnread": 2, "mutedUnread": 1}
    assert await bob.get("/api/unread/summary") == {"totalUnread": 0, "mutedUnread": 0}
    assert await ann.post("/api/unread/mark_all_read") == {"conversations": 2, "failed": 0}
    assert await ann.get("/api/unread/summary") == {"totalUnread": 0, "mutedUnread": 0}
    assert await bobs.push("read") == {"convId": from_bob["convId"], "userId": ann.user_id, "seq": 2}
    assert await ann.post("/api/unread/mark_all_read") == {"conversations": 0, "failed": 0}
