"""A stand-in for goim that keeps the contract of `send`, or breaks it in one chosen way every fifth time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve

_EVERY = 5
_LONGEST_HOLD = 0.1
_PAUSE = 0.1


class StandIn:
    """Tokens are user ids; a message goes to its `to`, or, in a group, to everybody else."""

    def __init__(self, fault: str | None = None) -> None:
        self._fault = fault
        self._users: dict[str, ServerConnection] = {}
        self._pairs: dict[str, str] = {}
        self._seqs: Counter[str] = Counter()
        self._sends = 0
        self._held: str | None = None

    async def serve(self, connection: ServerConnection) -> None:
        """One connection until its end."""
        assert connection.request
        user = connection.request.headers["Authorization"].removeprefix("Bearer ")
        self._users[user] = connection
        async for text in connection:
            await self._send(user, connection, json.loads(text))

    async def _send(self, user: str, connection: ServerConnection, request: dict[str, Any]) -> None:
        self._sends += 1
        fault = self._fault if self._sends % _EVERY == 0 else None
        data = request["data"]
        conv_id = data.get("convId") or ("group" if data["convType"] == "group" else f"{user}+{data['to']}")
        if fault == "refuse":
            error = {"code": "UNAVAILABLE", "message": "not now", "action": "send"}
            await connection.send(json.dumps({"action": "error", "id": request["id"], "data": error}))
            return
        if self._fault == "limit" and self._sends > 1:
            error = {"code": "RATE_LIMIT", "message": "slower", "action": "send"}
            await connection.send(json.dumps({"action": "error", "id": request["id"], "data": error}))
            return
        if fault == "pause":
            await asyncio.sleep(_PAUSE)  # noqa: TID251 it is a slow server
        if fault == "hang up":
            await connection.close(1011)
            return
        self._seqs[conv_id] += 2 if fault == "skip" else 1
        message = {
            "clientMsgId": data["clientMsgId"],
            "serverMsgId": f"m-{self._seqs[conv_id]}",
            "convId": conv_id,
            "seq": self._seqs[conv_id],
            "timestamp": 1766000000000,
        }
        if fault != "mute":
            await connection.send(
                json.dumps({"action": "ack", "id": request["id"], "data": message}, separators=(",", ":"))
            )
        if self._fault == "late":
            await asyncio.sleep(_PAUSE * 5)  # noqa: TID251 it is a server that stands still
        message |= {"payload": {"text": "?"} if fault == "alter" else data["payload"], "recalled": False}
        message["seq"] += 1000 if fault == "lie" else 0
        push = json.dumps({"action": "message", "data": message}, separators=(",", ":"))
        await self._push(self._others(user, conv_id), push, fault)
        if fault == "echo":
            await connection.send(push)

    def _others(self, user: str, conv_id: str) -> list[ServerConnection]:
        if conv_id == "group":
            return [connection for name, connection in self._users.items() if name != user]
        return [self._users[conv_id.partition("+")[2]]]

    async def _push(self, others: list[ServerConnection], push: str, fault: str | None) -> None:
        pushes = [push, *([self._held] if self._held else []), *([push] if fault == "repeat" else [])]
        self._held = None
        if fault == "swap":
            self._held = push
            asyncio.get_running_loop().call_later(_LONGEST_HOLD, self._let_go, others, push)
        for other in others if fault not in ("lose", "swap") else []:
            for one in pushes:
                await other.send(one)

    def _let_go(self, others: list[ServerConnection], push: str) -> None:
        """No later message came to change places with: it was the last, and is not to be lost."""
        if self._held == push:
            self._held = None
            broadcast(others, push)


@contextlib.asynccontextmanager
async def stand_in(fault: str | None = None) -> AsyncIterator[int]:
    """The port of a running one."""
    server: Server = await serve(StandIn(fault).serve, "127.0.0.1", 0)
    async with server:
        yield next(iter(server.sockets)).getsockname()[1]
