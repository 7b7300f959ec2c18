"""Writes what can be rebuilt from the log a moment later: list order and the senders' own watermarks, coalesced."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Collection, Iterable, Mapping

from goim.batching import parts
from goim.clock import Clock
from goim.errors import StoreDown
from goim.events.base import GroupEvent, GroupEvents
from goim.model.conversations import Activity, Conversation, Receipt
from goim.model.messages import Draft, Sent
from goim.stores.base import Conversations, Groups, Receipts
from goim.tasks import beside, outlived

FLUSH_SECONDS = 0.1
GROUP_REST_SECONDS = 5.0
"""A group that goes on talking moves up so often: each time costs a row per member."""
_REST = 5.0
"""So many times as long as a flush took, nothing is written: when all are busy, more is coalesced instead."""
_SHORTEST_REST, _LONGEST_REST = 0.4, 2.0
Reader = tuple[str, str]
"""(conversation, user)"""
Mark = tuple[int, int]
"""(seq, when it was read)"""
AT_ONCE = 64
"""So much is written by one statement: messages go between."""


class Behind:
    """Remembers the latest of everything derived and writes it after 100 ms, then twice a second (under load less
    often) while there is more, when a list is asked for, and at the end.

    A group moves up at once when it begins to talk, and then after each rest. In the meantime only the line of who asks
    for their list is moved.
    """

    def __init__(
        self, conversations: Conversations, receipts: Receipts, groups: Groups, events: GroupEvents, clock: Clock
    ) -> None:
        self._conversations = conversations
        self._receipts = receipts
        self._groups = groups
        self._events = events
        self._clock = clock
        self._pairs: dict[str, tuple[Conversation, int]] = {}  # and when it moved
        self._marks: dict[Reader, Mark] = {}
        self._ready: dict[str, GroupEvent] = {}
        self._resting: dict[str, GroupEvent] = {}
        self._rests: dict[str, float] = {}  # until when, the first to end first
        self._writing = asyncio.Lock()
        self._news = asyncio.Event()

    def sent(self, messages: Iterable[tuple[Draft, Sent]], marks: Mapping[Reader, Mark]) -> None:
        """Messages were stored: they move their conversations up in their members' lists, and watermarks to `marks`."""
        for draft, place in messages:
            conv = draft.conv
            if conv.group_id:
                self._said_in_group(draft, place)
            else:
                self._pairs[conv.conv_id] = (conv, place.timestamp)
        self._marks.update(marks)
        self._news.set()

    def _said_in_group(self, draft: Draft, place: Sent) -> None:
        group_id, conv_id = draft.conv.group_id, draft.conv.conv_id
        events = self._resting if group_id in self._rests else self._ready
        events[group_id] = GroupEvent(
            group_id=group_id,
            conv_id=conv_id,
            from_=draft.from_user_id,
            type=draft.type,
            seq=place.seq,
            ts=place.timestamp,
        )

    async def flush(self) -> None:
        """Write everything that is due; when this returns, it is in the store."""
        async with self._writing:
            self._end_rests()
            pairs, self._pairs = self._pairs, {}
            marks, self._marks = self._marks, {}
            events, self._ready = self._ready, {}
            try:
                await self._write(pairs.values(), marks, events)
            except BaseException:  # cancelled in the middle, too: writing it twice does no harm
                self._pairs = pairs | self._pairs
                self._marks = marks | self._marks
                self._ready = events | self._ready
                raise

    async def flush_for(self, user_id: str) -> None:
        """The same, and whatever else concerns the list of one user. From a store that takes nothing (on a full disk)
        may still be read: then what waits goes on waiting, and the list is as it was."""
        with contextlib.suppress(StoreDown):  # which `_run` logs
            await self._flush_all_for(user_id)

    async def _flush_all_for(self, user_id: str) -> None:
        await self.flush()
        if self._resting:
            mine = (await self._groups.ids_of_users([user_id])).get(user_id, ())
            resting = [event for group_id in mine if (event := self._resting.get(group_id)) is not None]
            await self._conversations.bump(
                [Activity(conv_id=event.conv_id, user_ids=(user_id,), at=event.ts) for event in resting]
            )

    async def _write(
        self,
        pairs: Collection[tuple[Conversation, int]],
        marks: dict[Reader, Mark],
        events: dict[str, GroupEvent],
    ) -> None:
        activities = [Activity(conv_id=conv.conv_id, user_ids=(conv.user_a, conv.user_b), at=at) for conv, at in pairs]
        for moved in parts(activities, AT_ONCE):
            await self._conversations.bump(moved)
        if events:
            await self._events.put(list(events.values()))
            until = self._clock.monotonic() + GROUP_REST_SECONDS
            self._rests.update(dict.fromkeys(events, until))
        receipts = [
            Receipt(conv_id=conv_id, user_id=user_id, seq=seq, read_at=at)
            for (conv_id, user_id), (seq, at) in marks.items()
        ]
        for risen in parts(receipts, AT_ONCE):
            await self._receipts.advance(risen)

    def _end_rests(self) -> None:
        """What was said in groups whose rest is over is due now."""
        now = self._clock.monotonic()
        for group_id in [each for each, _ in itertools.takewhile(lambda item: item[1] <= now, self._rests.items())]:
            del self._rests[group_id]
            event = self._resting.pop(group_id, None)
            if event is not None:
                self._ready[group_id] = event

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Flush again and again while the context is open, and everything at its end."""
        async with beside(self._run()):
            yield
        self._ready |= self._resting
        self._resting.clear()
        await self.flush()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await self._clock.sleep(FLUSH_SECONDS)
            self._news.clear()
            started = self._clock.monotonic()
            rest = _LONGEST_REST  # should it fail
            with outlived("derived_data_waits", conversations=len(self._pairs) + len(self._ready)):
                await self.flush()
                rest = min(max(_SHORTEST_REST, (self._clock.monotonic() - started) * _REST), _LONGEST_REST)
            if self._rests or self._pairs or self._marks or self._ready:  # or a group's rest ends, or it failed
                self._news.set()
            await self._clock.sleep(rest)
