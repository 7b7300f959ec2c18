"""A proxy before a MongoDB server that has accidents: it cuts or holds up the connection of one command."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from tests.mongo_wire import command_of, read_message


class How(StrEnum):
    """What happens: nothing arrives; it is done and nobody told; it waits for `release`."""

    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    HOLD = "hold"


class Accident(NamedTuple):
    """What happens to the next command of a kind on a collection."""

    how: How
    command: str
    collection: str


class MongoProxy:
    """Passes messages on, until it comes to the next accident."""

    def __init__(self, uri: str) -> None:
        where = urlsplit(uri)
        self._server = (where.hostname or "", where.port or 27017)
        self._path = where.path
        self.accidents: deque[Accident] = deque()
        self.is_holding = asyncio.Event()
        self.release = asyncio.Event()
        self.uri = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[MongoProxy]:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.uri = urlunsplit(("mongodb", f"127.0.0.1:{port}", self._path, "", ""))
        try:
            yield self
        finally:
            server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            server_reader, server_writer = await asyncio.open_connection(*self._server)
            with contextlib.closing(server_writer):
                while True:
                    message = await read_message(reader)
                    how = self._next(message)
                    if how is How.CUT_BEFORE:
                        return
                    if how is How.HOLD:
                        self.is_holding.set()
                        await self.release.wait()
                    server_writer.write(message)
                    answer = await read_message(server_reader)
                    if how is How.CUT_AFTER:
                        return
                    writer.write(answer)

    def _next(self, message: bytes) -> How | None:
        if not self.accidents:
            return None
        how, command, collection = self.accidents[0]
        if command_of(message).get(command) != collection:
            return None
        self.accidents.popleft()
        return how
