"""The client's live connection: comes back after every loss, and asks again what was not answered."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from goim.client.errors import FOR_GOOD, SessionOver, Unreachable, refusal
from goim.client.http import is_local, trust_in
from goim.client.login import Login
from goim.clock import Clock
from goim.errors import ErrorCode, GoimError
from goim.protocol.close_codes import CloseCode

T = TypeVar("T")
_LARGEST = 16 * 1024 * 1024  # an answer to `sync` holds many messages
_PAUSE = 0.1
_RETRIED = (ErrorCode.RATE_LIMIT, ErrorCode.UNAVAILABLE)


class Envelope(Struct, frozen=True):
    """Any frame of the server; `id` is that of the request it answers."""

    action: str
    data: Raw
    id: int | None = None


class Timing(Struct, frozen=True, kw_only=True):
    """Seconds: pauses between attempts grow from `first_pause` to `longest_pause`; a connection on which nothing
    answers for twice `heartbeat` is dead, a handshake or an answer over HTTP that takes longer than `patience` has
    failed."""

    first_pause: float = 0.25
    longest_pause: float = 30.0
    heartbeat: float = 20.0
    patience: float = 15.0


class Lost(Exception):
    """The connection that was meant is not there any more."""


class _Refusal(Struct, frozen=True, rename="camel"):
    code: str
    message: str = ""
    retry_after_ms: int | None = None
    conv_id: str | None = None


class _Reconnect(Struct, frozen=True, rename="camel"):
    after_ms: int


class _Asked(Struct):
    """A request on its way, and where its answer is waited for."""

    text: bytes
    reply: asyncio.Future[Envelope]


class Link:
    """One WebSocket after another. `take` gets every envelope in the order it came; `turned` hears True when a
    connection stands and False when it is gone."""

    def __init__(self, url: str, login: Login, device_id: str, clock: Clock, timing: Timing) -> None:
        scheme, _, rest = url.rstrip("/").partition("://")
        query = f"?deviceId={quote(device_id, safe='')}" if device_id else ""
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws{query}"
        self._trust = trust_in(url)
        self._login = login
        self._clock = clock
        self._timing = timing
        self._chance = secrets.SystemRandom()
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        self._told: dict[int, Callable[[GoimError], None]] = {}
        self._largest: tuple[int, int] = (0, 0)  # size and id of what was sent over this connection
        self._ws: ClientConnection | None = None
        self._is_up = asyncio.Event()
        self._drain: asyncio.Timeout | None = None
        self.connection = 0
        self.over: SessionOver | None = None
        self._closed: SessionOver | None = None
        self.take: Callable[[Envelope], None] = lambda _: None
        self.turned: Callable[[bool], None] = lambda _: None

    # asking

    async def ask(self, action: str, data: object, into: type[T]) -> T:
        """Ask until there is an answer, over as many connections as it takes; `GoimError` if it is no.

        Only for what may be asked twice. Too fast or not available now counts as no answer.
        """
        while True:
            envelope = await self._answer(action, data)
            if envelope.action != "error":
                return msgspec.json.decode(envelope.data, type=into)
            refused = _refused(envelope)
            if refused.code not in _RETRIED:
                raise refused
            await self._clock.sleep(max((refused.retry_after_ms or 0) / 1000, _PAUSE))

    async def _answer(self, action: str, data: object) -> Envelope:
        if self._closed is not None:
            raise self._closed
        number = next(self._numbers)
        text = msgspec.json.encode({"action": action, "data": data, "id": number})
        asked = self._asked[number] = _Asked(text, asyncio.get_running_loop().create_future())
        try:
            if self._ws is not None:
                await self._send(self._ws, number, text)
            return await asked.reply
        finally:
            del self._asked[number]

    async def _send(self, ws: ClientConnection, number: int, text: bytes) -> None:
        """Send what goes again over the next connection if this one is lost."""
        self._largest = max(self._largest, (len(text), number))
        with contextlib.suppress(ConnectionClosed):
            await ws.send(text, text=True)

    def listen_for_refusals(self, told: Callable[[GoimError], None]) -> int:
        """An id for what is told; `told` hears of every refusal, until `forget`."""
        number = next(self._numbers)
        self._told[number] = told
        return number

    def forget(self, number: int) -> None:
        self._told.pop(number, None)

    async def tell(self, connection: int, number: int, action: str, data: object) -> None:
        """Send what is not answered, over this connection or not at all (`Lost`)."""
        if self._ws is None or connection != self.connection:
            raise Lost
        text = msgspec.json.encode({"action": action, "data": data, "id": number})
        self._largest = max(self._largest, (len(text), number))
        try:
            await self._ws.send(text, text=True)
        except ConnectionClosed:
            raise Lost from None

    @property
    def is_up(self) -> bool:
        return self._ws is not None

    async def up(self) -> int:
        """Wait for a connection; its number, by which `tell` knows it."""
        await self._is_up.wait()
        if self._closed is not None:
            raise self._closed
        return self.connection

    # staying connected

    async def run(self) -> None:
        """Stay connected until the server ends it for good."""
        failures = 0
        while self.over is None:
            heard = False
            pause: float | None = None
            try:
                heard, pause = await self._one()
            except SessionOver as over:
                self._end(over)
                return
            except (OSError, InvalidHandshake, Unreachable, TimeoutError, GoimError):
                pass  # it may be back after a while
            failures = 0 if heard else failures + 1
            await self._clock.sleep(self._pause(failures) if pause is None else pause)

    async def _one(self) -> tuple[bool, float | None]:
        """One connection from handshake to end: whether anything came over it, and a pause that the server asked
        for."""
        token = self._login.token
        try:
            async with self._connect(token) as ws:
                heard, is_draining = await self._carry(ws)
                code = ws.close_code
        except InvalidStatus as error:
            if error.response.status_code == 401:
                await self._login.must_renew(token)
                return False, None
            if error.response.status_code == 403:
                raise SessionOver("the server lets nobody in from here", 403) from None
            raise
        if code == CloseCode.TOO_LARGE:
            self._refuse_largest()
        if code == CloseCode.SESSION_ENDED and await self._login.refresh(token):
            return heard, 0.0
        if code in FOR_GOOD:
            raise SessionOver(FOR_GOOD[CloseCode(code)], code)
        return heard, 0.0 if is_draining else None

    def _connect(self, token: str) -> connect:
        return connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            max_size=_LARGEST,
            ssl=self._trust,
            proxy=None if is_local(self._url) else True,
            user_agent_header=None,
            open_timeout=self._timing.patience,
            ping_interval=self._timing.heartbeat,
            ping_timeout=self._timing.heartbeat,
            close_timeout=1.0,
        )

    async def _carry(self, ws: ClientConnection) -> tuple[bool, bool]:
        """Sort what comes over one connection until it ends: whether anything came, and whether we leave because the
        server is about to go."""
        heard = False
        self._ws = ws
        self.connection += 1
        self._largest = (0, 0)
        unanswered = [
            (number, asked.text) for number, asked in self._asked.items()
        ]  # what is asked from now on is sent at once
        self.turned(True)
        self._is_up.set()
        try:
            async with asyncio.timeout(None) as self._drain:
                for number, text in unanswered:
                    await self._send(ws, number, text)
                async for frame in ws:
                    heard = True
                    self._sort(msgspec.json.decode(frame, type=Envelope))
        except ConnectionClosed:
            pass  # what was not answered is asked again over the next one
        except TimeoutError:
            return heard, True
        finally:
            self._ws = self._drain = None
            self._is_up.clear()
            self.turned(False)
        return heard, False

    def _sort(self, envelope: Envelope) -> None:
        if envelope.action == "reconnect" and self._drain is not None:
            after = msgspec.json.decode(envelope.data, type=_Reconnect).after_ms / 1000
            self._drain.reschedule(asyncio.get_running_loop().time() + after)
        if envelope.id is None:
            self.take(envelope)
            return
        asked = self._asked.get(envelope.id)
        if asked is not None:
            if not asked.reply.done():  # first: whoever asked goes on before what is pushed after the answer is shown
                asked.reply.set_result(envelope)
            self.take(envelope)
        elif envelope.id in self._told and envelope.action == "error":
            self._told[envelope.id](_refused(envelope))

    def _refuse_largest(self) -> None:
        """What the server has closed the connection for would end each further one, too."""
        _, number = self._largest
        refused = GoimError(ErrorCode.TOO_LARGE, "this is more than a frame may hold")
        if number in self._told:
            self._told[number](refused)
        elif number in self._asked and not self._asked[number].reply.done():
            self._asked[number].reply.set_exception(refused)

    def _pause(self, failures: int) -> float:
        """Twice as long after each failure, and never the same for all who lost the same server."""
        longest = min(self._timing.first_pause * 2.0 ** min(failures, 16), self._timing.longest_pause)
        return longest * self._chance.uniform(0.5, 1.0)

    def _end(self, over: SessionOver) -> None:
        """The server has ended it for good."""
        self.over = over
        self.close(over)
        self.turned(False)

    def close(self, why: SessionOver) -> None:
        """Let everybody know who waits for an answer or a connection, or will. Once `run` has ended."""
        self._closed = self._closed or why
        self._is_up.set()
        for asked in self._asked.values():
            if not asked.reply.done():
                asked.reply.set_exception(self._closed)


def _refused(envelope: Envelope) -> GoimError:
    data = msgspec.json.decode(envelope.data, type=_Refusal)
    return refusal(data.code, data.message, data.retry_after_ms, data.conv_id)
