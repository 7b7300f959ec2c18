"""`goimctl chat`: people at terminals talk, through losses of the connection, and nothing is said twice."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.chatter import Chatter, all_connected, at_terminal, chatting
from tests.cli.conftest import Goimctl
from tests.client import PASSWORD, World
from tests.fault_proxy import FaultProxy
from tests.node import started_node
from tests.process import free_port
from tests.receiver import receiving

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[World]:
    """A node over the same folder as `goimctl`."""
    async with started_node(tmp_path / "data") as (_, world):
        yield world


async def befriend(one: Chatter, one_name: str, other: Chatter, other_name: str) -> None:
    one.type(f"/friend {other_name}")
    await one.is_told(f"{other_name} is asked")
    await other.is_told(f"{one_name} would like to be your friend: /friend {one_name}")
    other.type(f"/friend {one_name}")
    await one.is_told(f"you and {other_name} are friends")
    await other.is_told(f"you and {one_name} are friends")
    one.type(f"/with {other_name}")
    other.type(f"/with {one_name}")


async def test_two_people_meet_and_talk(people: World, goimctl: Goimctl) -> None:
    url = people.base_url
    async with chatting(goimctl, url, "ann", "--with", "bob") as ann:
        await ann.is_told("there is nobody called bob; /with bob when there is")
        async with chatting(goimctl, url, "bob", "--with", "ANN") as bob:
            bob.type("too soon")
            await bob.is_told("not sent: you are not friends: /friend ann")
            await befriend(ann, "ann", bob, "bob")
            ann.type("hello bob", "//slash", "你好 😀")
            assert await bob.hears("hello") == "ann: hello bob"
            assert await bob.hears("slash") == "ann: /slash"
            assert await bob.hears("你好") == "ann: 你好 😀"
            bob.type("/read")
            await ann.is_told("bob has read up to 3")
            ann.type("/recall")
            await bob.is_told("ann took message 3 back")
            bob.type("bye")
            assert await ann.hears("bye") == "bob: bye"
            assert await bob.leaves() == 1
            await bob.is_told("error: not everything was sent: 1 message did not arrive")
        ann.type("/people", "/quit")
        await ann.is_told("* bob")
        assert await ann.leaves() == 0


async def test_groups_are_made_and_talked_in(people: World, goimctl: Goimctl) -> None:
    ann, _ = await people.friends("ann", "bob")
    phone = await people.device(ann, "phone")
    async with chatting(goimctl, people.base_url, "ann") as one, chatting(goimctl, people.base_url, "bob") as other:
        await all_connected(people.base_url, 3)
        one.type("/group new Team bob", "hello team")
        await other.is_told("you are in the group Team")
        assert await other.hears("hello team") == "ann → Team: hello team"
        assert (await phone.push("message"))["payload"] == {"text": "hello team"}
        other.type("/with team", "here I am", "/group members")
        assert await one.hears("here") == "bob: here I am"
        await other.is_told("* ann (owner, here)")
        other.type("/group leave")
        await one.is_told("bob is out of the group Team")
        other.type("still here?")
        await other.is_told("to whom? /with NAME says it")
        await phone.ask("send", {"groupId": (await phone.push("group_created"))["groupId"], "type": "image"} | IMAGE)
        assert await one.hears("[image]") == "you: [image] 1.png"


async def test_a_message_is_forwarded_to_others_and_who_refuses_it_is_named(people: World, goimctl: Goimctl) -> None:
    ann, bob = await people.friends("ann", "bob")
    eve, _ = await people.person("eve"), await people.person("joe")
    await ann.post("/api/friends", {"friendId": eve.user_id})
    await eve.post("/api/friends", {"friendId": ann.user_id})
    phone = await people.device(eve)
    image = {"url": "https://pictures.example/1.png", "width": 4}
    async with chatting(goimctl, people.base_url, "ann", "--with", "bob") as chatter:
        chatter.type("/forward", "/forward eve")
        await chatter.is_told("like this: /forward WHO…")
        await chatter.is_told("nothing was said here lately")
        first = await bob.post("/api/messages", bob.text(ann, "first"))
        await bob.post("/api/messages", bob.text(ann, "", type="image", payload=image, replyTo=first["serverMsgId"]))
        await chatter.hears("[image]")
        chatter.type("/forward eve nobody", "/forward eve joe EVE")
        await chatter.is_told("there is nobody called nobody")
        await chatter.is_told("message 2 goes to eve, joe")
        await chatter.is_told("not sent to joe: you are not friends: /friend joe")
        message = await phone.push("message")
        assert (message["type"], message["payload"], message.get("replyTo")) == ("image", image, None)
        await bob.post("/api/messages", bob.text(ann, "burns", burnAfterRead=True))
        await chatter.hears("burns")
        chatter.type("/forward eve", "/with eve", "that was bob")
        await chatter.is_told("this disappears, and a copy would not")
        assert (await phone.push("message"))["payload"] == {"text": "that was bob"}
        assert await chatter.leaves() == 1  # joe did not get it


async def test_a_name_with_spaces_stands_in_quotes(people: World, goimctl: Goimctl) -> None:
    _, bob = await people.friends("ann", "bob")
    phone = await people.device(bob)
    async with chatting(goimctl, people.base_url, "ann") as chatter:
        chatter.type('/group new "Ann\'s Book club" bob', "chapter one")
        group_id = (await phone.push("message"))["groupId"]
        chatter.type('/with "bob"', "a page", "/forward 'bob", '/forward "ann\'s book club" bob')
        await chatter.is_told("the quote is not closed: 'bob")
        await chatter.is_told("message 1 goes to Ann's Book club, bob")
        pages = [await phone.push("message") for _ in range(3)]
        assert [page["payload"]["text"] for page in pages] == ["a page"] * 3
        assert [page.get("groupId") for page in pages].count(group_id) == 1
        chatter.type("/with ann's book club", "chapter two")
        assert (await phone.push("message"))["groupId"] == group_id


IMAGE = {"payload": {"url": "https://pictures.example/1.png"}}


async def test_what_a_message_says_now_is_told_to_whoever_sees_lines(tmp_path: Path, goimctl: Goimctl) -> None:
    async with receiving() as moderator:
        moderator.answer = lambda got: (200, b'{"action":"replace","payload":{"text":"mind your\\n****"}}')
        hooks = {"before_send": moderator.url("/"), "allow_private": ["127.0.0.1"], "before_send_timeout": 20}
        async with started_node(tmp_path / "data", hooks=hooks | {"secrets": SECRET}) as (_, people):
            ann, bob = await people.friends("ann", "bob")
            device = await people.device(bob)
            async with chatting(goimctl, people.base_url, "ann", "--with", "bob") as chatter:
                chatter.type("damn")
                assert await chatter.is_told("message 1") == "* message 1 says now: mind your ****"
                sent = await device.ask("send", bob.text(ann, "hi"))
                moderator.answer = lambda _: (200, b'{"action":"allow"}')
                place = {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]}
                await device.ask("edit", {**place, "payload": {"text": "hello"}})
                assert await chatter.is_told("message 2") == "* message 2 says now: hello"


async def test_nobody_can_move_somebody_elses_cursor(people: World, goimctl: Goimctl) -> None:
    ann, bob = await people.friends("ann", "bob")
    device = await people.device(bob)
    async with chatting(goimctl, people.base_url, "ann", "--with", "bob") as chatter:
        await chatter.is_told("you are ann")
        await device.ask("send", bob.text(ann, "up\x1b[2J\x07\nfake: hi\u202e end"))
        assert await chatter.hears("end") == "bob: up [2J  fake: hi  end"


async def test_what_is_typed_too_fast_arrives_all_the_same_in_order(tmp_path: Path, goimctl: Goimctl) -> None:
    async with started_node(tmp_path / "data", ws={"send_qps": 20, "send_burst": 2}) as (_, people):
        _, bob = await people.friends("ann", "bob")
        device = await people.device(bob)
        async with chatting(goimctl, people.base_url, "ann", "--with", "bob") as chatter:
            chatter.type(*map(str, range(12)))
            assert await chatter.leaves() == 0
        said = [(await device.push("message"))["payload"]["text"] for _ in range(12)]
    assert said == [str(number) for number in range(12)]


async def test_what_is_said_while_the_server_is_away_arrives_once_it_is_back(goimctl: Goimctl) -> None:
    address = f"127.0.0.1:{free_port()}"
    url = f"http://{address}"
    with goimctl.serving(IM_LISTEN_ADDR=address) as server:
        await asyncio.to_thread(server.url)
        async with chatting(goimctl, url, "ann") as ann, chatting(goimctl, url, "bob") as bob:
            await all_connected(url, 2)
            await befriend(ann, "ann", bob, "bob")
            ann.type("before")
            await bob.hears("before")
            server.process.kill()
            await ann.is_told("the connection is lost")
            await bob.is_told("the connection is lost")
            ann.type("meanwhile", "and on")
            with goimctl.serving(IM_LISTEN_ADDR=address) as again:
                await asyncio.to_thread(again.url)
                assert await bob.hears("meanwhile") == "ann: meanwhile"
                assert await bob.hears("and on") == "ann: and on"
                assert await ann.leaves() == 0
                assert (ann.said, bob.said) == ([], [])


async def test_who_is_disabled_is_told_and_out(people: World, goimctl: Goimctl) -> None:
    async with chatting(goimctl, people.base_url, "ann") as chatter:
        await all_connected(people.base_url, 1)
        await goimctl.meanwhile("users", "disable", "ann")
        await chatter.is_told("error: the server ended this session")
        assert await chatter.process.wait() == 1


async def test_whose_session_ends_while_a_command_waits_is_told_and_out(people: World, goimctl: Goimctl) -> None:
    _, bob = await people.friends("ann", "bob")
    proxy = FaultProxy("127.0.0.1", int(people.base_url.rpartition(":")[2]))
    async with (
        people.online(bob) as phone,
        proxy.running(),
        chatting(goimctl, f"http://127.0.0.1:{proxy.port}", "ann", "--with", "bob") as chatter,
    ):
        chatter.type("hello")
        await phone.push("message")
        chatter.type("/recall")
        await chatter.is_told("message 1 is taken back")
        proxy.refuse()
        await chatter.is_told("the connection is lost")
        chatter.type("one", "/read", "two", "/friend nobody", "three")
        await goimctl.meanwhile("users", "disable", "ann")
        proxy.restore()
        told = await chatter.is_told("error: ")  # by a request, or by the new connection: one of them is first
        assert told in ("error: the session has ended: log in again", "error: the server ended this session")
        assert await chatter.process.wait() == 1
        assert not [line for line in chatter.noted if "Traceback" in line]


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:surrogateescape"])
async def test_what_is_not_utf_8_is_said_with_a_mark_in_its_place(
    people: World, goimctl: Goimctl, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    _, bob = await people.friends("ann", "bob")
    async with chatting(goimctl, people.base_url, "ann", "--with", "bob") as chatter, people.online(bob) as phone:
        assert chatter.process.stdin is not None
        chatter.process.stdin.write(b"na\xefve caf\xc3\xa9\n")
        assert (await phone.push("message"))["payload"] == {"text": "na\ufffdve café"}
        assert await chatter.leaves() == 0


async def test_nothing_is_told_to_who_does_not_listen_any_more(people: World, goimctl: Goimctl) -> None:
    ann, bob = await people.friends("ann", "bob")
    async with chatting(goimctl, people.base_url, "ann") as chatter:
        await all_connected(people.base_url, 1)
        assert chatter.process.stdout is not None
        chatter.process.stdout._transport.close()  # type: ignore[attr-defined]  # as `head -1` does
        await bob.post("/api/messages", bob.text(ann, "hello"))
        assert await chatter.process.wait() == 1
        assert [line for line in chatter.noted if "error" in line or "Traceback" in line] == []


async def test_a_wrong_password_is_told(people: World, goimctl: Goimctl) -> None:
    await people.person("ann")
    async with chatting(goimctl, people.base_url, "ann", password="another horse") as chatter:
        await chatter.is_told("error: wrong password")
        assert await chatter.process.wait() == 1


def test_without_a_server_there_is_nobody_to_talk_to(goimctl: Goimctl) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = goimctl("chat", "ann", "--password-stdin", stdin=f"{PASSWORD}\n", IM_LISTEN_ADDR=address)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == f"error: nothing answers at http://{address}: Connection refused\nhint: goimctl serve\n"


async def test_nobody_is_asked_for_a_password_where_nothing_answers(goimctl: Goimctl) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for command in (["chat", "ann"], ["demo", "--remove"]):
        async with at_terminal(goimctl, *command, "--url", url) as (keyboard, process):
            assert await keyboard.shows(f"error: nothing answers at {url}: Connection refused") == ""
            await keyboard.shows("hint: goimctl serve")
            assert await process.wait() == 5


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--url", "file:///etc/passwd"], "error: file:///etc/passwd is no URL of a server\n"),
        ([], "error: there is no terminal to ask for the password at\n"),
    ],
)
def test_wrong_use_is_told(goimctl: Goimctl, args: list[str], told: str) -> None:
    done = goimctl("chat", "ann", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(told)


async def test_at_a_terminal_a_message_comes_in_while_chinese_is_typed(people: World, goimctl: Goimctl) -> None:
    ann, bob = await people.friends("ann", "bob")
    device = await people.device(bob)
    async with at_terminal(goimctl, "chat", "ann", "--with", "bob", "--url", people.base_url) as (keyboard, process):
        await keyboard.shows("Password of ann: ")
        keyboard.type(f"{PASSWORD}\r")
        await keyboard.shows("connected")
        keyboard.type("你好,")
        await keyboard.shows("你好,")
        await device.ask("send", bob.text(ann, "are you there?"))
        await keyboard.shows("are you there?")
        keyboard.type("\x1b[200~在吗?\x1b[201~")  # as a terminal passes a paste on
        keyboard.type("\r")
        assert (await device.push("message"))["payload"] == {"text": "你好,在吗?"}
        await keyboard.shows("你好,在吗?")
        keyboard.type("\x04")
        async with asyncio.timeout(15):
            assert await process.wait() == 0
        await keyboard.shows("\x1b[?1049l")  # the terminal is as it was


async def test_at_a_terminal_an_account_is_offered_and_its_end_told(people: World, goimctl: Goimctl) -> None:
    async with at_terminal(goimctl, "chat", "ann", "--url", people.base_url, "--with", "bob") as (keyboard, process):
        await keyboard.shows("Password of ann: ")
        keyboard.type(f"{PASSWORD}\r")
        await keyboard.shows("there is no account ann. Make it, with this password? [y/N]: ")
        keyboard.type("y\r")
        await keyboard.shows("Password again: ")
        keyboard.type(f"{PASSWORD}\r")
        await keyboard.shows("there is nobody called bob;")
        await all_connected(people.base_url, 1)
        await goimctl.meanwhile("users", "disable", "ann")
        await keyboard.shows("error: the server ended this session")
        async with asyncio.timeout(15):
            assert await process.wait() == 1
