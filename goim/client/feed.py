"""What is shown: messages and changes in order and once, with what was missed asked for before later ones are shown."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable

import msgspec
from msgspec import Raw, Struct

from goim.client.answers import Conversation, Conversations, History, Message, Synced, SyncedConv
from goim.client.cursors import Cursor, Cursors
from goim.client.errors import SessionOver, Strange, Unreachable
from goim.client.events import Changed, Connected, Disconnected, Event, MessagePush, StreamText, event_of
from goim.client.http import Http
from goim.client.link import Envelope, Link
from goim.client.login import Login
from goim.client.progress import Count, Progress
from goim.clock import Clock
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import ConvType
from goim.protocol.pushes import GroupCreated, StreamChunkPush, StreamEnd

_GROUP = "group:"
_LARGEST = 10_000
_REMEMBERED = 10_000
_AT_ONCE = 100
_PAUSE = 0.5
_GAP_SECONDS = 0.5
_SAVED_EVERY = 256
_PASSING = (ErrorCode.UNAVAILABLE, ErrorCode.RATE_LIMIT, ErrorCode.UNAUTHORIZED)  # of the last the link hears, too


class _Own(Struct, frozen=True, rename="camel"):
    """As much of an answer as says what an act of this client has taken the number of."""

    conv_id: str = ""
    seq: int | None = None
    change: int | None = None
    stream_id: str | None = None


class _Over(Struct, frozen=True):
    """Nothing more comes."""


_Item = Envelope | Connected | Disconnected | _Over


class Feed:
    """Everything that came over the link, waiting to be shown. More than it can hold is dropped and, as far as the
    server keeps it, asked for again."""

    def __init__(self, link: Link, http: Http, login: Login, cursors: Cursors, clock: Clock) -> None:
        self._link = link
        self._http = http
        self._login = login
        self._store = cursors
        self._clock = clock
        self._items: asyncio.Queue[_Item] = asyncio.Queue()
        self._shown: dict[str, Progress] = {}
        self._streams: dict[str, tuple[str, int, int]] = {}  # conversation, seq and last index of those that go on
        self._mine: dict[str, None] = {}
        self._gaps: dict[str, float] = {}  # conversations in which our own act left a gap, and until when that may be
        self._own_streams: dict[str, str] = {}
        self._met: set[str] = set()  # groups met on this connection: how far their changes are, the first pushed says
        self._owed: dict[str, None] = {}  # conversations of which not all that was missed is shown yet
        self._is_behind = False
        self._is_listing = False
        self._is_first = True
        self._unsaved = 0
        link.take = self._put
        link.turned = self._turned

    async def begin(self) -> None:
        """Go on from where the cursors stand; on the very first run, what was said so far does not count as missed."""
        kept = self._store.load()
        if kept is None:
            lines = await self._conversations()
            self._shown = {line.conv_id: Progress(line.last_seq, line.last_change) for line in lines}
            self.save()
        else:
            self._shown = {conv_id: Progress(each.seq, each.change) for conv_id, each in kept.items()}

    def save(self) -> None:
        self._unsaved = 0
        self._store.save({c: Cursor(shown.messages.upto, shown.changes.upto) for c, shown in self._shown.items()})

    def own(self, client_msg_id: str) -> None:
        """A message under this id is ours: its ack tells of it, so it is not shown."""
        self._mine[client_msg_id] = None
        if len(self._mine) > _REMEMBERED:
            del self._mine[next(iter(self._mine))]

    def shown_upto(self, conv_id: str) -> int:
        """The last seq of a conversation before which nothing is missing."""
        shown = self._shown.get(conv_id)
        return shown.messages.upto if shown else 0

    def end(self) -> None:
        """Let whoever waits for events know that none will come."""
        self._items.put_nowait(_Over())

    # what comes in

    def _put(self, envelope: Envelope) -> None:
        if self._items.qsize() < _LARGEST:
            self._items.put_nowait(envelope)
        else:
            self._is_behind = True

    def _turned(self, is_up: bool) -> None:  # noqa: FBT001 a state, not a mode
        if self._link.over is not None:
            self.end()
        elif is_up:
            self._items.put_nowait(Connected(is_first=self._is_first))
            self._is_first = False
        else:
            self._items.put_nowait(Disconnected())

    # what goes out

    async def events(self) -> AsyncIterator[Event]:
        """Everything in order, until the client is closed; `SessionOver` if the server has ended it for good.

        What was yielded counts as shown when the next one is asked for.
        """
        try:
            async for event in self._events():
                yield event
        except SessionOver:
            if self._link.over is not None:
                raise  # else the client was closed while something was asked for

    async def _events(self) -> AsyncIterator[Event]:
        while True:
            if self._items.empty() or self._unsaved >= _SAVED_EVERY:
                self._save_if_needed()
            is_due = self._is_behind or self._is_listing  # the one before may have left off in the middle
            if is_due and self._items.empty() and self._link.is_up:
                async for event in self._missed():
                    yield event
            async for event in self._catch_up(self._gaps_due()):
                yield event
            item = await self._next()
            if item is None:
                continue
            if isinstance(item, _Over):
                self.end()  # for whoever asks next
                if self._link.over is not None:
                    raise self._link.over
                return
            async for event in self._events_of(item):
                self._unsaved += 1
                yield event

    async def _next(self) -> _Item | None:
        """What came next; None if nothing came and a gap may be due."""
        if not self._gaps:
            return await self._items.get()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GAP_SECONDS):
                return await self._items.get()
        return None

    def _gaps_due(self) -> list[str]:
        """Where something is missing below a message of our own, and has not come by itself: a server that had heard
        nothing of the conversation before does not know that it owes us that."""
        if not self._gaps or not self._link.is_up:
            return []
        now = self._clock.monotonic()
        due = [conv_id for conv_id, at in self._gaps.items() if at <= now]
        for conv_id in due:
            del self._gaps[conv_id]
        return [conv_id for conv_id in due if self._shown[conv_id].messages.is_torn]

    def _save_if_needed(self) -> None:
        if self._unsaved:
            self.save()

    async def _events_of(self, item: Envelope | Connected | Disconnected) -> AsyncIterator[Event]:
        if isinstance(item, Envelope):
            if item.id is not None:
                self._count_own(item)
                return
            events = self._of_push(event_of(item.action, item.data))
        else:
            yield item
            if isinstance(item, Disconnected):
                return
            events = self._missed()
        async for event in events:
            yield event

    def _count_own(self, envelope: Envelope) -> None:
        """What this connection did is not pushed to it: its answer stands in the place of the push."""
        if envelope.action not in ("ack", "stream_started", "stream_ended"):
            return
        own = msgspec.json.decode(envelope.data, type=_Own)
        if own.stream_id is not None and own.conv_id:
            self._own_streams[own.stream_id] = own.conv_id
        conv_id = own.conv_id or self._own_streams.pop(own.stream_id or "", "")
        self._unsaved += 1
        if own.seq is not None:
            is_new_pair = conv_id not in self._shown and not conv_id.startswith(_GROUP)
            messages = self._progress(conv_id, 0 if is_new_pair else own.seq - 1).messages
            messages.add(own.seq)
            if messages.leaves_gap(own.seq):
                self._gaps.setdefault(conv_id, self._clock.monotonic() + _GAP_SECONDS)
        elif own.change is not None and conv_id:
            self._changes(conv_id, own.change).add(own.change)

    def _progress(self, conv_id: str, upto: int) -> Progress:
        """How far we are in a conversation; in one not met before everything `upto` here counts as shown."""
        if conv_id not in self._shown:
            self._shown[conv_id] = Progress(upto)
            if upto:
                self._met.add(conv_id)
        return self._shown[conv_id]

    def _changes(self, conv_id: str, coming: int) -> Count:
        """Those of a conversation; in a group that one came to late they begin with the one that is `coming`."""
        changes = self._progress(conv_id, 0).changes
        if conv_id in self._met:
            self._met.discard(conv_id)
            changes.skip_to(coming - 1)
        return changes

    async def _of_push(self, event: Event) -> AsyncIterator[Event]:
        if isinstance(event, MessagePush):
            events = self._of_message(event.data)
        elif isinstance(event, Changed):
            events = self._of_change(event)
        elif isinstance(event, StreamChunkPush):
            events = self._of_chunk(event)
        else:
            if isinstance(event, GroupCreated) and event.data.conv_id:
                self._progress(event.data.conv_id, 0)  # nothing was said before
            yield event
            return
        async for each in events:
            yield each

    async def _of_message(self, message: Message) -> AsyncIterator[Event]:
        before = 0 if message.conv_type is ConvType.C2C else message.seq - 1
        messages = self._progress(message.conv_id, before).messages
        if messages.has(message.seq):
            return
        if messages.leaves_gap(message.seq):
            async for event in self._catch_up([message.conv_id]):
                yield event
        else:
            messages.add(message.seq)
            for event in self._shows(message):
                yield event

    def _shows(self, message: Message) -> Iterable[Event]:
        if message.stream_status == "streaming":
            self._streams[message.server_msg_id] = (message.conv_id, message.seq, message.stream_index or 0)
        if message.from_ != self._login.user_id or message.client_msg_id not in self._mine:
            yield MessagePush(message)

    async def _of_change(self, event: Changed) -> AsyncIterator[Event]:
        data = event.data
        if data.conv_id not in self._shown:
            if data.conv_id.startswith(_GROUP):  # how far we are there, the first message says
                yield self._told(event)
                return
            self._progress(data.conv_id, 0)
            async for missed in self._catch_up([data.conv_id]):  # what was said first comes first
                yield missed
        changes = self._changes(data.conv_id, data.change)
        if changes.has(data.change):
            return
        if changes.leaves_gap(data.change):
            async for missed in self._catch_up([data.conv_id]):
                yield missed
        else:
            changes.add(data.change)
            yield self._told(event)

    def _told(self, event: Changed) -> Event:
        if isinstance(event, StreamEnd):
            self._streams.pop(event.data.stream_id, None)
        return event

    async def _of_chunk(self, event: StreamChunkPush) -> AsyncIterator[Event]:
        data = event.data
        is_known = data.stream_id in self._streams  # else it began before we did, or has ended before this was shown
        conv_id, seq, index = self._streams.get(data.stream_id, (data.conv_id, data.seq, 0))
        if data.index <= index:
            return
        if data.index > index + 1 or not is_known:
            async for missed in self._text_of(data.stream_id, conv_id, seq, index):
                yield missed
        else:
            self._streams[data.stream_id] = (conv_id, seq, data.index)
            yield event

    # what was missed

    async def _text_of(self, stream_id: str, conv_id: str, seq: int, index: int) -> AsyncIterator[Event]:
        """The text of a stream of which chunks were missed; nothing if they were not."""
        try:
            found = await self._http.get("/api/messages/history", History, convId=conv_id, fromSeq=seq - 1, limit=1)
        except (Unreachable, GoimError):
            return  # the next chunk leaves a gap, too, and the end brings all of it
        for message in found.messages:
            is_it = message.server_msg_id == stream_id and message.stream_status == "streaming"
            if is_it and (message.stream_index or 0) > index:
                self._streams[stream_id] = (conv_id, seq, message.stream_index or 0)
                yield StreamText(message)

    async def _missed(self) -> AsyncIterator[Event]:
        """What happened while there was no connection, wherever it did."""
        self._is_behind, self._is_listing = False, True
        self._met.clear()
        try:
            lines = await self._conversations()
        except (Unreachable, GoimError) as error:
            if isinstance(error, Strange) or (isinstance(error, GoimError) and error.code not in _PASSING):
                raise
            self._is_behind = True  # asked again when there is nothing else to show
            await self._clock.sleep(_PAUSE)
            return
        behind: list[str] = []
        for line in lines:
            shown = self._shown.get(line.conv_id)
            if shown is None:
                # A pair that was not there is new from its first message; into a group one may have come late.
                is_pair = line.conv_type is ConvType.C2C
                shown = self._progress(line.conv_id, 0 if is_pair else line.read_seq)
                if not is_pair:
                    shown.changes.skip_to(line.last_change)
            if not shown.is_at(line.last_seq, line.last_change):
                behind.append(line.conv_id)
        self._owed.update(dict.fromkeys(behind))
        self._is_listing = False
        async for event in self._catch_up():
            yield event
        for stream_id, (conv_id, seq, index) in list(self._streams.items()):
            async for event in self._text_of(stream_id, conv_id, seq, index):
                yield event

    async def _conversations(self) -> list[Conversation]:
        """All of them."""
        found: list[Conversation] = []
        cursor: str | None = None
        while True:
            page = await self._http.get("/api/conversations", Conversations, limit=200, cursor=cursor)
            found += page.conversations
            cursor = page.next_cursor
            if not cursor:
                return found

    async def _catch_up(self, conv_ids: Iterable[str] = ()) -> AsyncIterator[Event]:
        """What was missed in these, and in those where a reader left off in the middle of it."""
        self._owed.update(dict.fromkeys(conv_ids))
        while self._owed:
            asked = list(itertools.islice(self._owed, _AT_ONCE))
            places = [(conv_id, self._shown[conv_id]) for conv_id in asked]
            convs = [{"convId": c, "fromSeq": p.messages.upto, "fromChange": p.changes.upto} for c, p in places]
            synced = await self._link.ask("sync", {"convs": convs, "limit": 200}, Synced)
            for conv in synced.convs:
                for event in self._of_synced(conv):
                    yield event
            goes_on = {conv.conv_id for conv in synced.convs if conv.has_more and (conv.messages or conv.changes)}
            for conv_id in asked:
                if conv_id not in goes_on:
                    self._owed.pop(conv_id, None)

    def _of_synced(self, conv: SyncedConv) -> Iterable[Event]:
        shown = self._shown[conv.conv_id]
        for message in conv.messages:
            if not shown.messages.has(message.seq):
                shown.messages.skip_to(message.seq)  # what is missing below it has expired
                yield from self._shows(message)
        for change in conv.changes:
            if not shown.changes.has(change.change):
                shown.changes.skip_to(change.change)
                event = event_of(change.action, Raw(change.data))
                yield self._told(event) if isinstance(event, Changed) else event
        if not conv.has_more:
            shown.messages.skip_to(conv.last_seq)
            shown.changes.skip_to(conv.last_change)
