"""What `goimctl chat` is made of: asks again what was not answered, shows everything once, obeys nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from goimctl.talk.chats import Chats
from goimctl.talk.commands import words_in
from goimctl.talk.news import take
from goimctl.talk.rooms import Room
from goimctl.talk.texts import clean, content_of
from msgspec import Raw, Struct, convert
from websockets.asyncio.server import ServerConnection, serve

from goim.client import Message, MessagePush, Timing, Unreachable
from goim.client.answers import User
from goim.client.api import Api
from goim.client.http import Http, is_local
from goim.client.link import Link
from goim.client.login import Login
from goim.client.progress import Progress
from goim.clock import SystemClock
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import ConvType
from goim.protocol import pushes
from tests.process import free_port

Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


class Acked(Struct, rename="camel"):
    conv_id: str
    seq: int


def link_to(port: int) -> Link:
    """A link of somebody who has only a token."""
    url, clock = f"http://127.0.0.1:{port}", SystemClock()
    http = Http(url, clock, 1.0)
    login = Login(http, username="", password="", token="t", refresh_token="", device_id="d")
    return Link(url, login, "d", clock, Timing())


@contextlib.asynccontextmanager
async def linked(answer: Answer) -> AsyncIterator[Link]:
    """A link to a server that answers as told; with None it cuts the connection."""

    async def carry(ws: ServerConnection) -> None:
        async for text in ws:
            request = json.loads(text)
            reply = answer(request)
            if reply is None:
                ws.transport.abort()
                return
            await ws.send(json.dumps(reply | {"id": request["id"]}))

    async with serve(carry, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = link_to(port)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(link.run())
            try:
                yield link
            finally:
                running.cancel()


ACK = {"action": "ack", "data": {"convId": "c1", "seq": 7, "serverMsgId": "x"}}


async def test_what_was_not_answered_before_a_loss_is_asked_again_word_for_word() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> dict[str, Any] | None:
        asked.append(request["data"])
        return ACK if len(asked) == 3 else None

    async with linked(answer) as link, asyncio.timeout(20):
        acked = await link.ask("send", {"clientMsgId": "m1", "payload": {"text": "hi"}}, Acked)
    assert acked == Acked(conv_id="c1", seq=7)
    assert asked == [{"clientMsgId": "m1", "payload": {"text": "hi"}}] * 3


async def test_who_is_too_fast_waits_as_told_and_asks_again() -> None:
    replies = [{"action": "error", "data": {"code": "RATE_LIMIT", "message": "slow", "retryAfterMs": 1}}, ACK]
    async with linked(lambda _: replies.pop(0)) as link, asyncio.timeout(20):
        assert (await link.ask("send", {}, Acked)).seq == 7
    assert replies == []


async def test_a_no_is_a_no() -> None:
    no = {"action": "error", "data": {"code": "BLOCKED", "message": "one of you has blocked the other"}}
    async with linked(lambda _: no) as link, asyncio.timeout(20):
        with pytest.raises(GoimError, match="blocked") as refused:
            await link.ask("send", {}, Acked)
    assert refused.value.code is ErrorCode.BLOCKED


@pytest.mark.parametrize(("code", "why"), [(4001, "session"), (4009, "elsewhere"), (4010, "removed")])
async def test_an_end_for_good_is_the_end(code: int, why: str) -> None:
    async def close(ws: ServerConnection) -> None:
        await ws.close(code)

    async with serve(close, "127.0.0.1", 0) as server, asyncio.timeout(20):
        port = next(iter(server.sockets)).getsockname()[1]
        link = link_to(port)
        await link.run()
        assert why in str(link.over)


def test_what_was_shown_is_known_whatever_the_order() -> None:
    shown = Progress(3)
    assert shown.messages.has(3)
    assert not shown.messages.has(4)
    assert not shown.messages.leaves_gap(4)
    assert shown.messages.leaves_gap(6)
    shown.messages.add(5)  # my own message, acked before somebody's 4 came
    assert shown.messages.has(5)
    assert not shown.messages.leaves_gap(4)
    shown.messages.add(4)
    assert (shown.messages.upto, shown.messages.leaves_gap(6)) == (5, False)
    shown.messages.skip_to(9)
    assert shown.is_at(9, 0)
    assert not shown.is_at(10, 0)
    assert not shown.is_at(9, 1)


def test_a_terminal_is_given_nothing_to_obey() -> None:
    assert clean("a\x1b[31mb\r\n\x00\u202ec") == "a [31mb    c"
    assert clean("家 👩\u200d👩 é") == "家 👩\u200d👩 é"
    assert clean("⛰\ufe0f") == "⛰"  # as wide in one terminal as in another


def test_a_message_of_any_type_has_something_to_show() -> None:
    def shown(type_: str, payload: object) -> str:
        fields = {"serverMsgId": "", "clientMsgId": "", "convId": "", "convType": "c2c", "from": "", "seq": 1}
        return content_of(
            convert(fields | {"timestamp": 0, "type": type_, "payload": payload, "recalled": False}, Message)
        )

    assert shown("text", {"text": "hi\n there\x1b[2J"}) == "hi\n there [2J"
    assert shown("image", {"url": "/files/1/%E5%9B%BE.png?x=/1"}) == "[image] 图.png"
    picture = {"url": "/u", "name": "a.png", "width": 4, "height": 3, "size": 2048, "text": "see?"}
    assert shown("image", picture) == "[image] a.png · 4×3 · 2 KB\nsee?"
    assert shown("voice", {"url": "/a.ogg", "duration": 2.6}) == "[voice] a.ogg · 3 s"
    assert shown("location", {"latitude": 1.5, "longitude": 2}) == "[location] 1.5, 2"
    assert shown("card", {"userId": "u", "nickname": "Ann"}) == "[card] Ann"
    assert shown("custom", {"a": "中"}) == '[custom] {"a": "中"}'
    assert shown("text", None) == "(taken back)"


def test_an_edit_of_what_is_gone_by_now_leaves_the_message_as_it_was() -> None:
    fields = {"serverMsgId": "m", "clientMsgId": "", "convId": "c", "convType": "c2c", "from": "ann", "seq": 1}
    said = {"timestamp": 0, "type": "text", "payload": {"text": "hi"}, "recalled": False}
    room = Room(other_id="ann", conv_type=ConvType.C2C, title="Ann", is_loaded=True)
    room.add(convert(fields | said, Message), "bob")
    room.take_change(pushes.Edited(pushes.EditedData("c", "m", 1, Raw(b"null"), 5, 1)))
    assert [message.payload for message in room.ordered()] == [{"text": "hi"}]
    room.take_change(pushes.Edited(pushes.EditedData("c", "m", 1, Raw(b'{"text":"ho"}'), 5, 2)))
    assert [message.payload for message in room.ordered()] == [{"text": "ho"}]
    assert room.latest == room.messages[1]
    room.take_change(pushes.Replaced(pushes.ReplacedData("c", "m", 1, Raw(b'{"text":"h*"}'))))
    assert room.latest == room.messages[1]
    assert room.messages[1].payload == {"text": "h*"}


@contextlib.asynccontextmanager
async def answering(answers: list[tuple[int, object]]) -> AsyncIterator[Http]:
    """Requests to a server that gives these answers, one after another."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status, body = answers.pop(0)
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, contextlib.aclosing(Http(f"http://127.0.0.1:{port}", Hurried(), 5.0)) as http:
        yield http


class Hurried(SystemClock):
    async def sleep(self, seconds: float) -> None:
        """Nobody waits here."""


async def test_a_token_that_runs_out_at_the_last_try_is_renewed_all_the_same() -> None:
    away, spent = {"code": "UNAVAILABLE"}, {"code": "UNAUTHORIZED"}
    async with answering([(503, away), (503, away), (503, away), (401, spent), (200, {"ok": True})]) as http:

        async def renew(_: str) -> bool:
            return True

        http.renew = renew
        assert await http.get("/api/x", dict[str, bool]) == {"ok": True}


def login_of(http: Http) -> Login:
    """Of somebody who has no password."""
    return Login(http, username="", password="", token="spent", refresh_token="r1", device_id="d")


async def test_two_that_want_a_new_token_at_once_get_the_same() -> None:
    async with answering([(201, {"token": "fresh", "userId": "u", "refreshToken": "r2"})]) as http:
        login = login_of(http)
        assert all(await asyncio.gather(login.refresh("spent"), login.renew("spent")))
        assert (login.token, login.refresh_token) == ("fresh", "r2")


async def test_a_refresh_token_is_kept_for_a_server_that_is_away() -> None:
    async with contextlib.aclosing(Http(f"http://127.0.0.1:{free_port()}", SystemClock(), 5.0)) as http:
        login = login_of(http)
        with pytest.raises(Unreachable):
            await login.refresh("spent")
        assert login.refresh_token == "r1"


def message() -> Message:
    return Message(
        server_msg_id="m1", client_msg_id="c1", conv_id="c2c:me:u1", conv_type=ConvType.C2C, from_="u1", seq=1,
        timestamp=1, type="text", payload={"text": "hi"}, recalled=False, to="me",
    )  # fmt: skip


async def test_a_message_is_shown_also_where_nobody_can_say_whose_it_is() -> None:
    async with contextlib.aclosing(Http(f"http://127.0.0.1:{free_port()}", SystemClock(), 5.0)) as http:
        chats = Chats(Api(http), User(user_id="me", username="me"), SystemClock())
        room = await take(chats, MessagePush(message()))
        assert room is not None
        assert (room.latest, room.title) == (message(), "u1")


async def test_what_is_said_in_a_conversation_that_was_deleted_elsewhere_is_shown_where_one_is() -> None:
    async with contextlib.aclosing(Http(f"http://127.0.0.1:{free_port()}", SystemClock(), 5.0)) as http:
        chats = Chats(Api(http), User(user_id="me", username="me"), SystemClock())
        chats.people.meet(User(user_id="u1", username="ann"))
        chats.here = await take(chats, MessagePush(message()))
        await take(chats, pushes.ConversationUpdated(pushes.ConversationUpdatedData("c2c:me:u1", deleted=True)))
        assert chats.here is not None
        assert chats.here.latest is None
        assert await take(chats, MessagePush(message())) is chats.here


def test_a_proxy_is_for_the_world_outside() -> None:
    assert [is_local(url) for url in ("http://127.0.0.1:1", "http://[::1]:1", "http://localhost")] == [True] * 3
    assert not is_local("https://chat.example")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", []),
        (" bob  ann ", ["bob", "ann"]),
        ("\"Book club\" 'the office' bob", ["Book club", "the office", "bob"]),
        ("Ann's club", ["Ann's", "club"]),
        ('"Ann\'s club" 5"', ["Ann's club", '5"']),
        ('"" x', ["", "x"]),
    ],
)
def test_quotes_around_a_name_keep_its_spaces(typed: str, words: list[str]) -> None:
    assert words_in(typed) == words


@pytest.mark.parametrize("typed", ['bob "Book club', "'", "\"Book club' bob"])
def test_a_quote_that_is_not_closed_is_told(typed: str) -> None:
    with pytest.raises(GoimError, match=r"the quote is not closed: ['\"]"):
        words_in(typed)
