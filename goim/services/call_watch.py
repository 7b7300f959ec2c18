"""What happens to calls by itself: nobody answers, a device goes or comes back, a friendship ends, the server stops."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator
from typing import NamedTuple

from goim.batching import Batcher
from goim.clock import Clock
from goim.delivery import Delivery, Sink
from goim.elsewhere.base import Elsewhere
from goim.errors import GoimError, StoreDown
from goim.livecalls.base import LiveCalls
from goim.model.calls import CallReason, LiveCall
from goim.notices import AccessChanged, Notices
from goim.protocol.calls import CallIncoming
from goim.protocol.frames import frame_of
from goim.services.access import AccessBook
from goim.services.call_board import CallBoard
from goim.services.call_records import CallRecords
from goim.services.sending import Sender
from goim.stores.base import Conversations
from goim.tasks import beside, outlived

TICK_SECONDS = 0.25
OWED_SECONDS = 5.0
"""Whose record has not been written so long after the end of the call is taken to be dead."""


class _Moved(NamedTuple):
    """A device connected, or lost its connection or its node."""

    user_id: str
    device_id: str
    at: int
    sink: Sink | None = None
    """The connection that came."""


class _Parted(NamedTuple):
    """Two people may have ceased to be friends."""

    conv_id: str


class CallWatch:
    """Looks at the deadlines of all calls in one task, and at what happens to people one event after another."""

    def __init__(
        self,
        board: CallBoard,
        calls: LiveCalls,
        records: CallRecords,
        conversations: Conversations,
        access: AccessBook,
        delivery: Delivery,
        notices: Notices,
        elsewhere: Elsewhere,
        clock: Clock,
        *,
        reconnect_grace: float,
    ) -> None:
        self._elsewhere = elsewhere
        self._board = board
        self._calls = calls
        self._records = records
        self._conversations = conversations
        self._access = access
        self._delivery = delivery
        self._clock = clock
        self._grace_ms = round(reconnect_grace * 1000)
        self._waiting: dict[tuple[str, str], _Moved | _Parted] = {}
        self._events: Batcher[_Moved | _Parted] = Batcher(self._follow, limit=1)
        delivery.watchers.append(self._watch)
        notices.on(AccessChanged, self._access_changed)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End calls in time while the context is open; those that cannot outlive this process end with it."""
        async with self._records.running(), self._events.running():
            async with beside(self._run()):
                yield
            await self._stop()

    def check_still_here(self, actor: Sender) -> None:
        """A device that went while its request was on the way was reported before its call was there to be told."""
        if all(sink.device_id != actor.device_id for sink in self._delivery.connections_of(actor.user_id)):
            self._events.put(_Moved(actor.user_id, actor.device_id, self._clock.now_ms()))

    async def _run(self) -> None:
        looked_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(TICK_SECONDS)
            self._records.retry()
            waiting, self._waiting = self._waiting, {}
            for event in waiting.values():
                self._events.put(event)
            with outlived("call_deadlines_wait"):
                await self._end_those_due()
                if self._clock.monotonic() - looked_at >= OWED_SECONDS:
                    looked_at = self._clock.monotonic()
                    await self._records.take_up(self._clock.now_ms() - int(OWED_SECONDS * 1000))

    async def _end_those_due(self) -> None:
        now = self._clock.now_ms()
        for call in await self._calls.due(now):
            if await self._is_back(call):
                continue
            with contextlib.suppress(GoimError):  # it has ended meanwhile, so long ago that it is forgotten
                await self._board.break_off(call.call_id, lambda current: current.expire(now))

    async def _is_back(self, call: LiveCall) -> bool:
        """Whether a side that was lost is connected, to another node perhaps, which told so before the loss was."""
        is_back = False
        for side in (call.caller, call.callee):
            if side.lost_until is None or side.device_id is None:
                continue
            here = {sink.device_id for sink in self._delivery.connections_of(side.user_id)}
            there = {device.device_id for device in await self._elsewhere.devices(side.user_id)}
            if side.device_id in here | there:
                regain = functools.partial(LiveCall.regain, user_id=side.user_id, device_id=side.device_id)
                with contextlib.suppress(GoimError):
                    await self._board.change(call.call_id, regain)
                    is_back = True
        return is_back

    def lost(self, devices: list[tuple[str, str]]) -> None:
        """These were connected to a node that is gone."""
        now = self._clock.now_ms()
        for user_id, device_id in devices:
            self._events.put(_Moved(user_id, device_id, now))

    async def _stop(self) -> None:
        now = self._clock.now_ms()
        for call in await self._calls.bound_here():
            await self._board.break_off(call.call_id, lambda current: current.break_off(now, CallReason.SERVER_STOPPED))

    def _watch(self, sink: Sink, is_connected: bool) -> None:  # noqa: FBT001 - the shape of a watcher
        moved = _Moved(sink.user_id, sink.device_id, self._clock.now_ms(), sink if is_connected else None)
        self._events.put(moved)

    def _access_changed(self, notice: AccessChanged) -> None:
        if not notice.conv_id.startswith("group:"):
            self._events.put(_Parted(notice.conv_id))

    async def _follow(self, events: list[_Moved | _Parted]) -> None:
        for event in events:
            try:
                await (self._part(event.conv_id) if isinstance(event, _Parted) else self._move(event))
            except StoreDown:
                self._waiting[_subject_of(event)] = event  # of one device only the last thing matters

    async def _move(self, moved: _Moved) -> None:
        """A side of a call is gone, or back; a device that comes while its user is called rings too."""
        user_id, device_id = moved.user_id, moved.device_id
        call = await self._calls.of_user(user_id)
        if call is None:
            return
        if moved.sink is not None:
            _, call = await self._board.change(call.call_id, lambda current: current.regain(user_id, device_id))
            self._ring_at(moved.sink, moved.at, call)
        else:
            until = moved.at + self._grace_ms
            await self._board.change(call.call_id, lambda current: current.lose(user_id, device_id, until))

    def _ring_at(self, came: Sink, at: int, call: LiveCall) -> None:
        is_called = call.is_ringing and call.callee.user_id == came.user_id
        is_here = any(sink is came for sink in self._delivery.connections_of(came.user_id))
        if is_called and is_here and call.call.started_at <= at:  # of one that began later it has been told
            came.send(frame_of(CallIncoming(call.call)))

    async def _part(self, conv_id: str) -> None:
        """Those who may not write to each other any more do not talk on either."""
        conv = await self._conversations.get(conv_id)
        call = None if conv is None else await self._calls.of_user(conv.user_a)
        if call is None or call.conv.conv_id != conv_id:
            return
        if (await self._access.of(call.caller.user_id, conv_id)).refusal is not None:
            now = self._clock.now_ms()
            await self._board.break_off(call.call_id, lambda current: current.break_off(now, CallReason.NOT_ALLOWED))


def _subject_of(event: _Moved | _Parted) -> tuple[str, str]:
    return (event.conv_id, "") if isinstance(event, _Parted) else (event.user_id, event.device_id)
