"""One connection to one Redis server, in RESP3: commands leave in order, answers and pushes come in."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from msgspec import Struct

from goim.errors import StoreDown

DIAL_SECONDS = 3.0
Part = str | bytes | int
OnPush = Callable[[Sequence[Any]], None]


class RedisDown(StoreDown):
    """Redis cannot be reached, or refused what was asked."""


class Server(Struct, frozen=True):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Login(Struct, frozen=True):
    """How to be let in."""

    username: str = ""
    password: str = ""
    db: int = 0
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"Login(username={self.username!r}, db={self.db}, …)"


class Link(asyncio.Protocol):
    """Never waits by itself: `send` queues, `ask` gives a future. When the connection ends, every open question fails.

    Commands that subscribe are answered by pushes only: send them by `send_silently`.
    """

    def __init__(self, on_push: OnPush | None = None, on_lost: Callable[[], None] | None = None) -> None:
        self._on_push = on_push
        self._on_lost = on_lost
        self._reader = hiredis.Reader()
        self._expected: deque[asyncio.Future[Any] | None] = deque()
        self._transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()
        self.failures = 0
        self.last_failure = ""

    # out

    def send(self, commands: Sequence[Sequence[Part]]) -> None:
        """Send commands whose answers nobody waits for."""
        if self.lost.is_set():
            return
        self._expected.extend([None] * len(commands))
        self._write(b"".join(map(_pack, commands)))

    def send_silently(self, command: Sequence[Part]) -> None:
        """Send a command that has no answer."""
        self._write(_pack(command))

    def ask(self, *command: Part) -> asyncio.Future[Any]:
        """Send a command: its answer. An error of Redis is an answer, too; `RedisDown` if the connection ends first."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.lost.is_set():
            answer.set_exception(RedisDown("the connection to Redis is lost"))
            return answer
        self._expected.append(answer)
        self._write(_pack(command))
        return answer

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.lost.is_set():
            self._transport.write(data)

    @property
    def unsent_bytes(self) -> int:
        """What the server has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """End the connection; what is under way is dropped."""
        if self._transport is not None:
            self._transport.abort()

    async def end(self) -> None:
        """End it, and return when it is closed."""
        if self._transport is not None:
            self._transport.abort()
            await self.lost.wait()

    # in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but not by inheritance

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                self._take(answer)
        except hiredis.ProtocolError as error:
            self.last_failure = str(error)
            self.abort()

    def _take(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification):
            if self._on_push is not None:
                self._on_push(answer)
            return
        asked = self._expected.popleft()
        if asked is not None:
            if not asked.done():
                asked.set_result(answer)
        elif isinstance(answer, hiredis.ReplyError):
            self.failures += 1
            self.last_failure = str(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        expected, self._expected = self._expected, deque()
        for asked in expected:
            if asked is not None and not asked.done():
                asked.set_exception(RedisDown(f"the connection to Redis is lost: {exc or 'it was closed'}"))
                asked.exception()  # whoever asked may be gone
        if self._on_lost is not None:
            self._on_lost()


async def dial(
    server: Server, login: Login, on_push: OnPush | None = None, on_lost: Callable[[], None] | None = None
) -> Link:
    """A connection that is let in; `RedisDown` with the reason if there is none."""
    loop = asyncio.get_running_loop()
    link = Link(on_push, on_lost)
    try:
        async with asyncio.timeout(DIAL_SECONDS):
            await loop.create_connection(lambda: link, server.host, server.port, ssl=login.tls)
            await _log_in(link, login)
    except (OSError, TimeoutError, StoreDown) as error:
        await link.end()
        raise RedisDown(f"Redis at {server}: {str(error) or 'no answer in time'}") from error
    except BaseException:
        link.abort()
        raise
    return link


async def _log_in(link: Link, login: Login) -> None:
    auth = ("AUTH", login.username or "default", login.password) if login.password else ()
    checked(await link.ask("HELLO", 3, *auth, "SETNAME", "goim"))
    if login.db:
        checked(await link.ask("SELECT", login.db))


def checked(answer: Any) -> Any:
    """The answer, unless it is an error."""
    if isinstance(answer, hiredis.ReplyError):
        raise RedisDown(str(answer))
    return answer


def _pack(command: Sequence[Part]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # it says that it takes one part
    return packed
