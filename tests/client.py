"""A person with a real socket: registers over HTTP, talks over the `websockets` library, keeps what was pushed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

PASSWORD = "correct horse"
PATIENCE = 30.0

Envelope = dict[str, Any]


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, data: Envelope) -> None:
        super().__init__(f"{data['code']}: {data.get('message') or data.get('detail')}")
        self.code = data["code"]
        self.data = data


@dataclass
class Api:
    """Somebody's HTTP access."""

    http: httpx.AsyncClient
    token: str = ""
    user_id: str = ""
    username: str = ""
    refresh_token: str = ""

    async def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """The JSON of the answer (None for 204); `Refused` for an error."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self.http.request(method, path, json=body, params=params or None, headers=headers)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            raise Refused(answer.json())
        return answer.json() if answer.content else None

    async def get(self, path: str, **params: Any) -> Any:
        return await self.call("GET", path, **params)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.call("POST", path, body if body is not None else {})

    async def put(self, path: str, body: Any = None) -> Any:
        return await self.call("PUT", path, body if body is not None else {})

    async def delete(self, path: str, body: Any = None) -> Any:
        return await self.call("DELETE", path, body)


@dataclass
class Device:
    """One open socket. Replies are matched to requests by id, everything else is a push."""

    ws: ClientConnection
    pushes: list[Envelope] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    _replies: dict[int, asyncio.Future[Envelope]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    async def listen(self) -> None:
        """Sort what comes in until the connection ends."""
        try:
            async for text in self.ws:
                self._take(text)
        finally:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(ConnectionClosedError(None, None))
                    reply.exception()  # perhaps nobody waits for it any more

    def _take(self, text: str | bytes) -> None:
        self.raw.append(str(text))
        envelope = json.loads(text)
        reply = self._replies.pop(envelope.get("id"), None)
        if reply is None:
            self.pushes.append(envelope)
            self._news.set()
        elif not reply.done():  # else who asked has given up
            reply.set_result(envelope)

    async def ask(self, action: str, data: Any = None) -> Envelope:
        """Send a request and return the data of its reply; `Refused` for an error."""
        envelope = await self.exchange({"action": action, "data": data if data is not None else {}})
        if envelope["action"] == "error":
            raise Refused(envelope["data"])
        answer: Envelope = envelope["data"]
        return answer

    async def exchange(self, request: Envelope) -> Envelope:
        """Send an envelope with an id of its own and return the whole reply."""
        number = next(self._ids)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        await self.ws.send(json.dumps(request | {"id": number}))
        async with asyncio.timeout(PATIENCE):
            answer: Envelope = await reply
            return answer

    async def push(self, action: str, matches: Callable[[Envelope], bool] = lambda _: True) -> Envelope:
        """Wait for a push, take it out and return its data."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for at, envelope in enumerate(self.pushes):
                    if envelope["action"] == action and matches(envelope["data"]):
                        data: Envelope = self.pushes.pop(at)["data"]
                        return data
                self._news.clear()
                await self._news.wait()

    async def quiet(self) -> list[Envelope]:
        """Everything pushed and not taken so far; whatever was on its way has arrived (a ping came back)."""
        await self.ask("ping")
        taken, self.pushes = self.pushes, []
        return taken

    async def closed(self) -> int:
        """Wait until the server ends the connection and say with which code."""
        async with asyncio.timeout(PATIENCE):
            await self.ws.wait_closed()
        return self.ws.close_code or 0


class Person(Api):
    """A registered account, logged in."""

    def text(self, to: Person | str, text: str, **more: Any) -> Envelope:
        """The data of a send to a friend."""
        to_id = to if isinstance(to, str) else to.user_id
        return {"convType": "c2c", "to": to_id, "type": "text", "payload": {"text": text}, **more}

    async def whole_log(self, conv_id: str) -> list[Envelope]:
        """Everything that was said in a conversation, page by page from its first message."""
        log: list[Envelope] = []
        while True:
            page = await self.get("/api/messages/history", convId=conv_id, fromSeq=len(log), limit=200)
            log += page["messages"]
            if not page["hasMore"]:
                return log


@dataclass
class World:
    """A running server and the people on it."""

    base_url: str
    _stack: contextlib.AsyncExitStack
    _names: Any = field(default_factory=lambda: itertools.count(1))

    async def http(self) -> httpx.AsyncClient:
        """A connection pool of its own. Nothing is encrypted here, and loading certificates costs 30 ms a client."""
        client = httpx.AsyncClient(base_url=self.base_url, timeout=PATIENCE * 2, verify=False)
        return await self._stack.enter_async_context(client)

    async def person(self, name: str | None = None, **login: Any) -> Person:
        """Register somebody and log in."""
        person = Person(await self.http(), username=name or f"user{next(self._names)}")
        await person.post("/api/register", {"username": person.username, "password": PASSWORD})
        return await self.log_in(person, **login)

    async def log_in(self, person: Person, **login: Any) -> Person:
        """A new session of an account; the given one stays as it is."""
        fresh = Person(person.http, username=person.username)
        answer = await fresh.post("/api/login", {"username": person.username, "password": PASSWORD, **login})
        fresh.token, fresh.user_id, fresh.refresh_token = answer["token"], answer["userId"], answer["refreshToken"]
        return fresh

    async def friends(self, *names: str | None) -> list[Person]:
        """People who are all friends of each other."""
        people = await asyncio.gather(*(self.person(name) for name in names))
        for one, other in itertools.combinations(people, 2):
            await self.befriend(one, other)
        return people

    async def circle(self, size: int) -> list[Person]:
        """So many friends of each other, under names that nobody has yet: for nodes that tests share."""
        return await self.friends(*[None] * size)

    async def befriend(self, one: Person, other: Person) -> None:
        await one.post("/api/friends", {"friendId": other.user_id})
        await other.post("/api/friends", {"friendId": one.user_id})

    async def device(self, person: Person, device_id: str | None = None, **headers: str) -> Device:
        """Open a socket; it is closed with the world."""
        return await self._stack.enter_async_context(self.online(person, device_id, **headers))

    @contextlib.asynccontextmanager
    async def online(self, person: Person, device_id: str | None = None, **headers: str) -> AsyncIterator[Device]:
        """A socket for the length of the block, asked for with these headers, too."""
        url = self.base_url.replace("http", "ws", 1) + "/ws" + (f"?deviceId={device_id}" if device_id else "")
        headers |= {"Authorization": f"Bearer {person.token}"}
        opened = connect(url, additional_headers=headers, compression=None, proxy=None, open_timeout=PATIENCE)
        async with opened as ws:
            device = Device(ws)
            listening = asyncio.ensure_future(device.listen())  # noqa: TID251 it is awaited below
            try:
                yield device
            finally:
                listening.cancel()
                await asyncio.wait([listening])
                if not listening.cancelled():
                    listening.exception()


@contextlib.asynccontextmanager
async def world(base_url: str) -> AsyncIterator[World]:
    """People and sockets that go when the block ends."""
    async with contextlib.AsyncExitStack() as stack:
        yield World(base_url, stack)
