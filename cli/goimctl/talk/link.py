"""The terminal client's live connection: comes back after every loss, and asks again what was not answered."""

from __future__ import annotations

import asyncio
import itertools
from typing import TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from goim.clock import Clock
from goim.errors import ErrorCode
from goim.protocol.close_codes import CloseCode
from goimctl.talk.answers import Envelope, Refusal
from goimctl.talk.api import is_local, refused

T = TypeVar("T")
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_LARGEST = 16 * 1024 * 1024  # an answer to `sync` holds many messages
_LEAST_WAIT = 0.1

CONNECTED = Envelope(action="connected", data=msgspec.Raw(b"{}"))
LOST = Envelope(action="lost", data=msgspec.Raw(b"{}"))

_FOR_GOOD = {
    CloseCode.SESSION_ENDED: "the server ended this session",
    CloseCode.REPLACED: "this device connected from elsewhere",
    CloseCode.KICKED: "this device was removed",
    CloseCode.PROTOCOL_ABUSE: "the server does not understand this client",
}
_REFUSED = {401: "the session has ended: log in again", 403: "the server lets nobody in from here"}


class Link:
    """One WebSocket after another. `news` brings every push in order, and `CONNECTED` and `LOST` between them."""

    def __init__(self, url: str, token: str, device_id: str, clock: Clock) -> None:
        scheme, _, rest = url.partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws?deviceId={device_id}"
        self._token = token
        self._clock = clock
        self._ws: ClientConnection | None = None
        self._is_up = asyncio.Event()
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Envelope | None]] = {}
        self.news: asyncio.Queue[Envelope] = asyncio.Queue()

    async def ask(self, action: str, data: object, into: type[T]) -> T:
        """Ask until there is an answer: everything this client asks may be asked twice. `GoimError` if it is no."""
        while True:
            envelope = await self._exchange(action, data)
            if envelope is None:
                continue
            if envelope.action != "error":
                return msgspec.json.decode(envelope.data, type=into)
            refusal = msgspec.json.decode(envelope.data, type=Refusal)
            if refusal.code not in (ErrorCode.RATE_LIMIT, ErrorCode.UNAVAILABLE):
                raise refused(refusal)
            await self._clock.sleep(max(refusal.retry_after_ms / 1000, _LEAST_WAIT))

    async def _exchange(self, action: str, data: object) -> Envelope | None:
        """One request and its answer, or None if the connection was lost between them."""
        await self._is_up.wait()
        assert self._ws is not None
        number = next(self._numbers)
        reply: asyncio.Future[Envelope | None] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            await self._ws.send(msgspec.json.encode({"action": action, "data": data, "id": number}), text=True)
            return await reply
        except ConnectionClosed:
            self._is_up.clear()
            return None
        finally:
            self._replies.pop(number, None)

    async def run(self) -> str:
        """Stay connected until the server ends it for good, and say why it did."""
        pause = _FIRST_PAUSE
        while True:
            was_up = False
            try:
                async with self._connect() as ws:
                    was_up, pause = True, _FIRST_PAUSE
                    await self._carry(ws)
                    ending = _FOR_GOOD.get(ws.close_code)  # type: ignore[call-overload]
            except InvalidStatus as error:
                ending = _REFUSED.get(error.response.status_code)
            except (OSError, InvalidHandshake):
                ending = None
            if ending is not None:
                return str(ending)
            if was_up:
                self.news.put_nowait(LOST)
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _connect(self) -> connect:
        return connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            max_size=_LARGEST,
            proxy=None if is_local(self._url) else True,
            user_agent_header=None,
        )

    async def _carry(self, ws: ClientConnection) -> None:
        """Sort what comes over one connection until it ends."""
        self._ws = ws
        self._is_up.set()
        self.news.put_nowait(CONNECTED)
        try:
            async for text in ws:
                self._sort(msgspec.json.decode(text, type=Envelope))
        except ConnectionClosed:
            pass  # what was not answered is asked again over the next one
        finally:
            self._is_up.clear()
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_result(None)

    def _sort(self, envelope: Envelope) -> None:
        reply = self._replies.get(envelope.id) if envelope.id is not None else None
        if reply is None:
            self.news.put_nowait(envelope)
        elif not reply.done():
            reply.set_result(envelope)
