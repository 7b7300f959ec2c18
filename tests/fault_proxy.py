"""A proxy between a node and what it depends on that behaves as networks do on their worse days."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class FaultProxy:
    """Passes bytes on to `target`, unless told to do something worse."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = 0
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_refusing = False
        self._carrying: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FaultProxy]:
        """Listen on a free port while the context is open."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            if self._carrying:
                await asyncio.wait(self._carrying)
            await server.wait_closed()

    def cut(self) -> None:
        """Reset every connection there is; new ones are let through."""
        self._flowing.set()
        for writer in list(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        """Cut, and let nobody through until `restore`."""
        self._is_refusing = True
        self.cut()

    def stall(self) -> None:
        """Connections stand and are accepted, and nothing moves on them: what a half-open connection looks like."""
        self._flowing.clear()

    def restore(self) -> None:
        """Be well again; what was stalled goes on."""
        self._is_refusing = False
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        me = asyncio.current_task()
        assert me is not None
        self._carrying.add(me)
        self._writers.add(writer)
        try:
            if self._is_refusing:
                return writer.transport.abort()
            there, back = await asyncio.open_connection(*self.target)
            self._writers.add(back)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pass(reader, back))
                    tasks.create_task(self._pass(there, writer))
            finally:
                self._writers.discard(back)
                await _gone(back)
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._carrying.discard(me)
            self._writers.discard(writer)
            await _gone(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


async def _gone(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
