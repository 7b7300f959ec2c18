"""A server of somebody else's that goim sends to: keeps what it got, and answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 30.0


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    sni: str | None = None

    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[[Got], tuple[int, bytes] | None]


@dataclass
class Receiver:
    """Answers every POST with what `answer` makes of it, or hangs up; those that `holds` says wait for the event `held`
    first."""

    port: int = 0
    scheme: str = "http"
    got: list[Got] = field(default_factory=list)
    answer: Script = lambda _: (204, b"")
    held: asyncio.Event | None = None
    holds: Callable[[Got], bool] = lambda _: True
    headers: dict[str, str] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _names: dict[int, str | None] = field(default_factory=dict)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def until(
        self, number: int, matches: Callable[[Got], bool] = lambda _: True, patience: float = PATIENCE
    ) -> list[Got]:
        """Wait until so many requests came that match, and return them."""
        async with asyncio.timeout(patience):
            while len(found := [each for each in self.got if matches(each)]) < number:
                self._news.clear()
                await self._news.wait()
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                await self._one(reader, writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        connection = writer.get_extra_info("ssl_object")
        got = Got(head[0].split()[1], headers, body, self._names.get(id(connection)))
        self.got.append(got)
        self._news.set()
        if self.held is not None and self.holds(got):
            await self.held.wait()
        told = self.answer(got)
        if told is None:
            raise ConnectionError
        status, answer = told
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(answer)}\r\n{more}\r\n".encode() + answer)
        await writer.drain()

    def name_asked(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Remember the server name of a TLS handshake."""
        self._names[id(connection)] = name


@contextlib.asynccontextmanager
async def receiving(
    host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(scheme="http" if context is None else "https")
    if context is not None:
        context.sni_callback = receiver.name_asked
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, port, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
