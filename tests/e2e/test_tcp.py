"""The TCP gateway: the same talk, one envelope a line."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.client import PATIENCE, Envelope, Person, Refused, World
from tests.node import started_node


@dataclass
class Line:
    """A TCP connection: `ask` returns the reply, what comes in between is kept as pushes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pushes: list[Envelope] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    async def read(self) -> Envelope:
        async with asyncio.timeout(PATIENCE):
            line = await self.reader.readline()
        if not line:
            raise EOFError
        envelope: Envelope = json.loads(line)
        return envelope

    async def exchange(self, request: Envelope) -> Envelope:
        number = next(self._ids)
        self.write(json.dumps(request | {"id": number}).encode() + b"\n")
        while (envelope := await self.read()).get("id") != number:
            self.pushes.append(envelope)
        return envelope

    async def ask(self, action: str, data: Envelope | None = None) -> Envelope:
        reply = await self.exchange({"action": action, "data": data or {}})
        if reply["action"] == "error":
            raise Refused(reply["data"])
        return dict(reply["data"])

    async def push(self, action: str) -> Envelope:
        while True:
            for at, envelope in enumerate(self.pushes):
                if envelope["action"] == action:
                    return dict(self.pushes.pop(at)["data"])
            self.pushes.append(await self.read())

    def write(self, data: bytes) -> None:
        self.writer.write(data)


@dataclass
class Town:
    """A node with a TCP gateway."""

    people: World
    port: int
    stack: contextlib.AsyncExitStack
    tls: ssl.SSLContext | None = None

    async def line(self) -> Line:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls, limit=1 << 20)

        async def close() -> None:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

        self.stack.push_async_callback(close)
        return Line(reader, writer)

    async def device(self, person: Person, device_id: str) -> Line:
        line = await self.line()
        assert (await line.ask("auth", {"token": person.token, "deviceId": device_id}))["deviceId"] == device_id
        return line


@contextlib.asynccontextmanager
async def town_in(folder: Path, **server: Any) -> AsyncIterator[Town]:
    async with (
        started_node(folder, server={"tcp_addr": "127.0.0.1:0", **server}) as (node, people),
        node.listening_tcp() as port,
        contextlib.AsyncExitStack() as stack,
    ):
        assert port is not None
        yield Town(people, port, stack)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with town_in(tmp_path) as town:
        yield town


async def test_two_people_talk_one_over_tcp_and_one_over_websocket(town: Town) -> None:
    ann, bob = await town.people.friends("ann", "bob")
    line, device = await town.device(ann, "box"), await town.people.device(bob, "phone")
    ack = await line.ask("send", ann.text(bob, "你好", clientMsgId="m1"))
    assert (ack["seq"], ack["clientMsgId"]) == (1, "m1")
    assert (await device.push("message"))["payload"] == {"text": "你好"}
    await device.ask("send", bob.text(ann, "hi"))
    assert (await line.push("message"))["seq"] == 2
    assert (await line.ask("sync", {"convs": [{"convId": ack["convId"]}]}))["convs"][0]["lastSeq"] == 2
    devices = (await ann.get("/api/users/me/devices"))["devices"]
    assert [(each["deviceId"], each["transport"]) for each in devices] == [("box", "tcp")]


async def test_a_draining_gateway_lets_nobody_in(tmp_path: Path) -> None:
    async with (
        started_node(tmp_path, server={"tcp_addr": "127.0.0.1:0"}) as (node, people),
        node.listening_tcp() as port,
        contextlib.AsyncExitStack() as stack,
    ):
        assert port is not None
        town = Town(people, port, stack)
        ann = await people.person("ann")
        line, late = await town.device(ann, "box"), await town.line()
        while len(node.tcp.clients) < 2:  # the second is accepted, and silent
            await line.ask("ping")
        node.tcp.drain()
        with pytest.raises(Refused) as refused:
            await late.ask("auth", {"token": ann.token})
        assert refused.value.code == "UNAVAILABLE"
        with pytest.raises(ConnectionRefusedError):
            await town.line()
        assert "timestamp" in await line.ask("ping"), "who is in stays until it is their turn"


async def test_a_bare_token_is_enough(town: Town) -> None:
    ann = await town.people.person("ann")
    line = await town.line()
    line.write(ann.token.encode() + b"\r\n")
    reply = await line.read()
    assert reply["action"] == "auth_ok"
    assert reply["data"]["userId"] == ann.user_id
    assert "timestamp" in await line.ask("ping")


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b'{"action":"auth","data":{"token":"nonsense"}}\n', "UNAUTHORIZED"),
        (b"nonsense\n", "UNAUTHORIZED"),
        (b'{"action":"ping"}\n', "INVALID"),
        (b'{"action":\n', "INVALID"),
        ("日\n".encode(), "INVALID"),
    ],
)
async def test_whoever_does_not_say_who_they_are_is_told_and_sent_away(town: Town, first: bytes, code: str) -> None:
    line = await town.line()
    line.write(first)
    reply = await line.read()
    assert (reply["action"], reply["data"]["code"]) == ("error", code)
    with pytest.raises(EOFError):
        await line.read()


async def test_lines_that_come_with_the_first_or_in_pieces_are_answered_in_order(town: Town) -> None:
    ann = await town.people.person("ann")
    line = await town.line()
    auth = json.dumps({"action": "auth", "data": {"token": ann.token}}).encode()
    whole = auth + b"\n" + b"".join(b'{"action":"ping","id":%d}\n' % number for number in range(50))
    for at in range(0, len(whole), 97):
        line.write(whole[at : at + 97])
        await line.writer.drain()
    assert (await line.read())["action"] == "auth_ok"
    assert [(await line.read())["id"] for _ in range(50)] == list(range(50))


async def test_what_was_sent_in_several_lines_comes_in_one(town: Town) -> None:
    ann, bob = await town.people.friends("ann", "bob")
    line, device = await town.device(bob, "box"), await town.people.device(ann)
    payload = {"text": "one\ntwo", "more": [1, {"a": 2}]}
    await device.ws.send(json.dumps({"action": "send", "data": ann.text(bob, "") | {"payload": payload}}, indent=1))
    assert (await line.push("message"))["payload"] == payload
    call = {"action": "call_start", "data": {"to": bob.user_id, "type": "audio"}}
    await device.ws.send(json.dumps(call, indent=1))
    about = {"callId": (await line.push("call_incoming"))["callId"], "to": bob.user_id}
    signal = about | {"type": "candidate", "candidate": {"candidate": ""}}
    await device.ws.send(json.dumps({"action": "webrtc_signaling", "data": signal}, indent=1).replace("\n", "\r\n"))
    assert (await line.push("webrtc_signaling"))["candidate"] == {"candidate": ""}


async def test_who_hangs_up_before_we_know_who_they_are_is_not_online(tmp_path: Path) -> None:
    async with town_in(tmp_path) as town:
        ann = await town.people.person("ann")
    async with town_in(tmp_path) as town:  # a node that has to ask whether the session lives
        there = await town.people.log_in(Person(await town.people.http(), username=ann.username))
        for number in range(20):
            box = await town.line()
            auth = {"action": "auth", "data": {"token": ann.token, "deviceId": f"box {number}"}}
            box.write(json.dumps(auth).encode() + b"\n")
            box.writer.close()
        line = await town.device(there, "late")
        devices = (await there.get("/api/users/me/devices"))["devices"]
        assert [each["deviceId"] for each in devices if each["online"]] == ["late"]
        assert "timestamp" in await line.ask("ping")


async def test_who_has_said_everything_and_ends_their_half_is_answered_before_the_end(town: Town) -> None:
    ann, bob = await town.people.friends("ann", "bob")
    line, device = await town.line(), await town.people.device(bob)
    auth = {"action": "auth", "data": {"token": ann.token, "deviceId": "meter"}}
    send = {"action": "send", "id": 2, "data": ann.text(bob, "21.5 °C")}
    line.write(b"".join(json.dumps(each).encode() + b"\n" for each in (auth, send, {"action": "ping", "id": 3})))
    line.writer.write_eof()
    assert (await line.read())["action"] == "auth_ok"
    answers = {answer["id"]: answer["action"] for answer in [await line.read(), await line.read()]}
    assert answers == {2: "ack", 3: "pong"}
    assert (await device.push("message"))["payload"] == {"text": "21.5 °C"}
    with pytest.raises(EOFError):
        await line.read()


async def test_who_ends_their_half_is_away_and_in_nobodys_place(town: Town) -> None:
    ann, bob = await town.people.friends("ann", "bob")
    old = await town.device(ann, "meter")
    old.write(json.dumps({"action": "send", "id": "last", "data": ann.text(bob, "bye")}).encode() + b"\n")
    old.writer.write_eof()
    assert (await old.read())["id"] == "last"
    devices = (await ann.get("/api/users/me/devices"))["devices"]
    assert [each["online"] for each in devices] == [False]
    new = await town.device(ann, "meter")
    with pytest.raises(EOFError):  # and no `close` before that: the new one did not replace it
        await old.read()
    assert "timestamp" in await new.ask("ping")


async def test_a_line_beyond_the_limit_ends_the_connection_with_its_code(town: Town) -> None:
    ann = await town.people.person("ann")
    line = await town.device(ann, "box")
    line.write(b"x" * (128 * 1024 + 2))
    assert await line.push("close") == {"code": 1009}
    with pytest.raises(EOFError):
        await line.read()


async def test_the_same_device_over_websocket_replaces_the_one_over_tcp(town: Town) -> None:
    ann = await town.people.person("ann")
    line = await town.device(ann, "box")
    await town.people.device(ann, "box")
    assert await line.push("close") == {"code": 4009}


async def test_logging_out_ends_it(town: Town) -> None:
    ann = await town.people.person("ann")
    line = await town.device(ann, "box")
    await ann.post("/api/logout")
    assert await line.push("close") == {"code": 4001}


async def test_bad_lines_are_answered_and_twenty_in_a_row_end_it(town: Town) -> None:
    ann = await town.people.person("ann")
    line = await town.device(ann, "box")
    for bad in [b"{nonsense\n", b'{"action":"ping","id":"\xff"}\n'] * 10:
        line.write(bad)
    for _ in range(20):
        assert (await line.read())["data"]["code"] == "INVALID"
    assert await line.push("close") == {"code": 4002}


async def test_tls_when_a_certificate_is_configured(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    openssl = await asyncio.create_subprocess_exec(*command.split(), *extra, stderr=asyncio.subprocess.DEVNULL)
    assert await openssl.wait() == 0
    async with town_in(tmp_path, tcp_certificate=str(certificate), tcp_key=str(key)) as town:
        town.tls = ssl.create_default_context(cafile=str(certificate))
        ann = await town.people.person("ann")
        line = await town.device(ann, "box")
        assert "timestamp" in await line.ask("ping")
