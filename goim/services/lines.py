"""The lines of somebody's conversation list with their numbers, a page of them in a few queries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from goim.clock import LATEST_MS, Clock
from goim.model.conversations import Activity, Entry
from goim.model.messages import MessageRow
from goim.services.behind import Behind
from goim.stores.base import Conversations
from goim.stores.base_log import ConvDeletes, MessageTable
from goim.stores.log import Log

_ALL_AT_ONCE = 500


class Place(NamedTuple):
    """Where a line stands in the list."""

    pinned: bool
    updated_at: Annotated[int, Meta(ge=0, le=LATEST_MS)]  # it comes back as a cursor, from strangers
    conv_id: str


class Line(Struct, frozen=True, kw_only=True):
    """One conversation as one member sees it. `newest` is the last message that is not deleted, expired or burned."""

    entry: Entry
    last_seq: int
    read_seq: int
    unread: int
    newest: MessageRow | None

    @property
    def place(self) -> Place:
        return _place_of(self.entry)


class Lines:
    """Reads lines: what is deleted up to the last message is none, until the next message comes."""

    def __init__(
        self,
        conversations: Conversations,
        deletes: ConvDeletes,
        table: MessageTable,
        log: Log,
        behind: Behind,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._deletes = deletes
        self._table = table
        self._log = log
        self._behind = behind
        self._clock = clock

    async def page(self, user_id: str, before: Place | None, limit: int) -> tuple[list[Line], Place | None]:
        """Pinned lines first, then the latest; and where the next page begins, None at the end."""
        await self._behind.flush_for(user_id)  # first: what was sent a moment ago is in its place
        found: list[_Span] = []
        while True:
            entries = await self._conversations.entries(user_id, before, limit + 1)
            found += await self._visible(user_id, entries)
            if len(found) > limit or len(entries) <= limit:
                break
            before = _place_of(entries[-1])
        spans = found[:limit]
        newest = await self._table.newest({s.entry.conv.conv_id: s.deleted for s in spans}, self._clock.now_ms())
        lines = [_line(user_id, span, newest.get(span.entry.conv.conv_id)) for span in spans]
        return lines, lines[-1].place if len(found) > limit else None

    async def every(self, user_id: str) -> AsyncIterator[list[Line]]:
        """All lines, some hundreds at a time."""
        before: Place | None = None
        while True:
            lines, before = await self.page(user_id, before, _ALL_AT_ONCE)
            yield lines
            if before is None:
                return

    async def hide(self, user_id: str, conv_id: str) -> None:
        """Delete everything up to now for one member; the next message brings the line back."""
        last_seq = (await self._log.last_seqs([conv_id]))[conv_id]
        await self._behind.flush()  # else what is deleted here would put the line back into the list
        now = self._clock.now_ms()
        await self._deletes.put(user_id, conv_id, last_seq, now)
        await self._conversations.set_entry(user_id, conv_id, {"updated_at": 0})
        if (await self._log.last_seqs([conv_id]))[conv_id] > last_seq:  # it came meanwhile and was hidden with the rest
            await self._conversations.bump([Activity(conv_id=conv_id, user_ids=(user_id,), at=now)])

    async def _visible(self, user_id: str, entries: list[Entry]) -> list[_Span]:
        conv_ids = [entry.conv.conv_id for entry in entries]
        last_seqs = await self._log.last_seqs(conv_ids)
        deleted = await self._deletes.of_user(user_id, conv_ids)
        silent = {conv_id for conv_id in deleted if last_seqs[conv_id] <= deleted[conv_id]}
        latest = await self._table.newest(dict.fromkeys(silent, 0), self._clock.now_ms()) if silent else {}
        return [
            _Span(entry, last_seqs[entry.conv.conv_id], deleted.get(entry.conv.conv_id, 0))
            for entry in entries
            if entry.conv.conv_id not in silent or _is_joined_since(entry, latest.get(entry.conv.conv_id))
        ]


class _Span(Struct, frozen=True):
    """From where to where a conversation goes for somebody."""

    entry: Entry
    last_seq: int
    deleted: int


def _is_joined_since(entry: Entry, newest: MessageRow | None) -> bool:
    """Whether a line of which nothing is to be read is there because its group was joined after the last message.

    Else that message, written behind, has put it back into the list after it was deleted.
    """
    return newest is None or entry.updated_at > newest.timestamp


def _line(user_id: str, span: _Span, newest: MessageRow | None) -> Line:
    read_seq, last_seq = span.entry.read_seq, span.last_seq
    if newest is not None:
        last_seq = max(last_seq, newest.seq)  # it may have come after the last seq was read
        if newest.from_user_id == user_id:
            read_seq = max(read_seq, newest.seq)  # who sends has read, even where that is not written yet
    unread = max(0, last_seq - max(read_seq, span.deleted))
    return Line(entry=span.entry, last_seq=last_seq, read_seq=read_seq, unread=unread, newest=newest)


def _place_of(entry: Entry) -> Place:
    return Place(entry.pinned, entry.updated_at, entry.conv.conv_id)
