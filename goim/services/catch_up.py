"""Finds in the log what the bus did not bring: a gap after some milliseconds, everything after an interruption."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog

from goim.batching import parts
from goim.bus.base import Bus, Interruption
from goim.clock import SKEW_MS, Clock
from goim.delivery import Delivery
from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.model.conversations import Conversation, ConvType, of_group
from goim.model.messages import Change, MessageRow, message_of, seq_of_change
from goim.notices import Interrupted, Notices
from goim.ordering import Filled, Missing
from goim.protocol.frames import encode_json, frame_of, framed
from goim.protocol.pushes import MessagePush
from goim.services.access import AccessBook
from goim.services.changes import ChangeDesk
from goim.services.in_flight import InFlight
from goim.services.sessions import SessionDesk
from goim.services.streams import Streams
from goim.services.words import readable
from goim.stores.base import Conversations
from goim.stores.base_log import Changes, MessageTable
from goim.stores.log import Log
from goim.tasks import beside, outlived

GAP_SECONDS = 0.02
"""So long what is missing may still come by itself."""
MOST_AT_ONCE = 200
"""Messages read at once, and of a conversation that begins here with an interruption in all."""
_CONVERSATIONS_AT_ONCE = 500
_REST_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class CatchUp:
    """Fills the lanes of a node from the log, once for all its connections."""

    def __init__(
        self,
        delivery: Delivery,
        notices: Notices,
        bus: Bus,
        log: Log,
        table: MessageTable,
        changes: Changes,
        conversations: Conversations,
        access: AccessBook,
        in_flight: InFlight,
        desk: ChangeDesk,
        streams: Streams,
        sessions: SessionDesk,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._delivery = delivery
        self._lanes = delivery.lanes
        self._notices = notices
        self._table = table
        self._changes = changes
        self._conversations = conversations
        self._access = access
        self._in_flight = in_flight
        self._desk = desk
        self._streams = streams
        self._sessions = sessions
        self._metrics = metrics
        self._clock = clock
        self._gaps = _Pile()
        self._opened = _Pile()
        self._since: int | None = None
        self._wake = asyncio.Event()
        self._lanes.on_seq = log.saw
        log.hears = self._lanes.knows
        self._lanes.on_gap = self._gaps.put
        self._lanes.on_open = self._opened.put
        notices.on(Interrupted, self._interrupted)
        bus.on_interruption(self._alarm)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fill gaps and catch up while the context is open."""
        async with beside(self._close_gaps()), beside(self._look()), beside(self._run()):
            yield

    # a gap

    async def _close_gaps(self) -> None:
        while True:
            await self._gaps.wait()
            await self._clock.sleep(GAP_SECONDS)
            for conv_id in self._gaps.take():
                with outlived("gap_not_closed", conv_id=conv_id):
                    await self._close_or_wait(conv_id)

    async def _close_or_wait(self, conv_id: str) -> None:
        try:
            await self._close_gap(conv_id)
        except StoreDown:
            self._gaps.put(conv_id)
            await self._clock.sleep(_REST_SECONDS)
            raise

    async def _close_gap(self, conv_id: str) -> None:
        while (missing := self._lanes.missing(conv_id)) is not None:
            if missing.last_seq > missing.after_seq:
                await self._read_messages(missing)
            if missing.last_change > missing.after_change:
                await self._read_changes(missing)

    async def _read_messages(self, missing: Missing) -> None:
        limit = min(MOST_AT_ONCE, missing.last_seq - missing.after_seq)
        conv = missing.conv
        rows = await self._table.after(conv.conv_id, missing.after_seq, limit, self._clock.now_ms())
        last = rows[-1].seq if len(rows) == limit else missing.last_seq
        filled = [self._filled(conv, row) for row in rows if row.seq <= missing.last_seq]
        self._metrics.bus_replayed += len(filled)
        self._lanes.fill(conv.conv_id, filled, min(last, missing.last_seq))

    async def _read_changes(self, missing: Missing) -> None:
        limit = min(MOST_AT_ONCE, missing.last_change - missing.after_change)
        conv_id = missing.conv.conv_id
        changes = await self._changes.after(conv_id, missing.after_change, limit)
        last = changes[-1].change if len(changes) == limit else missing.last_change
        told = await readable(self._table, conv_id, changes, self._clock.now_ms())
        filled = [self._filled_change(conv_id, each) for each in told if each.change <= missing.last_change]
        self._metrics.bus_replayed += len(filled)
        self._lanes.fill_changes(conv_id, filled, min(last, missing.last_change))

    def _filled(self, conv: Conversation, row: MessageRow) -> Filled:
        push = MessagePush(self._streams.shown(message_of(conv, row)))
        sender = self._in_flight.sender_of((row.conv_id, row.from_user_id, row.client_msg_id))
        return Filled(row.seq, row.seq, frame_of(push), sender)

    def _filled_change(self, conv_id: str, change: Change) -> Filled:
        envelope = b'{"action":' + encode_json(change.action) + b',"data":' + bytes(change.data) + b"}"
        return Filled(change.change, seq_of_change(change), framed(envelope), self._desk.actor_of(conv_id, change))

    # an interruption

    async def _look(self) -> None:
        """Note the last change of conversations that have just begun here, to know a missed one by it."""
        while True:
            await self._opened.wait()
            await self._clock.sleep(_REST_SECONDS)
            for conv_ids in parts(self._opened.take(), _CONVERSATIONS_AT_ONCE):
                with outlived("last_changes_unknown", conversations=len(conv_ids)):
                    found = await self._changes.last_changes(conv_ids)
                    for conv_id in conv_ids:
                        self._lanes.looked(conv_id, found.get(conv_id, 0))

    def _alarm(self, interruption: Interruption) -> None:
        notice = Interrupted(interruption.since + self._notices.ahead_ms)
        if interruption.is_mutual:
            self._notices.emit(notice)
        else:
            self._notices.tell_here(notice)

    def _interrupted(self, notice: Interrupted) -> None:
        self._since = notice.since if self._since is None else min(self._since, notice.since)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            since, self._since = self._since, None
            if since is not None:
                with outlived("not_caught_up", since=since):
                    await self._catch_up_or_wait(since)
            await self._clock.sleep(_REST_SECONDS)  # many nodes that come back at once are caught up with once

    async def _catch_up_or_wait(self, since: int) -> None:
        try:
            await self.catch_up(since)
        except StoreDown:
            self._interrupted(Interrupted(since))
            raise

    async def catch_up(self, since: int) -> None:
        """Find everything that nodes may have told each other in vain since a time (of the clock in common)."""
        self._delivery.tell_of_devices(since)
        await self._sessions.sweep()
        for users in parts(self._delivery.users(), _CONVERSATIONS_AT_ONCE):
            groups_of = await self._access.groups_of_all(users)
            for user_id in users:
                self._delivery.set_groups(user_id, groups_of.get(user_id, []))
        for begun in parts(self._lanes.all(), _CONVERSATIONS_AT_ONCE):
            await self._compare(begun)
        for silent in parts(await self._silent(since - SKEW_MS), _CONVERSATIONS_AT_ONCE):
            await self._begin(silent, since - SKEW_MS)
        _log.info("caught_up", since=since, conversations=len(self._lanes))

    async def _compare(self, convs: Sequence[Conversation]) -> None:
        """Conversations that were delivered here: whether the log goes further."""
        conv_ids = [conv.conv_id for conv in convs]
        last_seqs = await self._table.last_seqs(conv_ids)
        last_changes = await self._changes.last_changes(conv_ids)
        for conv_id in conv_ids:
            self._lanes.expect(conv_id, last_seqs.get(conv_id, 0), last_changes.get(conv_id, 0))

    async def _silent(self, since: int) -> list[Conversation]:
        """Conversations of those who are here of which nothing was delivered to them, and something may have come."""
        silent = {conv.conv_id: conv for conv in map(of_group, self._delivery.groups())}
        for users in parts(self._delivery.users(), _CONVERSATIONS_AT_ONCE):
            for conv in await self._conversations.active_since(users, since):
                if conv.conv_type is ConvType.C2C:
                    silent[conv.conv_id] = conv
        return [conv for conv_id, conv in silent.items() if not self._lanes.knows(conv_id)]

    async def _begin(self, convs: Sequence[Conversation], since: int) -> None:
        """Begin with the first message of that time; of very many with the last few, and clients see the gap."""
        now = self._clock.now_ms()
        newest = await self._table.newest({conv.conv_id: 0 for conv in convs}, now)
        for conv in convs:
            last = newest.get(conv.conv_id)
            if last is None or last.timestamp < since:
                continue
            rows = await self._table.before(conv.conv_id, None, 0, MOST_AT_ONCE, now)
            first = next((row.seq for row in rows if row.timestamp >= since), last.seq)
            self._lanes.begin(conv, first - 1)
            self._lanes.expect(conv.conv_id, last.seq, 0)


class _Pile:
    """Conversations that wait to be looked at, each once."""

    def __init__(self) -> None:
        self._conv_ids: dict[str, None] = {}
        self._wake = asyncio.Event()

    def put(self, conv_id: str) -> None:
        self._conv_ids[conv_id] = None
        self._wake.set()

    async def wait(self) -> None:
        """Wait until there is one."""
        await self._wake.wait()

    def take(self) -> list[str]:
        """All of them; none is left."""
        taken, self._conv_ids = list(self._conv_ids), {}
        self._wake.clear()
        return taken
