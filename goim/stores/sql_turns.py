"""Turns at a conversation in a database that several nodes write to: the lock of a row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from goim.stores.engine import SqlEngine

T = TypeVar("T")

# Locks the conversation's row, new or not, until the transaction ends.
TAKE_TURN = "INSERT INTO message_turns (conv_id) VALUES (?) ON CONFLICT (conv_id) DO NOTHING"


class SqlTurns:
    """`Turns` in an SQL database, the one that has the messages."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def hold(self, conv_id: str, work: Callable[[], Awaitable[T]]) -> T:
        async def held() -> T:
            await self._engine.execute(TAKE_TURN, (conv_id,))
            return await work()

        return await self._engine.whole(held)
