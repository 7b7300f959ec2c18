"""What a connection needs of whatever carries it, and the plain way to have it under any ASGI server."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, body_of

EXTENSION = "goim.direct"
"""Where a server that can offers a `Transport` in `scope["extensions"]`. It lives on when the application returns."""

PATH = "/ws"
"""Where clients connect."""


class Listener(Protocol):
    """Who is told what comes."""

    def receive(self, data: bytes, *, is_text: bool) -> None:
        """One whole message of the client."""
        ...

    def ended(self) -> None:
        """Nothing more will come, and nothing more goes out."""
        ...


class Transport(Protocol):
    """A live socket. Nothing here waits for the client."""

    def start(self, listener: Listener) -> None:
        """Tell `listener` of every message of the client from now on, and of the end."""
        ...

    def send_frame(self, frame: Frame) -> None:
        """Queue a frame, in order; dropped when the connection is over."""
        ...

    def close(self, code: CloseCode) -> None:
        """Say what is queued, then end the connection. Twice is once."""
        ...

    def pause(self) -> None:
        """Stop reading: the client is faster than we are."""
        ...

    def resume(self) -> None: ...

    @property
    def queued_bytes(self) -> int: ...


class AsgiTransport:
    """The same behaviour over plain ASGI `send` and `receive`: slower, and right under any server."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
        queue_bytes: int,
        closes: Counter[int],
    ) -> None:
        self._asgi_receive = receive
        self._asgi_send = send
        self._limit = queue_bytes
        self._closes = closes
        self._out: deque[Frame] = deque()
        self._wake = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._listener: Listener | None = None
        self._close_code: CloseCode | None = None
        self._fresh_bytes = 0
        self.queued_bytes = 0

    def start(self, listener: Listener) -> None:
        self._listener = listener

    def send_frame(self, frame: Frame) -> None:
        if self._close_code is not None:
            return
        if self.queued_bytes - self._fresh_bytes > self._limit:
            return self.close(CloseCode.SLOW_CONSUMER)
        if not self._fresh_bytes:
            asyncio.get_running_loop().call_soon(self._age)
        self._out.append(frame)
        self.queued_bytes += len(frame)
        self._fresh_bytes += len(frame)
        self._wake.set()

    def _age(self) -> None:
        """What was queued in one loop iteration has had its chance: from now on it is the reader who is slow."""
        self._fresh_bytes = 0

    def close(self, code: CloseCode) -> None:
        if self._close_code is None:
            self._close_code = code
            self._closes[int(code)] += 1
            self._wake.set()

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    async def run(self) -> None:
        """Carry messages both ways until one side ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read())
                writer = tasks.create_task(self._write())
                reader.add_done_callback(lambda _: writer.cancel())
                writer.add_done_callback(lambda _: reader.cancel())
        finally:
            if self._listener is not None:
                self._listener.ended()

    async def _read(self) -> None:
        while True:
            await self._reading.wait()
            event = await self._asgi_receive()
            if event["type"] == "websocket.disconnect":
                return
            text = event.get("text")
            if self._listener is not None and self._close_code is None:
                self._listener.receive(event["bytes"] if text is None else text.encode(), is_text=text is not None)

    async def _write(self) -> None:
        with contextlib.suppress(OSError):  # what ASGI servers raise when the client has gone
            while self._close_code is None:
                await self._wake.wait()
                self._wake.clear()
                await self._write_queued()
            await self._asgi_send({"type": "websocket.close", "code": int(self._close_code)})

    async def _write_queued(self) -> None:
        while self._out:
            frame = self._out.popleft()
            await self._asgi_send({"type": "websocket.send", "text": body_of(frame).decode()})
            self.queued_bytes -= len(frame)
