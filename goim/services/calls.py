"""Calls as people make them: who may call whom, which devices ring and stop ringing, what the sides tell each other."""

from __future__ import annotations

import contextlib

from msgspec import Struct

from goim.clock import Clock
from goim.delivery import Delivery
from goim.elsewhere.base import Elsewhere
from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.ids import new_id
from goim.livecalls.base import LiveCalls
from goim.model.calls import Call, CallType, LiveCall, Side, ring
from goim.model.conversations import ConvType
from goim.model.signals import checked_signal
from goim.notices import Notices
from goim.protocol.calls import (
    AnsweredElsewhere,
    CallIncoming,
    EndedElsewhere,
    RejectedElsewhere,
    SignalData,
    Signalled,
    SignalledData,
)
from goim.ratelimit.base import RateLimiter
from goim.services.access import AccessBook
from goim.services.call_board import CallBoard, Step
from goim.services.call_records import CallRecords
from goim.services.call_watch import CallWatch
from goim.services.messages import Messages
from goim.services.sending import Sender, check_pace
from goim.stores.base import Conversations, Users


class _Peer(Struct, frozen=True):
    """A pair's conversation, named by the other one."""

    to: str | None
    conv_id: str | None = None
    conv_type: ConvType | None = ConvType.C2C
    group_id: str | None = None


class CallDesk:
    """Changes the call first, then tells the devices: what a device is told is so. The record follows by itself."""

    def __init__(
        self,
        calls: LiveCalls,
        conversations: Conversations,
        users: Users,
        access: AccessBook,
        messages: Messages,
        delivery: Delivery,
        notices: Notices,
        limiter: RateLimiter,
        elsewhere: Elsewhere,
        clock: Clock,
        *,
        enabled: bool,
        ring_timeout: float,
        reconnect_grace: float,
    ) -> None:
        self._access = access
        self._delivery = delivery
        self._limiter = limiter
        self._clock = clock
        self._is_enabled = enabled
        self._ring_ms = round(ring_timeout * 1000)
        records = CallRecords(messages, users, calls)
        self._board = CallBoard(calls, delivery, records)
        self._watch = CallWatch(
            self._board,
            calls,
            records,
            conversations,
            access,
            delivery,
            notices,
            elsewhere,
            clock,
            reconnect_grace=reconnect_grace,
        )
        self.lost = self._watch.lost

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Calls end in time while the context is open; messages must be sent for longer than that."""
        return self._watch.running()

    async def start(self, actor: Sender, to: str, type_: CallType) -> Call:
        """Call a friend. If that friend is calling already, this answers: two who call each other share one call."""
        self._check_enabled()
        fresh = await self._fresh(actor, to, type_)
        while True:
            busy = await self._board.begin(fresh)
            if busy is None:
                self._delivery.to_user(to, CallIncoming(fresh.call))
                self._watch.check_still_here(actor)
                return fresh.call
            if not busy.rings_from(to, actor.user_id):
                raise GoimError(ErrorCode.CALL_BUSY, "one of you is in a call")
            answered = busy.answer(actor.user_id, actor.device_id, self._clock.now_ms())
            if await self._board.swap(busy, answered):
                return self._tell_answered(actor, answered)

    async def answer(self, actor: Sender, call_id: str) -> Call:
        """Pick up on this device; the others stop ringing."""
        now = self._clock.now_ms()
        answered = await self._change(call_id, lambda call: call.answer(actor.user_id, actor.device_id, now))
        return self._tell_answered(actor, answered)

    async def reject(self, actor: Sender, call_id: str) -> Call:
        """Turn a call down, on all devices."""
        now = self._clock.now_ms()
        rejected = await self._change(call_id, lambda call: call.reject(actor.user_id, now))
        self._board.tell(rejected, RejectedElsewhere(rejected.call), actor)
        return rejected.call

    async def end(self, actor: Sender, call_id: str) -> Call:
        """Hang up; while it rings, take it back or turn it down."""
        now = self._clock.now_ms()
        ended = await self._change(call_id, lambda call: call.end(actor.user_id, now))
        self._board.tell(ended, EndedElsewhere(ended.call), actor)
        return ended.call

    async def signal(self, actor: Sender, data: SignalData) -> None:
        """Pass on to the other side's device, unread; while it rings, to all devices of the callee."""
        self._check_enabled()
        sdp, candidate = checked_signal(data.type, data.sdp, data.candidate)

        def speak(call: LiveCall) -> LiveCall:
            after = call.take_part(actor.user_id, actor.device_id)
            if data.to != call.other_side(actor.user_id).user_id:
                raise invalid("`to` is the other one in the call")
            return after

        call = await self._change(data.call_id, speak)
        push = Signalled(SignalledData(data.call_id, data.type, actor.user_id, sdp, candidate))
        self._delivery.to_user(data.to, push, device_id=call.other_side(actor.user_id).device_id)

    async def current(self, user_id: str) -> Call:
        """The call a user is in, or `NOT_FOUND`."""
        call = await self._board.of_user(user_id)
        if call is None:
            raise not_found("call")
        return call.call

    def _check_enabled(self) -> None:
        if not self._is_enabled:
            raise GoimError(ErrorCode.WEBRTC_DISABLED, "there are no calls on this server")

    async def _change(self, call_id: str, step: Step) -> LiveCall:
        self._check_enabled()
        return (await self._board.change(call_id, step))[1]

    async def _fresh(self, actor: Sender, to: str, type_: CallType) -> LiveCall:
        """A call that may be. It counts as a message, because it leaves one."""
        if to == actor.user_id:
            raise invalid("a call goes to somebody else")
        check_pace(self._limiter, actor, "calls")
        access = await self._access.resolve(actor.user_id, _Peer(to))
        now = self._clock.now_ms()
        access.check_write(now)
        return ring(
            new_id(),
            access.conv,
            Side(user_id=actor.user_id, device_id=actor.device_id),
            type_,
            now,
            record_key=new_id(),
            rings_until=now + self._ring_ms,
        )

    def _tell_answered(self, actor: Sender, call: LiveCall) -> Call:
        self._board.tell(call, AnsweredElsewhere(call.call), actor)
        self._watch.check_still_here(actor)
        return call.call
