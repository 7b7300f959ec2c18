"""Who may have a file at each moment of its life: its owner, those who are where it was sent, those with a link."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from goim.resp.link import Server
from tests.client import Person, Refused, World
from tests.fake_clock import FakeClock
from tests.node import started_node
from tests.redis_server import empty_database
from tests.rest.people import running_node  # noqa: F401
from tests.uploads import fetch, picture, upload


def file_message(url: str, **where: str) -> dict[str, Any]:
    return {"type": "file", "payload": {"url": url, "name": "a.bin", "size": 10}, **where}


def to(person: Person) -> dict[str, str]:
    return {"convType": "c2c", "to": person.user_id}


async def has(person: Person, url: str) -> bool:
    """Whether they are given it; what they are not given is not there."""
    status = (await fetch(url, person)).status_code
    assert status in (200, 404)
    assert (await fetch(url, person, "HEAD")).status_code == status
    return status == 200


def envelope(data: dict[str, Any], number: int) -> str:
    return json.dumps({"action": "send", "id": f"m{number}", "data": data})


async def readers(url: str, *people: Person) -> list[bool]:
    return [await has(person, url) for person in people]


async def test_a_groups_file_is_the_members_as_long_as_they_are_members(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    dave = await people.person("dave")
    made = await ann.post("/api/groups", {"name": "g", "memberIds": [bob.user_id]})
    url = (await upload(ann))["url"]
    assert await readers(url, ann, bob, cleo, dave) == [True, False, False, False]
    await ann.post("/api/messages", file_message(url, convId=made["convId"]))
    assert await readers(url, ann, bob, cleo, dave) == [True, True, False, False]
    await cleo.post(f"/api/groups/{made['groupId']}/join")
    await bob.post(f"/api/groups/{made['groupId']}/leave")
    assert await readers(url, ann, bob, cleo, dave) == [True, False, True, False]
    await bob.post(f"/api/groups/{made['groupId']}/join")
    assert await has(bob, url)
    await ann.delete(f"/api/groups/{made['groupId']}/members/{bob.user_id}")
    assert not await has(bob, url)
    await ann.delete(f"/api/groups/{made['groupId']}")
    assert await readers(url, ann, bob, cleo, dave) == [True, False, False, False]


async def test_a_friend_keeps_what_was_sent_when_the_friendship_ends(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    first, second = (await upload(ann))["url"], (await upload(ann))["url"]
    await ann.post("/api/messages", file_message(first, **to(bob)))
    await ann.delete(f"/api/friends/{bob.user_id}")
    assert await has(bob, first)
    with pytest.raises(Refused, match="NOT_FRIEND"):
        await ann.post("/api/messages", file_message(second, **to(bob)))
    assert not await has(bob, second), "what may not be written shares nothing"


async def test_a_file_is_passed_on_by_those_who_have_it_and_by_nobody_else(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    view = await upload(ann, picture(), "p.png")
    image = {"type": "image", "payload": {"url": view["url"], "thumbnail": view["thumbnail"]}}
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.post("/api/messages", image | to(cleo))
    await ann.post("/api/messages", image | to(bob))
    assert await readers(view["thumbnail"], bob, cleo) == [True, False]
    sent = await bob.post("/api/messages", image | to(cleo))
    assert sent["seq"] == 1, "what was refused took no place"
    assert await readers(view["url"], ann, bob, cleo) == [True, True, True]
    assert await readers(view["thumbnail"], ann, bob, cleo) == [True, True, True]
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.delete(f"/api/files/{view['fileId']}")
    await ann.delete(f"/api/files/{view['fileId']}")
    assert await readers(view["url"], ann, bob, cleo) == [False, False, False]
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.post("/api/messages", image | to(cleo))


async def test_somebody_elses_thumbnail_does_not_ride_along(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    mine, theirs = await upload(ann, picture(), "p.png"), await upload(bob, picture(), "p.png")
    payload = {"url": mine["url"], "duration": 1, "thumbnail": theirs["thumbnail"]}
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.post("/api/messages", {"type": "video", "payload": payload} | to(bob))
    assert await readers(mine["url"], ann, bob) == [True, False]


async def test_what_is_not_ours_passes_through_untouched(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    device = await people.device(bob)
    theirs = (await upload(bob))["url"]
    for payload in (
        {"url": "https://elsewhere.example/files/x/y.png", "width": 2, "extra": {"b": 1.50, "a": 2}},
        {"url": f"https://elsewhere.example{theirs}"},
        {"url": "data:image/png;base64,AAAA"},
        {"url": "…"},
    ):
        await ann.post("/api/messages", {"type": "image", "payload": payload} | to(bob))
        assert (await device.push("message"))["payload"] == payload
    await ann.post("/api/messages", {"type": "text", "payload": {"text": "/files/none/x"}} | to(bob))
    with pytest.raises(Refused, match="NOT_FOUND"):
        await ann.post("/api/messages", {"type": "image", "payload": {"url": "/files/0nofile0000000/x.png"}} | to(bob))


async def test_the_order_of_what_one_says_holds_around_files(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    url = (await upload(ann))["url"]
    mine, theirs = await people.device(ann), await people.device(bob)
    await mine.ask("send", ann.text(bob, "warm"))
    texts = [ann.text(bob, f"{number}") for number in range(20)]
    for number, text in enumerate(texts):
        data = file_message(url, **to(bob)) if number % 3 == 0 else text
        await mine.ws.send(envelope(data, number))
    kinds = [(await theirs.push("message"))["type"] for _ in range(21)]
    assert kinds == ["text", *("file" if number % 3 == 0 else "text" for number in range(20))]


async def test_a_link_is_good_for_an_hour_and_not_a_moment_longer(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_node(tmp_path, clock=clock) as (_, world):
        ann, eve = await world.person("ann"), await world.person("eve")
        view = await upload(ann)
        link = await ann.get(f"/api/files/{view['fileId']}/link")
        nobody = await world.http()
        clock.advance(3599)
        assert (await nobody.get(link["url"])).content == b"0123456789"
        assert (await fetch(link["url"], eve)).content == b"0123456789"
        forged = link["url"].replace(f"expires={link['expiresAt']}", f"expires={link['expiresAt'] + 3_600_000}")
        assert (await nobody.get(forged)).status_code == 404
        other = await upload(ann, name="a.bin")
        assert (await nobody.get(link["url"].replace(view["fileId"], other["fileId"]))).status_code == 404
        clock.advance(1)
        assert (await nobody.get(link["url"])).status_code == 404
        assert (await fetch(link["url"], eve)).status_code == 404
        assert (await fetch(link["url"], ann)).status_code == 200, "hers by right, whatever the link says"


async def test_a_file_expires_for_everybody_at_its_time(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_node(tmp_path, clock=clock, files={"retention": "2h"}) as (node, world):
        ann, bob = await world.friends("ann", "bob")
        view = await upload(ann)
        assert view["expiresAt"] == view["createdAt"] + 7_200_000
        await ann.post("/api/messages", file_message(view["url"], **to(bob)))
        clock.advance(7199)
        assert await readers(view["url"], ann, bob) == [True, True]
        clock.advance(1)
        assert await readers(view["url"], ann, bob) == [False, False]
        assert (await ann.get("/api/files"))["files"] == []
        await node.sweeper.sweep()
        assert (await node.sweeper.stats()).files == 0


async def test_what_disappears_takes_its_file_along(tmp_path: Path) -> None:
    clock = FakeClock()
    async with started_node(tmp_path, clock=clock) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        views = [await upload(ann, picture(), "p.png") for _ in range(4)]
        burned, expired, recalled, stays = [[view["url"], view["thumbnail"]] for view in views]

        async def show(addresses: list[str], **more: Any) -> Any:
            payload = dict(zip(("url", "thumbnail"), addresses, strict=True))
            return await ann.post("/api/messages", {"type": "image", "payload": payload} | to(bob) | more)

        async def bob_has() -> list[list[bool]]:
            return [[await has(bob, address) for address in each] for each in (burned, expired, recalled, stays)]

        await show(stays)
        await show(stays, expireAtMs=clock.now_ms() + 1000)
        await show(expired, expireAtMs=clock.now_ms() + 5000)
        taken_back = await show(recalled)
        burning = await show(burned, burnAfterRead=True)
        assert await bob_has() == [[True, True]] * 4
        link = await bob.get(f"/api/files/{views[0]['fileId']}/link")
        clock.advance(5)
        await bob.post("/api/messages/read", {"convId": burning["convId"], "seq": burning["seq"]})
        await ann.post(
            "/api/messages/recall", {"convId": taken_back["convId"], "serverMsgId": taken_back["serverMsgId"]}
        )
        assert await bob_has() == [[False, False]] * 3 + [[True, True]]
        assert all([await has(ann, address) for address in (*burned, *expired, *recalled)])
        with pytest.raises(Refused, match="NOT_FOUND"):
            await bob.post("/api/messages", file_message(burned[0], **to(ann)))
        with pytest.raises(Refused, match="NOT_FOUND"):
            await bob.get(f"/api/files/{views[1]['fileId']}/link")
        assert (await (await world.http()).get(link["url"])).status_code == 200, "a link is good until it expires"


async def test_a_picture_that_was_burned_on_one_node_is_read_on_none(tmp_path: Path, redis_server: Server) -> None:
    login = await empty_database(redis_server)
    sections: dict[str, Any] = {
        "redis": {"addr": f"{redis_server.host}:{redis_server.port}", "db": login.db},
        "auth": {"jwt_secret": "a secret that is long enough for the tests of goim"},
    }
    async with started_node(tmp_path, **sections) as (_, here), started_node(tmp_path, **sections) as (_, there):
        ann, bob = await here.friends("ann", "bob")
        bob_there = await there.log_in(Person(await there.http(), username=bob.username))
        phone, desk = await here.device(ann), await there.device(bob_there)
        url = (await upload(ann, picture(), "p.png"))["url"]
        image = {"type": "image", "payload": {"url": url}, "burnAfterRead": True, "to": bob.user_id}
        sent = await phone.ask("send", image | {"clientMsgId": "m1"})
        assert (await desk.push("message"))["payload"]["url"] == url
        assert [(await fetch(url, each)).status_code for each in (bob, bob_there)] == [200, 200]
        await desk.ask("read", {"convId": sent["convId"], "seq": sent["seq"]})
        assert (await phone.push("recalled"))["reason"] == "burned"
        assert (await phone.ask("send", image | {"clientMsgId": "m1"}))["duplicate"]
        assert [(await fetch(url, each)).status_code for each in (bob, bob_there, ann)] == [404, 404, 200]


async def test_the_servers_own_url_is_ours_when_it_is_known(tmp_path: Path) -> None:
    async with started_node(tmp_path, server={"public_url": "https://chat.example"}) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        url = (await upload(ann))["url"]
        await ann.post("/api/messages", file_message(f"https://chat.example{url}", **to(bob)))
        assert await has(bob, url)
        secret = (await upload(ann))["url"]
        with pytest.raises(Refused, match="NOT_FOUND"):
            await bob.post("/api/messages", file_message(f"https://chat.example{secret}", **to(ann)))


async def test_a_face_is_for_everybody_who_is_logged_in_and_nothing_else_is(people: World) -> None:
    ann, bob, eve = [await people.person(name) for name in ("ann", "bob", "eve")]
    face, other, badge = [(await upload(ann, data=picture()))["url"] for _ in range(3)]
    made = await ann.post("/api/groups", {"name": "g"})
    await ann.put("/api/users/me", {"avatarUrl": face})
    await ann.put(f"/api/groups/{made['groupId']}", {"avatarUrl": badge})
    assert [await has(eve, url) for url in (face, other, badge)] == [True, False, True]
    assert (await (await people.http()).get(face)).status_code == 404, "without a token"
    with pytest.raises(Refused, match="NOT_FOUND"):
        await bob.put("/api/users/me", {"avatarUrl": other})
    assert (await bob.get("/api/users/me"))["avatarUrl"] == ""
    assert not await has(bob, other)
    await ann.put("/api/users/me", {"avatarUrl": ""})
    assert await has(eve, face)
