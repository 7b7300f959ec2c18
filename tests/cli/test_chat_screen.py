"""The screen of `goimctl chat`, in front of a real server: what others do is seen, what is pressed is done."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from goimctl.talk.screen.thread import NEAR_TOP, Thread
from PIL import Image
from textual.widgets import Input

from goim.client import Unreachable
from tests.cli.picture import PICTURE, draw
from tests.cli.seat import LOOK, Seat, seated
from tests.client import Device, Person, World
from tests.fault_proxy import FaultProxy
from tests.node import started_node
from tests.receiver import receiving

pytestmark = pytest.mark.timeout(240)
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[World]:
    async with started_node(tmp_path / "data") as (_, world):
        yield world


async def pair(people: World) -> tuple[Person, Person, Device]:
    """Two friends and the device of the second one."""
    ann, bob = await people.friends("ann", "bob")
    return ann, bob, await people.device(bob, "phone")


@contextlib.asynccontextmanager
async def proxied(people: World) -> AsyncIterator[tuple[FaultProxy, str]]:
    """Something between the screen and the server that may fail, and where it listens."""
    server = urlsplit(people.base_url)
    async with FaultProxy(str(server.hostname), server.port or 0).running() as proxy:
        yield proxy, f"http://127.0.0.1:{proxy.port}"


async def test_a_conversation_is_opened_read_and_answered_in_chinese(people: World) -> None:
    ann, bob, phone = await pair(people)
    for text in ("hello ann", "看一下这个:终端里的聊天 👀"):
        await phone.ask("send", bob.text(ann, text))
    async with seated(people.base_url, "ann") as seat:
        await seat.shows("● bob", " 2 ", "看一下这个")
        await seat.press("enter")
        await seat.shows("hello ann", "看一下这个:终端里的聊天 👀", "── new ──", "● here")
        read = await phone.push("read")
        assert (read["userId"], read["seq"]) == (ann.user_id, 2)
        conv_id = read["convId"]
        await seat.type("你好,")
        assert (await phone.push("typing"))["typing"] is True
        await seat.say("我在。")
        assert (await phone.push("message"))["payload"] == {"text": "你好,我在。"}
        await seat.shows("你好,我在。  ✓")
        await phone.ask("typing", {"convId": conv_id, "typing": True})
        await seat.shows("is typing …")
        await phone.ask("read", {"convId": conv_id, "seq": 3})
        await seat.shows("你好,我在。  ✓✓")
    async with seated(people.base_url, "ann", "bob") as seat:  # and it is known when one comes back
        await seat.shows("你好,我在。  ✓✓")
        await seat.press("up", "w")
        await seat.shows("Read by", "bob   read ")


def thread_of(seat: Seat) -> str:
    """The conversation on the screen, without the list at the side."""
    thread = seat.app.screen.query_one(Thread).region
    return "\n".join(line[thread.x : thread.right] for line in seat.screen.splitlines()[thread.y : thread.bottom])


def numbers(seat: Seat) -> list[int]:
    """The messages in sight that have numbers."""
    return [int(number) for number in re.findall(r"message (\d+)\.", thread_of(seat))]


async def numbers_at_rest(seat: Seat) -> list[int]:
    """The same as soon as nothing moves any more."""
    thread, place = seat.app.screen.query_one(Thread), None
    while place != thread.scroll_y:
        place = thread.scroll_y
        await seat.pilot.pause(LOOK)
    return numbers(seat)


async def test_what_was_said_earlier_comes_as_one_scrolls_up_to_it(people: World) -> None:
    ann, bob, phone = await pair(people)
    for number in range(1, 121):
        await phone.ask("send", bob.text(ann, f"message {number}."))
    async with seated(people.base_url, "ann", "bob") as seat:
        await seat.until(lambda: "message 120." in thread_of(seat))
        assert "message 40." not in seat.screen

        seen: set[int] = set()
        thread = seat.app.screen.query_one(Thread)
        while 1 not in seen:  # page by page, all of it, in order, with nothing left out or shown twice
            here = await numbers_at_rest(seat)
            assert here == list(range(here[0], here[0] + len(here)))
            seen.update(here)
            if thread.scroll_y > NEAR_TOP:  # else there is more in a moment, without a key
                await seat.press("pageup")
            await seat.until(lambda: 1 in seen or numbers(seat)[0] < min(seen))
        assert sorted(seen) == list(range(1, 121))
        for _ in range(5):  # to the very top, where no more can come above
            await seat.press("pageup")
            await seat.pilot.pause(0.05)
        await phone.ask("send", bob.text(ann, "the latest"))
        await seat.shows("the latest")  # in the list at the side
        await seat.shows("message 1.", "↓ 1 new")  # and nobody is torn from what they read
        await seat.say("so be it")
        await seat.shows("the latest", "so be it")
        await seat.hides("↓ 1 new")


async def forward_the_latest(seat: Seat, to: str) -> None:
    await seat.press("up", "f")
    await seat.shows("names, with a space between")
    await seat.type(to)
    await seat.press("enter")
    await seat.hides("names, with a space between")
    await seat.press("escape")  # back to the line


async def test_a_streamed_message_grows_as_it_is_written(people: World) -> None:
    ann, bob, phone = await pair(people)
    async with seated(people.base_url, "ann", "bob") as seat:
        started = await phone.ask("start_stream", bob.text(ann, "Once") | {"type": "stream"})
        await seat.shows("Once▍")
        for delta in (" upon", " a", " time"):
            chunk = {"streamId": started["streamId"], "delta": delta}
            await phone.ws.send(json.dumps({"action": "stream_chunk", "data": chunk}))
        await seat.shows("Once upon a time▍")
        await forward_the_latest(seat, "bob")
        await seat.shows("this is still being written")
        await phone.ask("end_stream", {"streamId": started["streamId"], "finalText": "Once upon a time, 完"})
        await seat.shows("Once upon a time, 完")
        await seat.hides("▍")
        await seat.say("/forward bob")
        message = await phone.push("message")
        assert (message["type"], message["payload"]) == ("text", {"text": "Once upon a time, 完"})


async def test_messages_are_answered_edited_reacted_to_and_taken_back_by_keys(people: World) -> None:
    ann, bob, phone = await pair(people)
    sent = await phone.ask("send", bob.text(ann, "tea or coffee?"))
    async with seated(people.base_url, "ann", "bob") as seat:
        await seat.shows("tea or coffee?")
        await seat.press("up", "r")
        await seat.shows("↳ Reply to bob: tea or coffee?")
        await seat.say("tee")
        answer = await phone.push("message")
        assert (answer["replyTo"], answer["payload"]) == (sent["serverMsgId"], {"text": "tee"})
        await seat.shows("tee  ✓")
        await seat.press("up", "e")
        await seat.shows("↳ Edit: tee")
        await seat.press("backspace", "a", "enter")
        assert (await phone.push("edited"))["payload"] == {"text": "tea"}
        await seat.shows("tea  edited")
        await seat.press("up", "up", "x")
        await seat.shows("a number, or any emoji")
        await seat.press("1")
        assert (await phone.push("reaction"))["emoji"] == "👍"
        await seat.shows("👍 1")
        await phone.ask("react", {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"], "emoji": "👍"})
        await seat.shows("👍 2")
        await seat.press("escape", "up", "d")
        assert (await phone.push("recalled"))["serverMsgId"] == answer["serverMsgId"]
        await seat.shows("(taken back)")
        await phone.ask("recall", {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]})
        await seat.until(lambda: seat.screen.count("(taken back)") >= 2)
        await forward_the_latest(seat, "bob")
        await seat.shows("this cannot be forwarded")


async def test_a_file_is_sent_and_another_one_saved(people: World, tmp_path: Path) -> None:
    _, _, phone = await pair(people)
    (tmp_path / "计划.txt").write_text("the plan")
    async with seated(people.base_url, "ann", "bob") as seat:
        await seat.press("ctrl+o")
        await seat.shows("Send a file to bob")
        await seat.type(str(tmp_path / "计划.t"))
        path = seat.app.screen.query_one(Input)
        async with asyncio.timeout(20):
            while not path.value.endswith("计划.txt"):  # until there is something to take over
                await seat.press("right")
        await seat.press("enter")
        await seat.shows("[file] 计划.txt · 8 B")
        file = (await phone.push("message"))["payload"]
        assert (file["name"], file["size"]) == ("计划.txt", 8)
        await seat.press("up", "s")
        await seat.shows("Save 计划.txt")
        await seat.press("ctrl+u")
        await seat.type(str(tmp_path))
        await seat.press("enter")
        await seat.shows("saved as")
        assert (tmp_path / "计划 (1).txt").read_text() == "the plan"


async def test_a_picture_is_sent_as_one(people: World, tmp_path: Path) -> None:
    _, _, phone = await pair(people)
    Image.new("RGB", (4, 3)).save(tmp_path / "dot.png")
    async with seated(people.base_url, "ann", "bob") as seat:
        await seat.say(f"/send '{tmp_path / 'dot.png'}'")
        await seat.shows("[image] dot.png · 4×3 · ")
        message = await phone.push("message")
        assert (message["type"], message["payload"]["width"]) == ("image", 4)
        await seat.say("/send nowhere.png")
        await seat.shows("No such file or directory")


async def test_what_is_said_without_a_connection_waits_and_arrives_once(people: World) -> None:
    ann, bob, phone = await pair(people)
    async with proxied(people) as (proxy, url), seated(url, "ann", "bob") as seat:
        await seat.say("before")
        assert (await phone.push("message"))["payload"] == {"text": "before"}
        proxy.refuse()
        await seat.shows("○ no connection, trying again …")
        await seat.say("meanwhile")
        await seat.shows("meanwhile  … waits for a connection", "1 waiting")
        await phone.ask("send", bob.text(ann, "are you there?"))
        proxy.restore()
        await seat.shows("● connected", "are you there?", "meanwhile  ✓")
        assert (await phone.push("message"))["payload"] == {"text": "meanwhile"}
        assert [each for each in await phone.quiet() if each["action"] == "message"] == []


async def test_people_groups_and_words_are_found_by_a_part_of_them(people: World) -> None:
    ann, bob, phone = await pair(people)
    cat = await people.person("cathy")
    await cat.post("/api/friends", {"friendId": ann.user_id})
    await phone.ask("send", bob.text(ann, "the harbour at night"))
    async with seated(people.base_url, "ann") as seat:
        await seat.press("ctrl+k")
        await seat.shows("cathy", "would like to be your friend")
        await seat.press("enter")
        await seat.until(lambda: cat.user_id in seat.app.session.friends)
        await seat.press("ctrl+k")
        await seat.type("cath")
        await seat.shows("● cathy")
        await seat.press("enter")
        await seat.say("/group new Sailors bob cathy")
        await seat.shows("# Sailors", "3 members")
        assert (await phone.push("group_created"))["name"] == "Sailors"
        await seat.until(lambda: any(room.members for room in seat.app.session.rooms.values()))
        await seat.type("ahoy @b")
        await seat.press("tab")
        await seat.shows("ahoy @bob")
        await seat.press("enter")
        assert (await phone.push("mention"))["from"] == ann.user_id
        await seat.press("ctrl+k")
        await seat.type("harbour")
        await seat.shows("“ the harbour at night")
        await seat.press("enter")
        await seat.shows("the harbour at night", "Reply")
        await seat.press("escape")
        await seat.say("/group members")
        await seat.shows("you are in no group")


async def test_a_narrow_terminal_shows_one_pane_at_a_time(people: World) -> None:
    ann, bob, phone = await pair(people)
    await phone.ask("send", bob.text(ann, "是不是太窄了?"))
    async with seated(people.base_url, "ann", size=(60, 20)) as seat:
        await seat.shows("● bob", "是不是太窄了?")
        await seat.press("enter")
        await seat.shows("Write to bob", "── new ──")
        await seat.press("escape")
        await seat.hides("Write to bob")
        await seat.press("f1")
        await seat.shows("Ctrl+K")
        lines = seat.screen.splitlines()
        at = next(place for place, line in enumerate(lines) if "Ctrl+K" in line)
        column = lines[at].index("go to")
        assert lines[at + 1][:column].strip(" │") == "", "what is too long goes on below itself"
        assert lines[at + 1][column:].strip(" │") != ""
        await seat.press("escape")
        await seat.pilot.resize_terminal(100, 30)
        await seat.shows("Write to bob", "● bob")


async def test_who_leaves_is_asked_once_more_while_something_waits(people: World) -> None:
    await pair(people)
    async with proxied(people) as (proxy, url), seated(url, "ann", "bob") as seat:
        proxy.refuse()
        await seat.shows("no connection")
        await seat.say("wait for me")
        await seat.press("ctrl+q")
        await seat.shows("1 not sent yet: Ctrl+Q again leaves without")
        assert seat.app.is_running
        proxy.restore()
        await seat.shows("wait for me  ✓")


async def test_the_picture_in_the_docs_is_what_the_screen_looks_like() -> None:
    assert (await draw()) + "\n" == PICTURE.read_text(), "PYTHONPATH=cli python -m tests.cli.picture draws it anew"


async def test_what_a_moderator_replaces_is_shown_as_it_is_stored(tmp_path: Path) -> None:
    async with receiving() as moderator:
        moderator.answer = lambda _: (200, b'{"action":"replace","payload":{"text":"mind your ****"}}')
        hooks = {"before_send": moderator.url("/"), "allow_private": ["127.0.0.1"], "before_send_timeout": 20}
        async with started_node(tmp_path / "data", hooks=hooks | {"secrets": SECRET}) as (_, people):
            await pair(people)
            async with seated(people.base_url, "ann", "bob") as seat:
                await seat.say("damn")
                await seat.shows("mind your ****  ✓")
                await seat.hides("damn")


async def test_what_an_earlier_try_has_stored_has_arrived_also_if_it_cannot_be_looked_up(
    people: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def history(*_: object, **__: object) -> None:
        asked.set()
        raise Unreachable("nothing answers")

    ann, bob, _ = await pair(people)
    await (await people.device(ann, "phone")).ask("send", ann.text(bob, "once", clientMsgId="again"))
    monkeypatch.setattr("goimctl.talk.session.secrets.token_urlsafe", lambda _: "again")
    async with seated(people.base_url, "ann", "bob") as seat:
        await seat.shows("once")
        session = seat.app.session
        monkeypatch.setattr(session.api, "history", history)
        await seat.say("once")
        await asked.wait()
        await seat.until(lambda: not session._sending)
        assert not [pending for room in session.rooms.values() for pending in room.pending]
