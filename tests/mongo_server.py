"""A server that speaks MongoDB's protocol, for tests: briskdb in a process of its own, FerretDB, or what a URI names.

briskdb is no mongod: it keeps documents in SQLite. What this driver asks and it does not know is taken out on the way
(`Front`): read and write concerns (it has one copy, and every write is on disk before it answers), `backpressure` in
`hello`, and more than a few connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit

from goim.ids import new_id
from goim.resources import bundled
from goim.stores import mongo
from goim.stores.mongo import MongoDatabase, mongo_database
from goim.stores.mongo_migrate import MongoMigrator
from tests import ferret_server
from tests.mongo_wire import command_of, read_message, with_command
from tests.process import ROOT, free_port

PATIENCE = 30.0
COLLECTIONS = ("messages", "changes", "reactions", "conv_deletes", "pending")
_LINKS = 6
_UNKNOWN = ("backpressure", "readConcern", "writeConcern")
_WIRE_VERSION = 13
_BUSY = 112
_PAUSE = 0.01
_WRITES = {"insert", "update", "delete", "createIndexes", "drop"}
"""One after another: it answers "busy" where mongod waits."""

Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class MongoServer:
    """Where a server is, and databases on it."""

    def __init__(self, uri: str, folder: Path | None = None, port: int = 0) -> None:
        self.uri = uri
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._migrated: str | None = None

    def database(self, name: str) -> str:
        """The URI of a database."""
        return urlunsplit(urlsplit(self.uri)._replace(path=f"/{name}"))

    @contextlib.asynccontextmanager
    async def migrated(self) -> AsyncIterator[tuple[str, MongoDatabase]]:
        """A database with its indexes and nothing in it, and its URI: made once, then swept, which is much quicker."""
        if self._migrated is None:
            self._migrated = self.database(f"goim_{new_id()[:16]}")
        async with mongo_database(self._migrated) as database:
            await MongoMigrator(database, bundled("schemas") / "mongodb").up()
            for name in COLLECTIONS:
                await database[name].delete_many({})
            yield self._migrated, database

    @contextlib.asynccontextmanager
    async def empty(self) -> AsyncIterator[tuple[str, MongoDatabase]]:
        """A database with nothing in it, and its URI."""
        uri = self.database(f"goim_{new_id()[:16]}")
        async with mongo_database(uri) as database:
            yield uri, database
            for name in await database.list_collection_names():
                await database[name].drop()

    @property
    def kills(self) -> tuple[Callable[[], None], ...]:
        """The accidents that it can have; `start` makes good for any."""
        return (self.kill, self.kill)

    def start(self) -> None:
        """Return when it answers."""
        assert self._folder is not None
        with (self._folder / "mongo.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.mongo_server", str(self._folder / "brisk"), str(self._port)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == b"ready\n", (self._folder / "mongo.log").read_text()

    def kill(self) -> None:
        """`kill -9`: no chance to finish anything."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


class FerretServer(MongoServer):
    """FerretDB instead of briskdb."""

    def __init__(self, server: ferret_server.FerretDb) -> None:
        super().__init__(server.uri)
        self.kill, self.start = server.kill, server.start  # type: ignore[method-assign] # the same, of another program
        self._kills = server.kills

    @property
    def kills(self) -> tuple[Callable[[], None], ...]:
        return self._kills


@contextlib.contextmanager
def running_mongo(folder: Path) -> Iterator[MongoServer]:
    """A server of one's own, to be killed."""
    if os.environ.get(ferret_server.PROGRAM):
        with ferret_server.running_ferretdb() as ferret:
            yield FerretServer(ferret)
        return
    port = free_port()
    server = MongoServer(f"mongodb://127.0.0.1:{port}", folder, port)
    server.start()
    try:
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def shared_mongo(folder: Path) -> Iterator[MongoServer]:
    """The server that GOIM_TEST_MONGO_URI names, else one of our own."""
    if uri := os.environ.get("GOIM_TEST_MONGO_URI"):
        yield MongoServer(uri)
        return
    if os.environ.get(ferret_server.PROGRAM):
        with running_mongo(folder) as server:
            yield server
        return
    # It is no mongod: on a busy machine a batch takes it longer than mongod may take. Who looks at that says so.
    with running_mongo(folder) as server, patch.dict(mongo._OPTIONS, socketTimeoutMS=100_000):
        yield server


class Front:
    """Passes messages on to briskdb over a few connections, without what it does not know."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._links: asyncio.Queue[Link] = asyncio.Queue()
        self._turn = asyncio.Lock()

    async def serve(self, port: int) -> None:
        for _ in range(_LINKS):
            self._links.put_nowait(await self._link())
        async with await asyncio.start_server(self._client, "127.0.0.1", port) as server:
            print("ready", flush=True)  # noqa: T201 who started us waits for it
            await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                message = _understandable(await read_message(reader))
                if next(iter(command_of(message)), "") in _WRITES:
                    async with self._turn:
                        writer.write(await self._answer(message))
                else:
                    writer.write(await self._answer(message))
                await writer.drain()

    async def _answer(self, message: bytes) -> bytes:
        """What it says; while it says that it is busy, it is asked again, for then it has done nothing."""
        while True:
            answer = await self._ask(message)
            if b"WriteConflict" not in answer or command_of(answer).get("code") != _BUSY:
                return answer
            await asyncio.sleep(_PAUSE)  # noqa: TID251 it does not say when it is free

    async def _ask(self, message: bytes) -> bytes:
        link = await self._links.get()
        try:
            link[1].write(message)
            answer = await read_message(link[0])
        except (asyncio.IncompleteReadError, ConnectionError):  # who asked hears of it, the next has another
            link[1].close()
            link = await self._link()
            raise
        finally:
            self._links.put_nowait(link)
        return _newer(answer) if b"maxWireVersion" in answer else answer

    async def _link(self) -> Link:
        return await asyncio.open_connection("127.0.0.1", self._port)


def _understandable(message: bytes) -> bytes:
    if not any(name.encode() in message for name in _UNKNOWN):
        return message
    return with_command(message, {name: value for name, value in command_of(message).items() if name not in _UNKNOWN})


def _newer(answer: bytes) -> bytes:
    said = command_of(answer)
    return with_command(answer, said | {"maxWireVersion": max(said["maxWireVersion"], _WIRE_VERSION)})


def main(folder: str, port: int) -> None:
    """briskdb in this folder, behind a front on this port, until a signal ends it."""
    import briskdb

    database = briskdb.open(folder, shards=2, documents=True)
    server = database.serve(mongo="127.0.0.1:0")
    assert server.mongo_address is not None
    asyncio.run(Front(int(server.mongo_address.rsplit(":", 1)[1])).serve(port))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
