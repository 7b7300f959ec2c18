"""Writes what can be rebuilt from the log a moment later: list order and the senders' own watermarks, coalesced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from goim.clock import Clock
from goim.errors import StoreDown
from goim.model.conversations import Activity, Conversation, ConvType, Receipt
from goim.stores.base import Conversations, Receipts
from goim.tasks import beside

FLUSH_SECONDS = 0.1
_log = structlog.get_logger(__name__)


class Behind:
    """Remembers the latest of everything derived and writes it every 100 ms, when a list is asked for, and at the end."""

    def __init__(self, conversations: Conversations, receipts: Receipts, clock: Clock) -> None:
        self._conversations = conversations
        self._receipts = receipts
        self._clock = clock
        self._activities: dict[str, Activity] = {}
        self._marks: dict[tuple[str, str], Receipt] = {}
        self._writing = asyncio.Lock()

    def sent(self, conv: Conversation, sender: str, seq: int, at: int) -> None:
        """A message was stored: it moves the conversation up in its members' lists and its sender's watermark."""
        people = (conv.user_a, conv.user_b) if conv.conv_type is ConvType.C2C else ()
        self._activities[conv.conv_id] = Activity(conv_id=conv.conv_id, user_ids=people, at=at)
        self._marks[conv.conv_id, sender] = Receipt(conv_id=conv.conv_id, user_id=sender, seq=seq, read_at=at)

    async def flush(self) -> None:
        """Write everything that waits; when this returns, it is in the store."""
        async with self._writing:
            activities, self._activities = self._activities, {}
            marks, self._marks = self._marks, {}
            try:
                if activities:
                    await self._conversations.bump(list(activities.values()))
                if marks:
                    await self._receipts.advance(list(marks.values()))
            except BaseException:  # cancelled in the middle, too: writing it twice does no harm
                self._activities = activities | self._activities
                self._marks = marks | self._marks
                raise

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Flush every 100 ms while the context is open, and at its end."""
        async with beside(self._run()):
            yield
        await self.flush()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except StoreDown as error:
                _log.warning("derived_data_waits", error=str(error), activities=len(self._activities))
