"""A bot that answers with a streamed chat completion of any OpenAI-compatible API.

It answers every message between two people and itself, and in groups those that mention it. Settings come from the
environment: GOIM_URL, GOIM_USERNAME, GOIM_PASSWORD, OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL, and BOT_CURSORS, the
file in which it remembers what it has seen. `python examples/llm_bot.py` runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import certifi
import httpcore
import msgspec

from goim.client import (
    Client,
    Connected,
    FileCursors,
    GoimError,
    Message,
    MessagePush,
    SessionOver,
    Unreachable,
    text_of,
)
from goim.protocol.pushes import FriendRequest

SYSTEM = "You are a helpful participant in a chat. Answer in the language you are asked in."
REMEMBERED = 20
AT_ONCE = 8


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta


class Chunk(msgspec.Struct):
    choices: list[Choice]


class Failed(Exception):
    """The API did not answer, or broke off."""


@dataclass(frozen=True)
class Model:
    """Where completions come from."""

    base_url: str
    api_key: str
    name: str

    async def complete(self, pool: httpcore.AsyncConnectionPool, messages: list[dict[str, str]]) -> AsyncIterator[str]:
        """The answer bit by bit; `Failed` if it is none or not all of it came."""
        body = msgspec.json.encode({"model": self.name, "messages": messages, "stream": True})
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.api_key}",
        }
        timeouts = {"timeout": {"connect": 10.0, "read": 120.0, "write": 10.0, "pool": 60.0}}
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        try:
            async with pool.stream("POST", url, headers=headers, content=body, extensions=timeouts) as answer:
                if answer.status != 200:
                    raise Failed(f"the model answers with HTTP {answer.status}")
                async for data in server_sent(answer.aiter_stream()):
                    if data == b"[DONE]":
                        return
                    for choice in msgspec.json.decode(data, type=Chunk).choices:
                        if choice.delta.content:
                            yield choice.delta.content
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            msgspec.MsgspecError,
        ) as error:
            raise Failed(f"the model cannot be reached or understood: {type(error).__name__}") from error
        raise Failed("the model broke off")


async def server_sent(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The `data` of server-sent events, as OpenAI writes them: one line each."""
    partial = b""
    async for part in parts:
        *lines, partial = (partial + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip()


class Bot:
    """Answers the messages of a conversation one after another, and several conversations at once."""

    def __init__(self, client: Client, model: Model) -> None:
        self._client = client
        self._model = model
        self._waiting: dict[str, asyncio.Queue[Message]] = {}
        context = ssl.create_default_context(cafile=certifi.where())
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, max_connections=AT_ONCE)

    async def run(self) -> None:
        """Until the client is closed."""
        async with self._pool, asyncio.TaskGroup() as tasks:
            answering = []
            async for event in self._client.events():
                match event:
                    case MessagePush(data=message) if self._is_for_me(message):
                        if message.conv_id not in self._waiting:
                            self._waiting[message.conv_id] = asyncio.Queue()
                            answering.append(tasks.create_task(self._answer_all(message.conv_id)))
                        self._waiting[message.conv_id].put_nowait(message)
                    case Connected() | FriendRequest():
                        await self._befriend_all()
            for task in answering:
                task.cancel()

    async def _befriend_all(self) -> None:
        """Say yes to everybody who has asked, also while there was no connection."""
        with contextlib.suppress(GoimError, Unreachable):  # they are asked for again over the next one
            for person in await self._client.api.friend_requests():
                await self._client.api.befriend(person.user_id)

    def _is_for_me(self, message: Message) -> bool:
        if message.from_ == self._client.user_id or message.type != "text" or message.recalled:
            return False
        return message.conv_type == "c2c" or self._client.user_id in (message.mentions or [])

    async def _answer_all(self, conv_id: str) -> None:
        while True:
            message = await self._waiting[conv_id].get()
            try:
                await self._answer(message)
            except (Failed, GoimError, Unreachable) as error:  # whoever asked sees the stream end as failed
                sys.stderr.write(f"{message.server_msg_id}: {error}\n")

    async def _answer(self, message: Message) -> None:
        answer_id = f"re-{message.server_msg_id}"  # the same answer, should this message be shown again
        async with self._client.stream(conv=message.conv_id, client_msg_id=answer_id) as stream:
            if stream.is_resumed:
                return await stream.fail("the bot was restarted")
            async for delta in self._model.complete(self._pool, await self._talk_until(message)):
                await stream.write(delta)

    async def _talk_until(self, message: Message) -> list[dict[str, str]]:
        """What was said here so far, as the API wants it."""
        before = (await self._client.api.history(message.conv_id, before=message.seq, limit=REMEMBERED)).messages
        said = [(each.from_ == self._client.user_id, text_of(each)) for each in [*before, message]]
        talk = [{"role": "assistant" if is_mine else "user", "content": text} for is_mine, text in said if text]
        return [{"role": "system", "content": SYSTEM}, *talk]


async def main() -> None:
    """Log in and answer until somebody stops it."""
    model = Model(os.environ["OPENAI_BASE_URL"], os.environ.get("OPENAI_API_KEY", ""), os.environ["OPENAI_MODEL"])
    async with Client(
        os.environ.get("GOIM_URL", "http://127.0.0.1:8080"),
        username=os.environ["GOIM_USERNAME"],
        password=os.environ["GOIM_PASSWORD"],
        device_id="llm-bot",
        cursors=FileCursors(os.environ.get("BOT_CURSORS", "llm_bot.json")),
    ) as client:
        sys.stderr.write(f"{client.login.username} answers\n")
        await Bot(client, model).run()


def first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of what went wrong: what several tasks say at once is the same."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except* KeyError as missing:
        sys.exit(f"error: {first(missing).args[0]} is not set")
    except* (GoimError, Unreachable, SessionOver, ValueError) as errors:
        sys.exit(f"error: {first(errors)}")
    except* KeyboardInterrupt:
        pass
