"""What was said: history page by page, and everything a client has missed (sync)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from msgspec import Struct

from goim.clock import Clock
from goim.errors import GoimError, invalid
from goim.model.conversations import Conversation
from goim.model.messages import Change, Message, MessageRow, Span, message_of, with_reactions
from goim.protocol.replies import ChangeData, SubscribedData, SyncedConv
from goim.protocol.requests import SyncConv
from goim.services.access import AccessBook
from goim.services.streams import Streams
from goim.services.words import readable
from goim.stores.base_log import Changes, ConvDeletes, MessageTable
from goim.stores.log import Log

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
MAX_SYNC_CONVERSATIONS = 200


class Page(Struct, frozen=True, rename="camel"):
    """Messages in ascending seq; `has_more`: there are more in the direction asked for."""

    messages: list[Message]
    has_more: bool


class History:
    """Reads the log for those who may, from where they have deleted it."""

    def __init__(
        self,
        access: AccessBook,
        table: MessageTable,
        changes: Changes,
        deletes: ConvDeletes,
        log: Log,
        streams: Streams,
        clock: Clock,
    ) -> None:
        self._access = access
        self._table = table
        self._changes = changes
        self._deletes = deletes
        self._log = log
        self._streams = streams
        self._clock = clock

    async def after(self, user_id: str, conv_id: str, from_seq: int, limit: int) -> Page:
        """Messages with a greater seq than `from_seq`."""
        conv = (await self._access.of(user_id, conv_id)).conv
        return await self._after(conv, max(from_seq, await self._floor(user_id, conv_id)), _checked(limit))

    async def before(self, user_id: str, conv_id: str, before_seq: int | None, limit: int) -> Page:
        """The newest messages below `before_seq`, or the newest of all."""
        limit = _checked(limit)
        conv = (await self._access.of(user_id, conv_id)).conv
        floor = await self._floor(user_id, conv_id)
        rows = await self._table.before(conv_id, before_seq or None, floor, limit + 1, self._clock.now_ms())
        return Page(await self._shown(conv, rows[-limit:]), len(rows) > limit)

    async def sync(self, user_id: str, convs: Sequence[SyncConv], limit: int | None) -> list[SyncedConv]:
        """What the client misses of each conversation; those that are not the user's are left out."""
        if len(convs) > MAX_SYNC_CONVERSATIONS:
            raise invalid(f"sync at most {MAX_SYNC_CONVERSATIONS} conversations at once")
        limit = _checked(DEFAULT_LIMIT if limit is None else limit)
        mine: dict[str, tuple[SyncConv, Conversation]] = {}
        for wanted in convs:
            with contextlib.suppress(GoimError):
                mine[wanted.conv_id] = (wanted, (await self._access.of(user_id, wanted.conv_id)).conv)
        # The ends are read first: what happens while we read is above them and will be missed next, never skipped.
        last_seqs = await self._log.last_seqs(mine)
        last_changes = await self._changes.last_changes(mine)
        floors = await self._deletes.of_user(user_id, mine)
        return [
            await self._sync_one(
                conv, wanted, limit, last_seqs[conv_id], last_changes.get(conv_id, 0), floors.get(conv_id, 0)
            )
            for conv_id, (wanted, conv) in mine.items()
        ]

    async def state_of_group(self, user_id: str, group_id: str) -> SubscribedData:
        """Where a group's conversation stands."""
        conv = (await self._access.of_group(user_id, group_id)).conv
        last_seq, last_change = await self._ends(conv.conv_id)
        return SubscribedData(group_id, conv.conv_id, last_seq, last_change)

    async def _sync_one(
        self, conv: Conversation, wanted: SyncConv, limit: int, last_seq: int, last_change: int, floor: int
    ) -> SyncedConv:
        """Where nothing is missed, nothing is asked."""
        from_seq, from_change = max(wanted.from_seq or 0, floor), wanted.from_change or 0
        page = await self._after(conv, from_seq, limit) if from_seq < last_seq else Page([], False)
        changes: list[Change] = []
        has_more = False
        if from_change < last_change:
            changes, has_more = await self._changes_after(conv.conv_id, max(from_change, 0), limit, floor)
        return SyncedConv(
            conv_id=conv.conv_id,
            messages=page.messages,
            changes=[ChangeData(each.change, each.action, each.data) for each in changes],
            last_seq=max(last_seq, page.messages[-1].seq if page.messages else 0),
            last_change=max(last_change, changes[-1].change if changes else 0),
            has_more=page.has_more or has_more,
        )

    async def _changes_after(self, conv_id: str, change: int, limit: int, floor: int) -> tuple[list[Change], bool]:
        """The changes above one, and whether there are more."""
        changes = await self._changes.after(conv_id, change, limit + 1)
        shown = await readable(self._table, conv_id, changes[:limit], self._clock.now_ms(), floor)
        return shown, len(changes) > limit

    async def _after(self, conv: Conversation, from_seq: int, limit: int) -> Page:
        rows = await self._table.after(conv.conv_id, max(from_seq, 0), limit + 1, self._clock.now_ms())
        return Page(await self._shown(conv, rows[:limit]), len(rows) > limit)

    async def _shown(self, conv: Conversation, rows: Sequence[MessageRow]) -> list[Message]:
        """The messages of a page with what people put on them."""
        messages = [self._streams.shown(message_of(conv, row)) for row in rows]
        if not messages:
            return messages
        reactions = await self._changes.reactions([Span(conv.conv_id, messages[0].seq, messages[-1].seq)])
        return [with_reactions(message, reactions) for message in messages]

    async def _ends(self, conv_id: str) -> tuple[int, int]:
        last_seq = (await self._log.last_seqs([conv_id]))[conv_id]
        last_change = (await self._changes.last_changes([conv_id])).get(conv_id, 0)
        return last_seq, last_change

    async def _floor(self, user_id: str, conv_id: str) -> int:
        return (await self._deletes.of_user(user_id, [conv_id])).get(conv_id, 0)


def _checked(limit: int) -> int:
    if limit < 1:
        raise invalid("limit is at least 1")
    return min(limit, MAX_LIMIT)
