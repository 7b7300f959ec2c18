"""Writes what can be rebuilt from the log a moment later: list order and the senders' own watermarks, coalesced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from goim.clock import Clock
from goim.errors import StoreDown
from goim.events.base import GroupEvent, GroupEvents
from goim.model.conversations import Activity, Conversation, ConvType, Receipt
from goim.stores.base import Conversations, Receipts
from goim.tasks import beside

FLUSH_SECONDS = 0.1
_log = structlog.get_logger(__name__)


class Behind:
    """Remembers the latest of everything derived and writes it every 100 ms, when a list is asked for, and at the
    end."""

    def __init__(self, conversations: Conversations, receipts: Receipts, groups: GroupEvents, clock: Clock) -> None:
        self._conversations = conversations
        self._receipts = receipts
        self._groups = groups
        self._clock = clock
        self._moved: dict[str, tuple[Conversation, str, str, int, int]] = {}
        self._marks: dict[tuple[str, str], tuple[int, int]] = {}
        self._writing = asyncio.Lock()

    def sent(self, conv: Conversation, sender: str, kind: str, seq: int, at: int) -> None:
        """A message was stored: it moves the conversation up in its members' lists and its sender's watermark."""
        self._moved[conv.conv_id] = (conv, sender, kind, seq, at)
        self._marks[conv.conv_id, sender] = (seq, at)

    async def flush(self) -> None:
        """Write everything that waits; when this returns, it is in the store."""
        async with self._writing:
            moved, self._moved = self._moved, {}
            marks, self._marks = self._marks, {}
            try:
                await self._write(moved, marks)
            except BaseException:  # cancelled in the middle, too: writing it twice does no harm
                self._moved = moved | self._moved
                self._marks = marks | self._marks
                raise

    async def _write(
        self,
        moved: dict[str, tuple[Conversation, str, str, int, int]],
        marks: dict[tuple[str, str], tuple[int, int]],
    ) -> None:
        pairs = [_activity(conv, at) for conv, _, _, _, at in moved.values() if conv.conv_type is ConvType.C2C]
        if pairs:
            await self._conversations.bump(pairs)
        groups = [_event(*each) for each in moved.values() if each[0].conv_type is ConvType.GROUP]
        if groups:
            await self._groups.put(groups)
        if marks:
            await self._receipts.advance(
                [
                    Receipt(conv_id=conv_id, user_id=user_id, seq=seq, read_at=at)
                    for (conv_id, user_id), (seq, at) in marks.items()
                ]
            )

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
                _log.warning("derived_data_waits", error=str(error), conversations=len(self._moved))


def _activity(conv: Conversation, at: int) -> Activity:
    return Activity(conv_id=conv.conv_id, user_ids=(conv.user_a, conv.user_b), at=at)


def _event(conv: Conversation, sender: str, kind: str, seq: int, at: int) -> GroupEvent:
    return GroupEvent(group_id=conv.group_id, conv_id=conv.conv_id, from_=sender, type=kind, seq=seq, ts=at)
