"""Puts what happened into the outbox: messages a moment later and many at once, everything else before it is answered.

The log is the truth. A message is acknowledged when it is in the log, and noted here by appending it to a list, which
is written every 100 ms. So that a crash in between loses nothing, each node says every few seconds from when on its
messages may not be in the outbox yet; when a node falls silent, another one (or the same, started again) reads the log
from there on. Events have ids made of what they tell, so that what is there already is not stored again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import structlog
from msgspec import Raw, Struct

from goim.clock import Clock
from goim.errors import StoreDown
from goim.ids import new_id
from goim.model.conversations import Conversation
from goim.model.hooks import Event
from goim.model.messages import Message, message_of
from goim.protocol.frames import encode_json
from goim.stores.base import Conversations
from goim.stores.base_log import MessageTable
from goim.stores.base_outbox import FeedMark, FeedMarks, LogScan, Outbox, Parcel
from goim.tasks import beside, outlived

FLUSH_SECONDS = 0.1
MARK_SECONDS = 3.0
SILENT_SECONDS = 15.0
"""After so long without a word a node counts as crashed. By our own clock: those of two nodes may differ."""
MARGIN_MS = 60_000
"""A commit takes at most so long: what was numbered before that has been told here, or has failed."""
MAX_QUEUED = 100_000
"""So many messages wait in memory while the database is away; more are read from the log when it is back."""
_PAGE = 200
_log = structlog.get_logger(__name__)

Told = tuple[Conversation, Message]


class Packer(Protocol):
    """Makes parcels of what happened, for one kind of receivers."""

    async def of_messages(self, messages: Sequence[Told]) -> list[Parcel]:
        """What is to be sent because of new messages."""
        ...

    async def of_event(self, event: Event) -> list[Parcel]:
        """What is to be sent because something else happened."""
        ...


class EventFeed:
    """Fills the outbox, behind."""

    def __init__(
        self,
        outbox: Outbox,
        marks: FeedMarks,
        scan: LogScan,
        conversations: Conversations,
        table: MessageTable,
        packers: Sequence[Packer],
        clock: Clock,
        *,
        longest_ms: int,
    ) -> None:
        self._outbox = outbox
        self._marks = marks
        self._scan = scan
        self._conversations = conversations
        self._table = table
        self._packers = packers
        self._clock = clock
        self._longest_ms = longest_ms
        self._node_id = new_id()
        self._safe_at = clock.now_ms()
        self._queued: list[Told] = []
        self._resent: list[tuple[Conversation, int]] = []
        self._events: list[Event] = []
        self._overran = False
        self._heard: dict[str, tuple[int, float]] = {}
        self._writing = asyncio.Lock()
        self.wake = asyncio.Event()

    # what happened

    def sent(self, conv: Conversation, message: Message) -> None:
        """A message was stored."""
        if len(self._queued) >= MAX_QUEUED:
            self._queued.clear()
            self._overran = True
        self._queued.append((conv, message))

    def resent(self, conv: Conversation, seq: int) -> None:
        """A message was acknowledged again: the first time it may have been stored and not told."""
        self._resent.append((conv, seq))

    def note(self, event_type: str, data: Struct | Raw, event_id: str | None = None) -> None:
        """Something else happened; whoever did it awaits `noted` before they answer."""
        now = self._clock.now_ms()
        self._events.append(Event(event_id or f"{event_type}_{new_id()}", event_type, now, Raw(encode_json(data))))

    async def noted(self) -> None:
        """What was noted is in the outbox when this returns, unless the database is away: then soon."""
        try:
            await self.flush()
        except StoreDown as error:
            _log.warning("events_wait", error=str(error), events=len(self._events))

    # written behind

    async def flush(self) -> None:
        """Put everything that waits into the outbox."""
        async with self._writing:
            started = self._clock.now_ms()
            queued, self._queued = self._queued, []
            resent, self._resent = self._resent, []
            events, self._events = self._events, []
            try:
                if queued or resent or events:
                    await self._put_what_can_be(queued + await self._read(resent), events)
                if self._overran:
                    self._overran = False  # first: more may run over while the log is read
                    await self._reread()
            except BaseException:  # cancelled in the middle, too: putting it twice stores it once
                self._queued = queued + self._queued
                self._resent = resent + self._resent
                self._events = events + self._events
                raise
            self._safe_at = max(self._safe_at, started - MARGIN_MS)

    async def _reread(self) -> None:
        """Read from the log what had no room here."""
        try:
            await self._from_log(self._safe_at)
        except BaseException:
            self._overran = True
            raise

    async def _put_what_can_be(self, messages: Sequence[Told], events: Sequence[Event]) -> None:
        """One that cannot be packed must not keep the others waiting for ever: then each goes by itself."""
        try:
            return await self._put(messages, events)
        except StoreDown:
            raise
        except Exception:  # noqa: BLE001 whatever it is, it is found and logged below
            parts: list[tuple[list[Told], list[Event]]] = [([told], []) for told in messages]
            parts += [([], [event]) for event in events]
        for told, happened in parts:
            try:
                await self._put(told, happened)
            except StoreDown:
                raise
            except Exception:  # noqa: BLE001
                what = told[0][1].server_msg_id if told else happened[0].event_id
                _log.exception("event_lost", what=what)
        return None

    async def _put(self, messages: Sequence[Told], events: Sequence[Event]) -> None:
        parcels: list[Parcel] = []
        for packer in self._packers:
            if messages:
                parcels += await packer.of_messages(messages)
            for event in events:
                parcels += await packer.of_event(event)
        if parcels:
            await self._outbox.put(parcels)
            self.wake.set()

    async def _read(self, places: Sequence[tuple[Conversation, int]]) -> list[Told]:
        found = [(conv, await self._table.get(conv.conv_id, seq)) for conv, seq in places]
        return [(conv, message_of(conv, row)) for conv, row in found if row is not None]

    # after a crash

    async def catch_up(self) -> bool:
        """Put into the outbox what a crashed node did not; False if there is none."""
        now = self._clock.now_ms()
        for mark in self._silent(await self._marks.all()):
            if await self._marks.take(mark, max(now, mark.seen_at + 1)):
                found = await self._from_log(max(mark.safe_at, now - self._longest_ms), mark)
                await self._marks.remove(mark.node_id)
                _log.info("events_caught_up", messages=found)
                return True
        return False

    def _silent(self, marks: Sequence[FeedMark]) -> list[FeedMark]:
        """The marks of other nodes that have not changed for a while, as far as we have looked."""
        now = self._clock.monotonic()
        before = self._heard
        self._heard = {mark.node_id: (mark.seen_at, now) for mark in marks if mark.node_id != self._node_id}
        self._heard |= {
            node_id: before[node_id]
            for node_id, (seen_at, _) in self._heard.items()
            if node_id in before and before[node_id][0] == seen_at
        }
        silent = {node_id for node_id, (_, since) in self._heard.items() if now - since >= SILENT_SECONDS}
        return [mark for mark in marks if mark.node_id in silent]

    async def _from_log(self, since: int, mark: FeedMark | None = None) -> int:
        """Put the messages of the log from a time on; while it lasts the crashed node counts as taken care of."""
        place, found = ("", 0), 0
        while rows := await self._scan.since(since, place, _PAGE):
            place = (rows[-1].conv_id, rows[-1].seq)
            found += len(rows)
            known = {conv_id: await self._conversations.get(conv_id) for conv_id in {row.conv_id for row in rows}}
            await self._put([(conv, message_of(conv, row)) for row in rows if (conv := known[row.conv_id])], [])
            if mark is not None:
                await self._marks.put(mark._replace(seen_at=max(mark.seen_at + 1, self._clock.now_ms())))
        return found

    # running

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write every 100 ms while the context is open, and at its end; from before the first message on a crash
        would be noticed."""
        await self._mark()
        async with beside(self._run()):
            yield
        await self.flush()
        await self._marks.remove(self._node_id)

    async def _mark(self) -> None:
        await self._marks.put(FeedMark(self._node_id, self._safe_at, self._clock.now_ms()))

    async def _run(self) -> None:
        marked = self._clock.monotonic()
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            with outlived("events_wait", messages=len(self._queued)):  # what waits is kept
                await self.flush()
                if self._clock.monotonic() - marked >= MARK_SECONDS:
                    await self._mark()
                    marked = self._clock.monotonic()

    def watching(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Look after crashed nodes while the context is open, at once and then every few seconds."""
        return beside(self._watch())

    async def _watch(self) -> None:
        while True:
            with outlived("events_not_caught_up"):  # the mark stays
                while await self.catch_up():
                    pass
            await self._clock.sleep(MARK_SECONDS)
