"""As much of a Matrix homeserver as two people in a room need, and what may go wrong with their messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from urllib.parse import unquote

_HEAD = re.compile(rb"^(GET|PUT) (\S+) .*?\r\nAuthorization: Bearer (\S+)", re.DOTALL)
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)")
_ROOM = re.compile(r"/rooms/([^/]+)/send/")


class MatrixStandIn:
    """Everybody is in every room. `fault` befalls the second message, "refuse all" every one."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._sends = 0
        self._news: dict[str, asyncio.Queue[list[tuple[str, object]]]] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                found = _HEAD.match(head)
                assert found
                status, said = await self._answer(found[2].decode(), found[3].decode(), body)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said))

    def end(self) -> None:
        """Nobody waits for news any more."""
        for queue in self._news.values():
            queue.put_nowait([])

    async def _answer(self, path: str, user: str, body: bytes) -> tuple[int, bytes]:
        if (room := _ROOM.search(path)) is not None:
            return self._put(unquote(room[1]), user, json.loads(body))
        events: list[tuple[str, object]] = []
        if "&since=" in path:
            events = await self._news.setdefault(user, asyncio.Queue()).get()
        rooms: dict[str, object] = {}
        for room_id, content in events:
            event = {"type": "m.room.message", "content": content}
            rooms[room_id] = {"timeline": {"events": [event], "limited": False}}
        return 200, json.dumps({"next_batch": "s1", "rooms": {"join": rooms}}).encode()

    def _put(self, room_id: str, user: str, content: object) -> tuple[int, bytes]:
        self._sends += 1
        fault = self._fault if self._sends == 2 else ""
        if fault == "refuse" or self._fault == "refuse all":
            return 429, b"{}"
        for _ in range({"lose": 0, "repeat": 2}.get(fault, 1)):
            for other, queue in self._news.items():
                if other != user:
                    queue.put_nowait([(room_id, content)])
        return 200, b'{"event_id":"$1"}'


@contextlib.asynccontextmanager
async def matrix_stand_in(fault: str) -> AsyncIterator[int]:
    """The port of a running one."""
    stand_in = MatrixStandIn(fault)
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    async with server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            stand_in.end()
