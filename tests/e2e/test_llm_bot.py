"""`examples/llm_bot.py` as people run it, between a real server and a stand-in for the model's API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from goim.clock import SystemClock
from tests.client import PASSWORD, Device, Person, World
from tests.fault_proxy import FaultProxy
from tests.node import started_node
from tests.process import ROOT, free_port

PATIENCE = 40.0
clock = SystemClock()


@dataclass
class FakeModel:
    """Says back what it was asked, word by word. "together" waits until two ask, "break" stops half way."""

    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    both: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(2))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FakeModel]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        asked = json.loads(await reader.readexactly(size))
        self.heads.append(head)
        self.asked.append(asked)
        question = asked["messages"][-1]["content"]
        if "together" in question:
            await self.both.wait()
        if "refuse" in question:
            writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            for word in ["You", " said:", f" {question}"]:
                chunk = {"choices": [{"index": 0, "delta": {"content": word}}]}
                writer.write(f": keep-alive\n\ndata: {json.dumps(chunk)}\n\n".encode())
                await writer.drain()
            if "break" not in question:
                writer.write(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def bot(url: str, model: FakeModel, folder: Path) -> AsyncIterator[None]:
    """The example in a process of its own, once it says that it answers."""
    variables = {
        "GOIM_URL": url,
        "GOIM_USERNAME": "bot",
        "GOIM_PASSWORD": PASSWORD,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{model.port}/v1",
        "OPENAI_API_KEY": "key-1",
        "OPENAI_MODEL": "small",
        "BOT_CURSORS": str(folder / "bot.json"),
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples/llm_bot.py"), env=os.environ | variables, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            assert await process.stderr.readline() == b"bot answers\n"
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@dataclass
class Scene:
    people: World
    model: FakeModel
    bot: Person
    ann: Person
    bob: Person


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with started_node(tmp_path) as (_, people), FakeModel().running() as model:
        robot, ann, bob = await people.friends("bot", "ann", "bob")
        async with bot(people.base_url, model, tmp_path):
            yield Scene(people, model, robot, ann, bob)


async def leaves(url: str, **variables: str) -> tuple[int | None, str]:
    """How a bot ends that never comes to answer: its exit code and what it says."""
    given = {"GOIM_URL": url, "GOIM_USERNAME": "bot", "GOIM_PASSWORD": PASSWORD, "BOT_CURSORS": os.devnull}
    model = {"OPENAI_BASE_URL": "http://127.0.0.1:9", "OPENAI_MODEL": "small", "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples/llm_bot.py"), env=os.environ | model | given | variables,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        _, told = await process.communicate()
    return process.returncode, told.decode()


async def test_a_bot_that_cannot_come_in_says_why_in_a_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert await leaves(url) == (1, f"error: nothing answers at {url}: Connection refused\n")
    told = (1, "error: 127.0.0.1:8080 is no URL of a server: http://host:port\n")
    assert await leaves("127.0.0.1:8080") == told
    async with started_node(tmp_path) as (_, people):
        await people.person("bot")
        told = (1, "error: wrong username or password\n")
        assert await leaves(people.base_url, GOIM_PASSWORD="another horse") == told
        told = (1, f"error: {os.devnull} holds no cursors: begin with another file, or without it\n")
        assert await leaves(people.base_url) == told


async def test_a_bot_whose_session_is_ended_says_so_in_a_line(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, people), asyncio.TaskGroup() as tasks:
        robot = await people.person("bot")
        leaving = tasks.create_task(leaves(people.base_url, BOT_CURSORS=str(tmp_path / "bot.json")))
        async with asyncio.timeout(PATIENCE):
            while not (devices := (await robot.get("/api/users/me/devices"))["devices"]):
                await clock.sleep(0.02)
            await robot.delete(f"/api/users/me/devices/{devices[0]['deviceId']}")
            assert await leaving == (1, "bot answers\nerror: this device was removed\n")


async def ended(device: Device) -> tuple[str, str]:
    end = await device.push("stream_end")
    return end["text"], end["streamStatus"]


async def test_the_bot_answers_with_a_stream_and_knows_what_was_said_before(scene: Scene) -> None:
    phone = await scene.people.device(scene.ann)
    await phone.ask("send", scene.ann.text(scene.bot, "one"))
    started = await phone.push("message")
    assert (started["from"], started["streamStatus"]) == (scene.bot.user_id, "streaming")
    chunks = [(await phone.push("stream_chunk"))["delta"] for _ in range(3)]
    assert chunks == ["You", " said:", " one"]
    assert await ended(phone) == ("You said: one", "done")
    await phone.ask("send", scene.ann.text(scene.bot, "two"))
    assert await ended(phone) == ("You said: two", "done")
    assert [each["content"] for each in scene.model.asked[1]["messages"][1:]] == ["one", "You said: one", "two"]
    assert [each["role"] for each in scene.model.asked[1]["messages"]] == ["system", "user", "assistant", "user"]
    assert (scene.model.asked[1]["model"], scene.model.asked[1]["stream"]) == ("small", True)
    assert "POST /v1/chat/completions" in scene.model.heads[0]
    assert "Bearer key-1" in scene.model.heads[0]


async def test_several_conversations_are_answered_at_once(scene: Scene) -> None:
    ann, bob = await scene.people.device(scene.ann), await scene.people.device(scene.bob)
    await ann.ask("send", scene.ann.text(scene.bot, "together a"))
    await bob.ask("send", scene.bob.text(scene.bot, "together b"))
    assert await ended(ann) == ("You said: together a", "done")
    assert await ended(bob) == ("You said: together b", "done")


async def test_a_model_that_fails_ends_the_stream_as_failed_and_the_bot_goes_on(scene: Scene) -> None:
    phone = await scene.people.device(scene.ann)
    for question, left in [("break", "You said: break"), ("refuse", "")]:
        await phone.ask("send", scene.ann.text(scene.bot, question))
        assert await ended(phone) == (left, "failed")
    await phone.ask("send", scene.ann.text(scene.bot, "on"))
    assert await ended(phone) == ("You said: on", "done")


async def test_in_a_group_the_bot_answers_who_mentions_it(scene: Scene) -> None:
    phone = await scene.people.device(scene.ann)
    made = await scene.ann.post("/api/groups", {"name": "Team", "memberIds": [scene.bot.user_id]})
    to_all = {"groupId": made["groupId"], "convType": "group", "type": "text"}
    await phone.ask("send", to_all | {"payload": {"text": "not for you"}})
    await phone.ask("send", to_all | {"payload": {"text": "for you"}, "mentions": [scene.bot.user_id]})
    assert await ended(phone) == ("You said: for you", "done")
    assert len(scene.model.asked) == 1


async def test_whoever_asks_becomes_a_friend_of_the_bot_also_while_it_has_no_connection(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, people), FakeModel().running() as model:
        robot, ann, bob = [await people.person(name) for name in ("bot", "ann", "bob")]
        phones = [await people.device(person) for person in (ann, bob)]
        host, port = people.base_url.removeprefix("http://").split(":")
        async with (
            FaultProxy(host, int(port)).running() as proxy,
            bot(f"http://127.0.0.1:{proxy.port}", model, tmp_path),
        ):
            await ann.post("/api/friends", {"friendId": robot.user_id})
            await phones[0].push("friend_accepted")
            proxy.refuse()
            await bob.post("/api/friends", {"friendId": robot.user_id})
            proxy.restore()
            await phones[1].push("friend_accepted")
