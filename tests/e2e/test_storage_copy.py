"""A whole deployment moved from one database to another and back: people find everything as it was, and go on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Goimctl
from tests.client import Envelope, Person, World
from tests.mongo_server import MongoServer
from tests.mysql_server import MysqlServer
from tests.process import running_server
from tests.uploads import fetch, upload

SECRET = "a secret that is long enough for the tests of goim"


async def live(people: World, ann: Person, bob: Person) -> None:
    """A bit of everything that is stored."""
    async with people.online(ann) as phone, people.online(bob) as desk:
        sent = [await phone.ask("send", ann.text(bob, f"message {n}", clientMsgId=f"m{n}")) for n in range(1, 8)]
        of = [{"convId": each["convId"], "serverMsgId": each["serverMsgId"]} for each in sent]
        await phone.ask("recall", of[0])
        await phone.ask("edit", of[1] | {"payload": {"text": "better 好"}})
        for actor, emoji in ((desk, "b"), (phone, "a"), (desk, "a"), (desk, "c")):
            await actor.ask("react", of[2] | {"emoji": emoji})
        await desk.ask("react", of[2] | {"emoji": "c", "remove": True})
        await desk.ask("read", {"convId": of[0]["convId"], "seq": 4})
        group = await ann.post("/api/groups", {"name": "club", "memberIds": [bob.user_id]})
        await phone.ask("send", {"groupId": group["groupId"], "type": "text", "payload": {"text": "hello"}})
        await phone.ask("send", {"groupId": group["groupId"], "type": "custom", "payload": {"n": 1.50}})
    await bob.post("/api/conversations/delete", {"convId": group["convId"]})
    await ann.post(f"/api/conversations/{group['convId']}/pin", {"pinned": True})
    await ann.post(f"/api/conversations/{of[0]['convId']}/draft", {"draft": "soon"})
    await bob.post("/api/favorites/message", {"messageId": of[3]["serverMsgId"], "convId": of[3]["convId"]})
    await bob.post("/api/favorites/custom", {"title": "t", "content": "c", "tags": ["one", "two"]})
    for number in (8, 9):
        file = {"url": (await upload(ann, b"hello", "a.txt"))["url"], "name": "a.txt", "size": 5}
        sent_file = {"type": "file", "payload": file, "clientMsgId": f"m{number}", "convId": of[0]["convId"]}
        await ann.post("/api/messages", sent_file | {"expireAtMs": 4 * 10**12})


async def seen(people: World, person: Person) -> dict[str, Any]:
    """What somebody finds who logs in."""
    me = await people.log_in(Person(await people.http(), username=person.username))
    conversations = (await me.get("/api/conversations"))["conversations"]
    convs = [{"convId": each["convId"], "fromSeq": 0, "fromChange": 0} for each in conversations]
    async with people.online(me) as device:
        synced: Envelope = await device.ask("sync", {"convs": convs})
    files = (await me.get("/api/files"))["files"]
    contents = [(await fetch(each["url"], me)).text for each in files]
    shown = [(await fetch(url, me)).status_code for url in shown_in(synced)]
    return {
        "conversations": conversations,
        "synced": synced["convs"],
        "friends": await me.get("/api/friends"),
        "groups": await me.get("/api/groups"),
        "favorites": await me.get("/api/favorites"),
        "files": files,
        "contents": contents,
        "shown": shown,
    }


def shown_in(synced: Envelope) -> list[str]:
    """The addresses of the files in all messages that stand."""
    payloads = [message["payload"] for conv in synced["convs"] for message in conv["messages"]]
    return [payload["url"] for payload in payloads if payload and "url" in payload]


async def goes_on(people: World, ann: Person, bob: Person) -> None:
    """What was copied can be changed, by the numbers that follow."""
    ann, bob = [await people.log_in(Person(await people.http(), username=each.username)) for each in (ann, bob)]
    async with people.online(ann) as phone, people.online(bob) as desk:
        again = await phone.ask("send", ann.text(bob, "message 3", clientMsgId="m3"))
        assert (again["seq"], again["duplicate"]) == (3, True)
        sent = await phone.ask("send", ann.text(bob, "more"))
        assert sent["seq"] == 10
        third = {"convId": again["convId"], "serverMsgId": again["serverMsgId"]}
        assert (await desk.ask("react", third | {"emoji": "b", "remove": True}))["change"] == 8
        assert (await phone.ask("react", third | {"emoji": "b"}))["change"] == 9
        assert (await phone.ask("recall", third | {"serverMsgId": sent["serverMsgId"]}))["change"] == 10
        page = await bob.get("/api/messages/history", convId=again["convId"])
        *_, one, other, _ = page["messages"]
        assert [(await fetch(each["payload"]["url"], bob)).status_code for each in (one, other)] == [200, 200]
        await phone.ask("recall", third | {"serverMsgId": one["serverMsgId"]})
        assert [(await fetch(each["payload"]["url"], bob)).status_code for each in (one, other)] == [404, 200]


@pytest.mark.timeout(240)
async def test_people_find_everything_as_it_was(mongo_server: MongoServer, tmp_path: Path) -> None:
    goimctl = Goimctl(tmp_path)
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    secret = {"IM_JWT_SECRET": SECRET}
    async with running_server(tmp_path / "one", **secret) as (server, people):
        ann, bob = await people.friends(None, None)
        await live(people, ann, bob)
        before = [await seen(people, each) for each in (ann, bob)]
        await server.end()
    async with mongo_server.migrated() as (uri, _):
        two = ("--to", "sqlite:two/data", "--to-messages", uri)
        await goimctl.meanwhile("storage", "copy", "--from", "sqlite:one/data", *two)
        mongo = secret | {"IM_MESSAGE_DB": "mongodb", "IM_MONGO_URI": uri}
        async with running_server(tmp_path / "two", **mongo) as (server, people):
            assert [await seen(people, each) for each in (ann, bob)] == before
            await goes_on(people, ann, bob)
            before = [await seen(people, each) for each in (ann, bob)]
            await server.end()
        three = ("--to", "sqlite:three/data")
        await goimctl.meanwhile("storage", "copy", "--from", "sqlite:two/data", "--from-messages", uri, *three)
    async with running_server(tmp_path / "three", **secret) as (_, people):
        assert [await seen(people, each) for each in (ann, bob)] == before
    assert not (tmp_path / "goim-copy.json").exists()


@pytest.mark.timeout(240)
async def test_people_find_everything_as_it_was_in_mysql(
    mongo_server: MongoServer, mysql_server: MysqlServer, tmp_path: Path
) -> None:
    goimctl = Goimctl(tmp_path)
    for name in ("one", "three"):
        (tmp_path / name).mkdir()
    secret = {"IM_JWT_SECRET": SECRET}
    whole = mysql_server.url((await mysql_server.migrated("structured", "messages", "words")).database)
    data = mysql_server.url((await mysql_server.migrated("structured", "words")).database)
    async with running_server(tmp_path / "one", **secret) as (server, people):
        ann, bob = await people.friends(None, None)
        await live(people, ann, bob)
        before = [await seen(people, each) for each in (ann, bob)]
        await server.end()
    await goimctl.meanwhile("storage", "copy", "--from", "sqlite:one/data", "--to", whole)
    async with running_server(tmp_path / "one", IM_MYSQL_DSN=whole, **secret) as (server, people):
        assert [await seen(people, each) for each in (ann, bob)] == before
        await goes_on(people, ann, bob)
        before = [await seen(people, each) for each in (ann, bob)]
        await server.end()
    async with mongo_server.migrated() as (uri, _):
        await goimctl.meanwhile("storage", "copy", "--from", whole, "--to", data, "--to-messages", uri)
        apart = {"IM_MYSQL_DSN": data, "IM_MESSAGE_DB": "mongodb", "IM_MONGO_URI": uri}
        async with running_server(tmp_path / "one", **apart, **secret) as (server, people):
            assert [await seen(people, each) for each in (ann, bob)] == before
            await server.end()
        in_force = apart | {"IM_SERVER_DATA_DIR": "one/data"}
        await goimctl.meanwhile("storage", "copy", "--to", "sqlite:three/data", **in_force)
    async with running_server(tmp_path / "three", **secret) as (_, people):
        assert [await seen(people, each) for each in (ann, bob)] == before


async def test_nothing_is_copied_while_a_server_runs(tmp_path: Path) -> None:
    goimctl = Goimctl(tmp_path)
    (tmp_path / "one").mkdir()
    async with running_server(tmp_path / "one"):
        refused = await asyncio.to_thread(
            goimctl, "storage", "copy", "--from", "sqlite:one/data", "--to", "sqlite:two/data"
        )
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "error: one/data/goim.db is in use",
        "hint: stop the server: what it stores meanwhile would be missing",
    ]
    assert not (tmp_path / "two").exists()
