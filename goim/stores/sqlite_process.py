"""A SQLite engine whose writes are done by a process of its own, so that the event loop and the writer share no GIL.

Beside a busy loop a writer thread waits for the GIL longer than for the disk. See `docs/design/storage.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec

import goim
from goim.errors import StoreDown
from goim.stores.base import Taken
from goim.stores.engine import Args, Row
from goim.stores.sqlite import SqliteEngine, is_read
from goim.stores.sqlite_worker import Statement
from goim.stores.sqlite_writer import Answer, Order, framed

_SOCKET_BYTES = 1 << 20
_END_SECONDS = 10.0
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


class WriterFailed(Exception):
    """The writer was asked for something that is a mistake of ours."""


class _Link(asyncio.Protocol):
    """Our end of the socket: answers come in the order of the orders."""

    def __init__(self) -> None:
        self.is_open = True
        self._buffer = b""
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._transport: asyncio.Transport
        self.ready = self._expect()  # comes unasked, perhaps before anybody could wait for it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def _expect(self) -> asyncio.Future[Answer]:
        """The next answer that nobody waits for yet."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        return answer

    def order(self, order: Order) -> asyncio.Future[Answer]:
        """Send an order."""
        self._transport.write(framed(order))
        return self._expect()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        at = 0
        while len(buffer) - at >= 4 and len(buffer) >= (end := at + 4 + int.from_bytes(buffer[at : at + 4], "big")):
            answer = self._waiting.popleft()
            if not answer.done():  # else who asked was cancelled
                answer.set_result(_decode_answer(buffer[at + 4 : end]))
            at = end
        self._buffer = buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 an end is an end
        self.is_open = False
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(StoreDown("the SQLite writer has ended"))

    def close(self) -> None:
        self._transport.close()


class SqliteProcessEngine(SqliteEngine):
    """`SqliteEngine` with the writes of `insert_rows` and `execute…` in a process of their own.

    Should that process die, what it was at is `StoreDown`, and the next write starts a new one. `transaction()` and
    what is in it stay on the thread: they are for migrations, before the first write.
    """

    def __init__(self, path: str | Path, *, page_size: int = 4096, readers: int = 2) -> None:
        super().__init__(path, page_size=page_size, readers=readers)
        self._file = str(path)
        self._pages = page_size
        self._link: _Link | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def insert_rows(self, into: str, rows: Sequence[Row]) -> None:
        await self._order(("insert", into, list(rows)))

    async def execute(self, sql: str, args: Args = ()) -> int:
        if self.open_transaction() or is_read(sql):
            return await super().execute(sql, args)
        return int((await self._order(("execute", sql, list(args))))[1])

    async def execute_many(self, sql: str, each: Sequence[Args]) -> int:
        if self.open_transaction():
            return await super().execute_many(sql, each)
        return int((await self._order(("many", sql, [list(args) for args in each])))[1]) if each else 0

    async def execute_all(self, statements: Sequence[Statement]) -> bool:
        if self.open_transaction():
            return await super().execute_all(statements)
        order: Order = ("statements", None, [(sql, list(args)) for sql, args in statements])
        return (await self._order(order))[0] == "done"

    async def close(self) -> None:
        await self._end_writer()
        await super().close()

    async def _order(self, order: Order) -> Answer:
        link = self._link
        if link is None or not link.is_open:
            link = await self._start_writer()
        kind, what = answer = await link.order(order)
        if kind == "taken":
            raise Taken(what)
        if kind == "down":
            raise StoreDown(what)
        if kind == "failed":
            raise WriterFailed(what)
        return answer

    async def _start_writer(self) -> _Link:
        async with self._starting:
            if self._link is None or not self._link.is_open:
                await self._end_writer()
                self._link = await self._spawn()
            return self._link

    async def _spawn(self) -> _Link:
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            ours.setblocking(False)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "goim.stores.sqlite_writer",
                str(theirs.fileno()),
                self._file,
                str(self._pages),
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": _import_path()},
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the node
            )
        _, link = await asyncio.get_running_loop().create_connection(_Link, sock=ours)
        await link.ready  # it has opened the file
        return link

    async def _end_writer(self) -> None:
        """Close its socket and wait: it finishes what it is at."""
        process, self._process = self._process, None
        link, self._link = self._link, None
        if link is not None:
            link.close()
        if process is None:
            return
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _import_path() -> str:
    """Where the process finds the package that this one runs."""
    package = str(Path(goim.__file__).parents[1])
    return os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
