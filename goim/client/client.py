"""The client: sends until it is acknowledged, shows everything in order and once, stays connected."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from goim.client.api import Api
from goim.client.calls import Calls
from goim.client.cursors import Cursors, MemoryCursors
from goim.client.errors import SessionOver
from goim.client.events import Event
from goim.client.feed import Feed
from goim.client.http import Http, Nothing
from goim.client.link import Link, Timing
from goim.client.login import Login
from goim.client.streams import Stream
from goim.clock import Clock, SystemClock
from goim.protocol.replies import ChangedData, ReadAckData, SentData


class Client:
    """One device of one account, from login to goodbye: `async with Client(url, username=…, password=…) as client`.

    Or with a `token`, or the `refresh_token` of an earlier login. A `device_id` is the same device again: without one
    the server makes a new one for each connection. `cursors` says where to keep how far it has come.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str = "",
        password: str = "",
        token: str = "",
        refresh_token: str = "",
        device_id: str = "",
        cursors: Cursors | None = None,
        timing: Timing | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url} is no URL of a server: http://host:port")
        if not (token or refresh_token or (username and password)):
            raise ValueError("who are you? a username and password, a token or a refresh_token")
        clock = clock or SystemClock()
        timing = timing or Timing()
        self._http = Http(url, clock, timing.patience)
        self.login = Login(
            self._http,
            username=username,
            password=password,
            token=token,
            refresh_token=refresh_token,
            device_id=device_id,
        )
        self._clock = clock
        self._link = Link(url, self.login, device_id, clock, timing)
        self._feed = Feed(self._link, self._http, self.login, cursors or MemoryCursors(), clock)
        self._stack = AsyncExitStack()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.api = Api(self._http)
        self.calls = Calls(self._link, self.api, self.login)

    @property
    def user_id(self) -> str:
        return self.login.user_id

    async def __aenter__(self) -> Self:
        """Log in and begin to connect. `GoimError` if the server does not let us, `Unreachable` if it is not there."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._http.aclose)
            await self.login.begin()
            await self._feed.begin()
            stack.callback(self._link.close, SessionOver("the client is closed", 1000))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            running = tasks.create_task(self._link.run())
            stack.callback(self._feed.save)
            stack.callback(self._feed.end)
            stack.callback(running.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection. The session goes on; `api.log_out` ends it."""
        try:
            await self._stack.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            if group.exceptions != (error,):  # else it is what went wrong in the block, and goes on as it is
                raise

    def events(self) -> AsyncIterator[Event]:
        """What others did, in order and once, until the client is closed. For one reader.

        What was missed is asked for before later things are shown. `SessionOver` if the server has ended the session.
        """
        return self._feed.events()

    def shown_upto(self, conv_id: str) -> int:
        """The last seq of a conversation up to which everything was shown."""
        return self._feed.shown_upto(conv_id)

    # saying something

    async def send(
        self,
        text: str | None = None,
        *,
        to: str | None = None,
        group: str | None = None,
        conv: str | None = None,
        kind: str = "text",
        payload: Mapping[str, object] | None = None,
        client_msg_id: str | None = None,
        reply_to: str | None = None,
        mentions: Sequence[str] | None = None,
        expire_at_ms: int | None = None,
        burn_after_read: bool | None = None,
    ) -> SentData:
        """Send a text, or a message of another `kind` with its `payload`; returns when it is on disk.

        Until then it is sent again over each new connection, under the same id, so it is there once. What is sent to
        one conversation arrives in the order it was sent. `GoimError` if it is refused, `SessionOver` if there is no
        way any more. Cancelled, it may or may not have arrived.
        """
        data = self._addressed(to, group, conv, client_msg_id) | {
            "type": kind,
            "payload": {"text": text} if payload is None else payload,
            "replyTo": reply_to,
            "mentions": mentions,
            "expireAtMs": expire_at_ms,
            "burnAfterRead": burn_after_read,
        }
        turn = self._turns.setdefault(conv or group or to or "", asyncio.Lock())
        async with turn:
            return await self._link.ask("send", {k: v for k, v in data.items() if v is not None}, SentData)

    def stream(
        self,
        text: str = "",
        *,
        to: str | None = None,
        group: str | None = None,
        conv: str | None = None,
        client_msg_id: str | None = None,
        reply_to: str | None = None,
    ) -> Stream:
        """A message to be written bit by bit: `async with client.stream(conv=…) as stream: await stream.write(…)`."""
        data = self._addressed(to, group, conv, client_msg_id)
        if reply_to is not None:
            data["replyTo"] = reply_to
        return Stream(self._link, self._http, self._clock, data, text)

    def _addressed(
        self, to: str | None, group: str | None, conv: str | None, client_msg_id: str | None
    ) -> dict[str, object]:
        if sum(each is not None for each in (to, group, conv)) != 1:
            raise ValueError("a message goes to one of: to, group, conv")
        client_msg_id = client_msg_id or secrets.token_urlsafe(12)
        self._feed.own(client_msg_id)
        if conv is not None:
            return {"convId": conv, "clientMsgId": client_msg_id}
        if group is not None:
            return {"convType": "group", "groupId": group, "clientMsgId": client_msg_id}
        return {"convType": "c2c", "to": to, "clientMsgId": client_msg_id}

    # what happens to messages

    async def recall(self, conv: str, server_msg_id: str) -> ChangedData:
        return await self._link.ask("recall", {"convId": conv, "serverMsgId": server_msg_id}, ChangedData)

    async def edit(self, conv: str, server_msg_id: str, text: str) -> ChangedData:
        data = {"convId": conv, "serverMsgId": server_msg_id, "payload": {"text": text}}
        return await self._link.ask("edit", data, ChangedData)

    async def react(self, conv: str, server_msg_id: str, emoji: str, *, remove: bool = False) -> ChangedData:
        data = {"convId": conv, "serverMsgId": server_msg_id, "emoji": emoji, "remove": remove}
        return await self._link.ask("react", data, ChangedData)

    async def read(self, conv: str, seq: int) -> int:
        """Say that everything up to `seq` is read; the watermark as it is now."""
        return (await self._link.ask("read", {"convId": conv, "seq": seq}, ReadAckData)).seq

    async def typing(self, conv: str, *, typing: bool = True) -> None:
        await self._link.ask("typing", {"convId": conv, "typing": typing}, Nothing)
