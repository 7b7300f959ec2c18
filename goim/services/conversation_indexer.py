"""Keeps the index of words in step with a log whose rows have no numbers: conversation by conversation.

What this node writes is noted and indexed behind it. What others wrote, or was left at a crash, shows when somebody
searches: a conversation's last seq and last change against how far it is indexed.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Collection, Sequence
from itertools import islice

import msgspec
import structlog
from msgspec import Struct

from goim.clock import SKEW_MS, Clock
from goim.errors import StoreDown
from goim.model.messages import MessageRow
from goim.model.search import terms_of
from goim.services.search_indexer import MOST_FOR_A_SEARCH
from goim.stores.base_log import Changes, MessageTable
from goim.stores.base_search import Doc
from goim.stores.base_words import Mark, WordIndex
from goim.tasks import beside, outlived

_AT_ONCE = 128
_CONVERSATIONS_AT_ONCE = 200
_AT_A_TIME = 20
_BEAT_SECONDS = 5.0
_REST = 9.0
"""So many seconds of rest for each of work, when nothing new comes."""
_REST_AT_WORK = 40.0
"""The same while people write: sending has nearly all of a core to itself."""
_MOST_NOTED = 100_000
_TIE_BITS = 22
_log = structlog.get_logger(__name__)


class _Changed(Struct):
    """What the data of every change says."""

    seq: int


_changed_in = msgspec.json.Decoder(_Changed).decode


class ConversationIndexer:
    """Goes on where the index of each conversation ends."""

    def __init__(self, messages: MessageTable, changes: Changes, index: WordIndex, clock: Clock) -> None:
        self._messages = messages
        self._changes = changes
        self._index = index
        self._clock = clock
        self._noted: dict[str, None] = {}
        self._has_news = False
        self._turn = asyncio.Lock()

    def note(self, conv_ids: Collection[str]) -> None:
        """Something was written to these conversations; what is forgotten here is found by who searches."""
        self._has_news = True
        if len(self._noted) < _MOST_NOTED:
            self._noted.update(dict.fromkeys(conv_ids))

    async def forget(self, conv_id: str, seq: int) -> None:
        """Keep nothing of a message that was emptied without a change."""
        await self._index.remove(conv_id, seq)

    async def catch_up(self, conv_ids: Sequence[str]) -> None:
        """Index what is written in these by now, or as much of it as somebody may be kept waiting for."""
        left = MOST_FOR_A_SEARCH
        for start in range(0, len(conv_ids), _CONVERSATIONS_AT_ONCE):
            for conv_id, (mark, end) in (await self._behind(conv_ids[start : start + _CONVERSATIONS_AT_ONCE])).items():
                left -= await self._index_conversation(conv_id, mark, end, left)
                if left <= 0:
                    return

    async def _behind(self, conv_ids: Sequence[str]) -> dict[str, tuple[Mark, Mark]]:
        """Which of these have more than is indexed: how far each is, and where it ends."""
        last = await self._messages.last_seqs(conv_ids)
        changes = await self._changes.last_changes(conv_ids)
        marks = await self._index.marks(conv_ids)
        found = {
            conv_id: (marks.get(conv_id, Mark()), Mark(last[conv_id], changes.get(conv_id, 0)))
            for conv_id in conv_ids
            if conv_id in last
        }
        return {conv_id: (mark, end) for conv_id, (mark, end) in found.items() if not _is_at(end, mark)}

    async def _index_conversation(self, conv_id: str, mark: Mark, end: Mark, most: int) -> int:
        """Index it to its end, or so many messages of it; how many it were."""
        done = 0
        async with self._turn:
            while done < most and not _is_at(end, mark):
                after = await self._step(conv_id, mark)
                if after == mark:
                    break
                done += max(after.seq - mark.seq, 1)
                mark = after
        return done

    async def _step(self, conv_id: str, mark: Mark) -> Mark:
        """Index the next few; where it ends. Read after the mark: who else indexes meanwhile moves it, and wins."""
        changes = await self._changes.after(conv_id, mark.change, _AT_ONCE)
        rows = await self._messages.after(conv_id, mark.seq, _AT_ONCE, 0)
        changed = {seq for change in changes if (seq := _changed_in(change.data).seq) <= mark.seq}
        old = [row for seq in sorted(changed) if (row := await self._messages.get(conv_id, seq)) is not None]
        reached = Mark(rows[-1].seq if rows else mark.seq, changes[-1].change if changes else mark.change)
        if reached == mark:
            return mark
        docs = [_doc(row) for row in (*old, *rows)]
        if await self._index.advance(conv_id, mark, reached, docs):
            await self._forget_emptied([*old, *rows])
            return reached
        return (await self._index.marks([conv_id])).get(conv_id, Mark())

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Index what is noted while the context is open."""
        return beside(self._run())

    async def _run(self) -> None:
        pause = _BEAT_SECONDS
        while True:
            await self._clock.sleep(pause)
            started, self._has_news, is_away = self._clock.monotonic(), False, False
            noted = dict.fromkeys(islice(self._noted, _AT_A_TIME))
            for conv_id in noted:
                del self._noted[conv_id]
            with outlived("search_index_waits"):
                try:
                    await self.catch_up(list(noted))
                except StoreDown:
                    self._noted, is_away = noted | self._noted, True
                    raise
            pause = (self._clock.monotonic() - started) * (_REST_AT_WORK if self._has_news else _REST)
            if not self._noted or is_away:
                pause = max(_BEAT_SECONDS, pause)

    async def _forget_emptied(self, rows: Sequence[MessageRow]) -> None:
        """What expires is emptied without a change: of what has been since it was read here, the words came late."""
        soon = self._clock.now_ms() + SKEW_MS  # for other nodes something may have expired already
        for row in rows:
            if row.expire_at is not None and row.expire_at <= soon:
                now = await self._messages.get(row.conv_id, row.seq)
                if now is not None and now.recalled:
                    await self.forget(row.conv_id, row.seq)


def _is_at(end: Mark, mark: Mark) -> bool:
    """Whether nothing is left between the two."""
    return mark.seq >= end.seq and mark.change >= end.change


def _doc(row: MessageRow) -> Doc:
    return Doc(_number(row), row.conv_id, row.seq, terms_of(row))


def _number(row: MessageRow) -> int:
    """By which hits are ordered: the time, and within a millisecond the seq, each conversation's from somewhere on."""
    return row.timestamp << _TIE_BITS | (zlib.crc32(row.conv_id.encode()) + row.seq) & ((1 << _TIE_BITS) - 1)
