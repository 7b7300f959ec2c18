"""A real `goimctl serve`: it drains when it is told to stop, and its log keeps secrets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.client import PASSWORD, Device, Envelope, Person, World
from tests.process import running_server

DEVICES = 40


class Sender:
    """Sends to a friend as fast as it is acknowledged, and knows what was."""

    def __init__(self, device: Device, data: Envelope) -> None:
        self.acks: list[Envelope] = []
        self._device = device
        self._data = data

    async def send(self) -> None:
        while True:
            self.acks.append(await self._device.ask("send", self._data))

    async def until_closed(self) -> None:
        """Send as long as there is a connection."""
        sending = asyncio.get_running_loop().create_task(self.send())
        await self._device.closed()
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
            await sending


async def test_a_drain_sends_everybody_elsewhere_and_loses_nothing(tmp_path: Path) -> None:
    seconds = "8"  # half of it passes before anybody is sent away: time to see what it says
    async with running_server(tmp_path, IM_SERVER_DRAIN_SECONDS=seconds) as (server, people):
        ann, bob, cleo = await people.friends("ann", "bob", "cleo")
        devices = [await people.device(bob, f"device{number}") for number in range(DEVICES)]
        sender = Sender(await people.device(ann), ann.text(cleo, "hi"))
        probe = await people.http()
        assert (await probe.get("/readyz")).status_code == 200
        sending = asyncio.get_running_loop().create_task(sender.until_closed())
        await (await people.device(cleo)).push("message", lambda message: message["seq"] > 10)
        ending = asyncio.get_running_loop().create_task(server.end(signal.SIGTERM))
        await check_draining(people, probe, ann)
        after = [(await device.push("reconnect"))["afterMs"] for device in devices]
        assert [await device.closed() for device in devices] == [4012] * DEVICES
        assert len(set(after)) == DEVICES, "each at a time of its own"
        assert min(after) >= 1000, "who asks whether it is ready hears first that it is not"
        assert await ending == 0
        await sending
        await server.start()
        log = await ann.whole_log(sender.acks[0]["convId"])
        seqs = [message["seq"] for message in log]
        assert seqs == list(range(1, len(seqs) + 1))
        assert {ack["serverMsgId"] for ack in sender.acks} <= {message["serverMsgId"] for message in log}
        assert len(sender.acks) > 10
        async with people.online(bob, "device1") as device:
            assert "timestamp" in await device.ask("ping")


async def check_draining(people: World, probe: httpx.AsyncClient, person: Person) -> None:
    """Not ready for new ones any more, and alive all the same."""
    async with asyncio.timeout(20):
        while (answer := await probe.get("/readyz")).status_code == 200:
            pass
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")
    assert (await probe.get("/healthz")).status_code == 200
    assert await refusal(f"{people.base_url.replace('http', 'ws')}/ws?token={person.token}") == 503


async def refusal(url: str) -> int:
    """With what status connections are refused; another worker may not have heard of the drain yet, and take some."""
    async with asyncio.timeout(20):
        while True:
            try:
                connection = await connect(url, proxy=None)
            except InvalidStatus as refused:
                return refused.response.status_code
            await connection.close()


async def test_a_second_signal_ends_a_drain_at_once(tmp_path: Path) -> None:
    async with running_server(tmp_path, IM_SERVER_DRAIN_SECONDS="60") as (server, people):
        ann = await people.person("ann")
        devices = [await people.device(ann, f"device{number}") for number in range(200)]
        ending = asyncio.get_running_loop().create_task(server.end(signal.SIGINT))
        await devices[0].push("reconnect")
        assert await server.end(signal.SIGINT) == await ending == 0
        closed = [device.ws.close_code for device in devices]
        assert 4012 in closed
        assert closed.count(4012) < len(closed), "the rest was not waited for"


SECRET = "xyzzy-this-is-between-us"


@pytest.mark.parametrize("style", ["json", "text"])
async def test_no_token_password_or_message_is_in_the_log(tmp_path: Path, style: str) -> None:
    variables = {"IM_LOG_LEVEL": "debug", "IM_LOG_FORMAT": style}
    async with running_server(tmp_path, **variables) as (server, people):
        ann, bob = await people.friends("ann", "bob")
        await talk_in_every_way(people, ann, bob)
        fresh = await ann.post("/api/token/refresh", {"refreshToken": ann.refresh_token})
        assert await server.end() == 0
        log = server.log.read_text()
    assert len(log.splitlines()) > 5, "it says something"
    secrets = {
        "the password": PASSWORD,
        "a message": SECRET,
        "the key of the tokens": (tmp_path / "data" / "jwt_secret").read_text().strip(),
        "a refresh token": ann.refresh_token,
        "a new refresh token": fresh["refreshToken"],
        "a new token": fresh["token"],
        "a token": ann.token,
        "the signature of a token": ann.token.rpartition(".")[2],
    }
    assert [name for name, secret in secrets.items() if secret in log] == []
    assert re.findall(r"eyJ[\w-]{10,}\.", log) == [], "no token of anybody"


async def talk_in_every_way(people: World, ann: Person, bob: Person) -> None:
    """Good requests and bad ones, over everything that carries them."""
    url = people.base_url.replace("http", "ws", 1) + "/ws"
    good = json.dumps({"action": "send", "data": ann.text(bob, SECRET)})
    bobs = await people.device(bob)
    async with connect(f"{url}?token={ann.token}", proxy=None) as ws:
        await ws.send(good)
        await ws.send(part async for part in parts(good))
        await ws.send(good[:-1])
        await ws.send(good.replace('"text"', '"song"', 1))
        await ws.send(good.encode())
        await ws.send(f'{{"action":"{SECRET}","data":"{SECRET}"}}')
        for _ in range(6):
            await ws.recv()
    async with connect(url, proxy=None, subprotocols=[Subprotocol(f"bearer.{ann.token}")]) as ws:
        await ws.send("x" * 200_000 + SECRET)
        with pytest.raises(ConnectionClosed):
            await ws.recv()
    for token in (ann.token + "x", ann.token[:-1]):
        with pytest.raises(InvalidStatus):
            await connect(f"{url}?token={token}", proxy=None)
    await ann.post("/api/messages", ann.text(bob, SECRET))
    headers = {"Authorization": f"Bearer {ann.token}"}
    for path in ("/api/messages", "/api/login", "/api/nope", f"/api/users/search?token={ann.token}"):
        body = json.dumps({"password": PASSWORD, "payload": SECRET, "refreshToken": ann.refresh_token})
        await ann.http.post(path, content=body, headers=headers)
    await ann.http.post("/api/login", json={"username": "ann", "password": PASSWORD + "!"})
    await bobs.push("message")


async def parts(text: str) -> AsyncIterator[str]:
    yield text[:40]
    yield text[40:]


async def test_who_comes_and_who_is_refused_is_no_news(tmp_path: Path) -> None:
    async with running_server(tmp_path) as (server, people):
        ann = await people.person("ann")
        before = server.log.read_text()
        async with people.online(ann) as device:
            await device.ask("ping")
        ann.token = "nonsense"
        with pytest.raises(InvalidStatus):
            await people.device(ann)
        assert server.log.read_text() == before
