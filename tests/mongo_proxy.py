"""A proxy before a MongoDB server that has accidents: it cuts or holds up the connection of one command."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from tests.mongo_wire import answer_to, command_of, read_message

_TAKEN = {"ok": 1.0, "n": 0, "nModified": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": "E11000"}]}
_NOT_PRIMARY = {"ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary"}
_TOO_FEW = {
    "code": 64,
    "codeName": "WriteConcernTimeout",
    "errmsg": "waiting for replication timed out",
    "errInfo": {"wtimeout": True},
}


class How(StrEnum):
    """What happens: nothing arrives; it is done and nobody told; it waits for `release`; it waits for that and is then
    refused, as an upsert is that found nothing and came second; the server says that it is primary no more; it is done,
    and too few others of its replica set have it in time."""

    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    HOLD = "hold"
    TAKEN = "taken"
    NOT_PRIMARY = "not primary"
    TOO_FEW = "too few"


_INSTEAD: dict[How | None, dict[str, Any]] = {How.TAKEN: _TAKEN, How.NOT_PRIMARY: _NOT_PRIMARY}
"""What is answered where the server does not get to hear of it."""


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
                    if how in {How.HOLD, How.TAKEN}:
                        self.is_holding.set()
                        await self.release.wait()
                    if how in _INSTEAD:
                        writer.write(answer_to(message, _INSTEAD[how]))
                        continue
                    server_writer.write(message)
                    answer = await read_message(server_reader)
                    if how is How.CUT_AFTER:
                        return
                    if how is How.TOO_FEW:
                        answer = answer_to(message, command_of(answer) | {"writeConcernError": _TOO_FEW})
                    writer.write(answer)

    def _next(self, message: bytes) -> How | None:
        if not self.accidents:
            return None
        how, command, collection = self.accidents[0]
        if command_of(message).get(command) != collection:
            return None
        self.accidents.popleft()
        return how
