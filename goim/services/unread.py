"""How much somebody has not read, over all their conversations, and reading it all at once."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from goim.clock import Clock
from goim.errors import ErrorCode, GoimError
from goim.services.lines import Lines
from goim.services.receipts import ReceiptBook

_PAUSE_SECONDS = 0.1


class UnreadSummary(Struct, frozen=True, rename="camel"):
    """Unread messages; those of muted conversations are counted apart."""

    total_unread: int
    muted_unread: int


class AllRead(Struct, frozen=True):
    """How many conversations were read now, and how many could not be."""

    conversations: int
    failed: int


class Mark(Struct, frozen=True):
    """A conversation that is to be read up to its last message."""

    conv_id: str
    seq: int


class Unread:
    """Sums over all conversations of one user."""

    def __init__(
        self, lines: Lines, receipts: ReceiptBook, clock: Clock, *, chunk_size: int, concurrency: int, retry: int
    ) -> None:
        self._lines = lines
        self._receipts = receipts
        self._clock = clock
        self._chunk_size = chunk_size
        self._concurrency = concurrency
        self._retry = retry

    async def summary(self, user_id: str) -> UnreadSummary:
        """What waits for the user."""
        total = muted = 0
        async for lines in self._lines.every(user_id):
            total += sum(line.unread for line in lines if not line.entry.muted)
            muted += sum(line.unread for line in lines if line.entry.muted)
        return UnreadSummary(total, muted)

    async def mark_all_read(self, user_id: str) -> AllRead:
        """Read everything that is there now: in chunks, some at once; what fails is tried again."""
        marks = [
            Mark(line.entry.conv.conv_id, line.last_seq)
            async for lines in self._lines.every(user_id)
            for line in lines
            if line.unread
        ]
        chunks = [marks[start : start + self._chunk_size] for start in range(0, len(marks), self._chunk_size)]
        slots = asyncio.Semaphore(self._concurrency)
        counts = await asyncio.gather(*(self._read_chunk(user_id, chunk, slots) for chunk in chunks))
        return AllRead(sum(count.conversations for count in counts), sum(count.failed for count in counts))

    async def _read_chunk(self, user_id: str, marks: list[Mark], slots: asyncio.Semaphore) -> AllRead:
        done = 0
        async with slots:
            for attempt in range(self._retry + 1):
                if attempt:
                    await self._clock.sleep(_PAUSE_SECONDS * 2**attempt)
                answers = await asyncio.gather(*(self._read(user_id, mark) for mark in marks))
                done += answers.count(None)
                marks = [mark for mark, error in zip(marks, answers, strict=True) if _may_succeed(error)]
                if not marks:
                    break
        return AllRead(done, len(marks))

    async def _read(self, user_id: str, mark: Mark) -> GoimError | None:
        try:
            await self._receipts.mark_read_now(user_id, mark.conv_id, mark.seq)
        except GoimError as error:
            return error
        return None


def _may_succeed(error: GoimError | None) -> bool:
    """A conversation that is not the user's any more has nothing to read; everything else is worth another try."""
    return error is not None and error.code is not ErrorCode.NOT_FOUND
