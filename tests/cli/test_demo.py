"""`goimctl demo`: a server that is full of life after one command, and empty again after another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from goimctl.showing import cast, play
from goimctl.showing.stage import set_up

from goim.client import Client, GoimError, MessagePush, text_of
from goim.protocol.pushes import StreamEnd
from tests.cli.conftest import BINARY, Goimctl
from tests.client import World
from tests.node import started_node


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[World]:
    """A node over the same folder as `goimctl`."""
    async with started_node(tmp_path / "data") as (_, world):
        yield world


async def test_it_fills_a_server_is_found_again_and_goes(people: World, goimctl: Goimctl) -> None:
    url = people.base_url
    shown = json.loads((await goimctl.meanwhile("demo", "--url", url, "--once", "--json")).stdout)
    password = shown["password"]
    async with Client(url, username=shown["username"], password=password) as you:
        listed = (await you.api.conversations()).conversations
        assert [conv.title for conv in listed if conv.pinned] == ["Launch week"]
        assert len(listed) == 6
        assert all(conv.unread for conv in listed if conv.conv_type == "c2c")
        launch = (await you.api.history(listed[0].conv_id)).messages
        assert {message.type for message in launch} == {"text", "image", "file"}
        assert sum(message.recalled for message in launch) == 1
        picture = next(message.payload for message in launch if message.type == "image")
        assert picture
        assert (await you.api.download(str(picture["url"])))[:3] == b"\xff\xd8\xff"
        assert len(await you.api.favourites()) == 1

    again = await asyncio.create_subprocess_exec(
        BINARY, "demo", "--url", url, "--password-stdin", cwd=goimctl.folder, env=goimctl.environ(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert again.stdin
    assert again.stderr
    again.stdin.write(f"{password}\n".encode())
    while b"Ctrl-C" not in await again.stderr.readline():
        pass
    async with Client(url, username="demo", password=password) as you:
        assert len((await you.api.conversations()).conversations) == 6

    refused = await asyncio.to_thread(goimctl, "demo", "--url", url, "--once")
    assert refused.returncode == 1
    assert "there is a demo on this server already" in refused.stderr

    gone = await goimctl.meanwhile("demo", "--url", url, "--remove", "--password-stdin", stdin=f"{password}\n")
    assert "erased 7 accounts" in gone.stderr
    said = await asyncio.wait_for(again.stderr.read(), 30)
    assert said == b"error: the people of the demo were logged out: it was removed, or begun elsewhere\n"
    assert await again.wait() == 1
    with pytest.raises(GoimError, match="wrong username or password"):
        async with Client(url, username="demo", password=password):
            pass


async def test_the_bot_streams_an_answer_and_friends_write_back(people: World, goimctl: Goimctl) -> None:
    process = await asyncio.create_subprocess_exec(
        BINARY, "demo", "--url", people.base_url, "--json", cwd=goimctl.folder, env=goimctl.environ(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    shown = json.loads(await process.stdout.readuntil(b"}"))
    while b"Ctrl-C" not in await process.stderr.readline():
        pass
    async with Client(people.base_url, username="demo", password=shown["password"]) as you:
        friends = {friend.username: friend.user_id for friend in await you.api.friends()}
        await you.send("你好", to=friends["demo_bot"])
        await you.send("Hello Ada", to=friends["demo_ada"])
        heard: dict[str, Any] = {}
        async with asyncio.timeout(45):
            async for event in you.events():
                if isinstance(event, MessagePush) and event.data.from_ == friends["demo_ada"]:
                    heard["ada"] = event.data
                elif isinstance(event, StreamEnd):
                    heard["bot"] = event.data
                if len(heard) == 2:
                    break
    assert heard["bot"].stream_status == "done"
    assert "你好" in heard["bot"].text
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, said.decode()


async def test_people_talk_on_when_one_of_their_groups_is_gone(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "_BETWEEN_LINES", 0.02)
    monkeypatch.setattr(play, "_TYPING", 0.0)
    async with set_up(people.base_url, "correct horse", lambda *_: None) as stage, asyncio.TaskGroup() as tasks:
        gone = stage.rooms[1].group_id
        owner_id = (await stage.you.api.group(gone)).owner_id
        (owner,) = (client for client in stage.people.values() if client.user_id == owner_id)
        await owner.api.http.delete(f"/api/groups/{gone}")
        talking = tasks.create_task(play._chat_on(stage))
        last = next(line.text for place, line in reversed(cast.CHATTER) if place == 2)  # others were to speak before
        async with asyncio.timeout(45):
            async for event in stage.you.events():
                if isinstance(event, MessagePush) and text_of(event.data) == last:
                    break
        talking.cancel()


async def test_one_that_is_cut_short_goes_on_with_the_password_it_has_told(
    people: World, goimctl: Goimctl, tmp_path: Path
) -> None:
    url = people.base_url
    process = await asyncio.create_subprocess_exec(
        BINARY, "demo", "--url", url, "--once", "--json", cwd=goimctl.folder, env=goimctl.environ(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    password = json.loads(await asyncio.wait_for(process.stdout.readuntil(b"}"), 60))["password"]
    with closing(sqlite3.connect(tmp_path / "data/goim.db")) as database:
        while database.execute("SELECT COUNT(*) FROM im_friends").fetchone()[0] < 4:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), 0.005)
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 130, "it has not done what it was asked"
        assert database.execute("SELECT COUNT(*) FROM im_friends").fetchone()[0] < 36, "it came too late"
    refused = await asyncio.to_thread(goimctl, "demo", "--url", url, "--once")
    way_out = refused.stderr.splitlines()[-1].partition("if that is lost: for who in ")[2]
    assert way_out.startswith(" ".join(cast.PEOPLE))
    await goimctl.meanwhile("demo", "--url", url, "--once", "--password-stdin", stdin=f"{password}\n")
    async with Client(url, username="demo", password=password) as you:
        groups = {group.name: group.member_count for group in await you.api.groups()}
        assert groups == {room.name: len(room.members) for room in cast.ROOMS}


def test_without_a_server_it_says_what_to_type(goimctl: Goimctl) -> None:
    result = goimctl("demo", "--url", "http://127.0.0.1:9")
    assert result.returncode == 5
    assert "hint: goimctl serve" in result.stderr
