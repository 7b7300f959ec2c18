"""Calls between two people: what a call may become, when, and through whom. Pure: time is passed in."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from goim.errors import ErrorCode, GoimError, not_found
from goim.model.conversations import Conversation


class CallType(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


class CallStatus(StrEnum):
    """`ringing` → `answered` → `ended`, or `ringing` → `rejected`, `cancelled` or `missed`."""

    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    MISSED = "missed"


class CallReason(StrEnum):
    """Why a call is over that nobody hung up."""

    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    NOT_ALLOWED = "not_allowed"
    SERVER_STOPPED = "server_stopped"


class Call(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A call as clients see it. Times in unix milliseconds; `duration` in seconds from the answer to the end."""

    call_id: str
    from_: str
    to: str
    type: CallType
    status: CallStatus
    started_at: int
    answered_at: int | UnsetType = UNSET
    ended_at: int | UnsetType = UNSET
    duration: int
    reason: CallReason | UnsetType = UNSET


class CallRecord(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The payload of the `call` message that a call leaves behind."""

    call_id: str
    type: CallType
    status: CallStatus
    duration: int
    reason: CallReason | UnsetType = UNSET


class Side(Struct, frozen=True, kw_only=True):
    """One of the two: the device in the call (None while it rings at all of them), and until when it may come back."""

    user_id: str
    device_id: str | None = None
    lost_until: int | None = None


class LiveCall(Struct, frozen=True, kw_only=True):
    """A call with what only the server knows of it. Every method that changes something returns the changed call.

    `record_key` is part of the record's clientMsgId: a client that knew it could send a message in the record's place.
    """

    call: Call
    conv: Conversation
    record_key: str
    caller: Side
    callee: Side
    rings_until: int

    @property
    def call_id(self) -> str:
        return self.call.call_id

    @property
    def is_ringing(self) -> bool:
        return self.call.status is CallStatus.RINGING

    @property
    def is_over(self) -> bool:
        return self.call.status not in (CallStatus.RINGING, CallStatus.ANSWERED)

    def ended_before(self, time_ms: int) -> bool:
        """Whether it was over by then."""
        ended_at = self.call.ended_at
        return ended_at is not UNSET and ended_at < time_ms

    @property
    def due_at(self) -> int | None:
        """When this call ends by itself if nothing happens before."""
        if self.is_over:
            return None
        ends = [side.lost_until for side in (self.caller, self.callee) if side.lost_until is not None]
        return min([*ends, self.rings_until] if self.is_ringing else ends, default=None)

    @property
    def record(self) -> CallRecord:
        """What is left of it in the conversation."""
        call = self.call
        return CallRecord(
            call_id=call.call_id, type=call.type, status=call.status, duration=call.duration, reason=call.reason
        )

    def side_of(self, user_id: str) -> Side:
        """This one's side; for a stranger there is no such call."""
        if user_id == self.caller.user_id:
            return self.caller
        if user_id == self.callee.user_id:
            return self.callee
        raise not_found("call")

    def other_side(self, user_id: str) -> Side:
        return self.callee if user_id == self.caller.user_id else self.caller

    def rings_from(self, caller_id: str, callee_id: str) -> bool:
        """Whether this one is calling that one right now: if that one calls back, they mean the same call."""
        return self.is_ringing and (self.caller.user_id, self.callee.user_id) == (caller_id, callee_id)

    # what the two do

    def answer(self, user_id: str, device_id: str, now_ms: int) -> LiveCall:
        """Pick up: the one who is called, on one device."""
        self._check_ringing_at(user_id)
        return replace(
            self,
            call=replace(self.call, status=CallStatus.ANSWERED, answered_at=now_ms),
            callee=replace(self.callee, device_id=device_id),
        )

    def reject(self, user_id: str, now_ms: int) -> LiveCall:
        """Turn it down: the one who is called."""
        self._check_ringing_at(user_id)
        return self._over(CallStatus.REJECTED, now_ms)

    def end(self, user_id: str, now_ms: int) -> LiveCall:
        """Hang up; while it rings the caller takes the call back and the callee turns it down."""
        side = self.side_of(user_id)
        self._check_live()
        if not self.is_ringing:
            return self._over(CallStatus.ENDED, now_ms)
        return self._over(CallStatus.CANCELLED if side is self.caller else CallStatus.REJECTED, now_ms)

    def take_part(self, user_id: str, device_id: str) -> LiveCall:
        """A device speaks in the call: the one in it, another if that is gone; while it rings, any of the callee's."""
        side = self.side_of(user_id)
        self._check_live()
        if side.device_id is None or (side.device_id == device_id and side.lost_until is None):
            return self
        if side.device_id != device_id and side.lost_until is None:
            raise GoimError(ErrorCode.FORBIDDEN, "another of your devices is in this call")
        return self._with(replace(side, device_id=device_id, lost_until=None))

    # what happens to them

    def lose(self, user_id: str, device_id: str, until_ms: int) -> LiveCall:
        """A device has lost its connection; if it is in the call, its side may come back until then."""
        side = self.side_of(user_id)
        if self.is_over or side.device_id != device_id or side.lost_until is not None:
            return self
        return self._with(replace(side, lost_until=until_ms))

    def regain(self, user_id: str, device_id: str) -> LiveCall:
        """A device is connected again."""
        side = self.side_of(user_id)
        if self.is_over or side.device_id != device_id or side.lost_until is None:
            return self
        return self._with(replace(side, lost_until=None))

    def expire(self, now_ms: int) -> LiveCall:
        """Over if its time is up, else unchanged."""
        due_at = self.due_at
        if due_at is None or now_ms < due_at:
            return self
        if self.is_ringing and now_ms >= self.rings_until:
            return self._over(CallStatus.MISSED, now_ms, CallReason.TIMEOUT)
        return self.break_off(now_ms, CallReason.CONNECTION_LOST)

    def break_off(self, now_ms: int, reason: CallReason) -> LiveCall:
        """Over because it cannot go on; a call that is over already stays as it is."""
        if self.is_over:
            return self
        return self._over(CallStatus.CANCELLED if self.is_ringing else CallStatus.ENDED, now_ms, reason)

    def _over(self, status: CallStatus, now_ms: int, reason: CallReason | UnsetType = UNSET) -> LiveCall:
        answered_at = self.call.answered_at
        duration = 0 if answered_at is UNSET else max(0, now_ms - answered_at) // 1000
        return replace(self, call=replace(self.call, status=status, ended_at=now_ms, duration=duration, reason=reason))

    def _with(self, side: Side) -> LiveCall:
        return replace(self, caller=side) if side.user_id == self.caller.user_id else replace(self, callee=side)

    def _check_live(self) -> None:
        if self.is_over:
            raise GoimError(ErrorCode.CALL_STATE, f"this call is over: {self.call.status}")

    def _check_ringing_at(self, user_id: str) -> None:
        if self.side_of(user_id) is self.caller:
            raise GoimError(ErrorCode.FORBIDDEN, "only the one who is called answers or rejects")
        if not self.is_ringing:
            raise GoimError(ErrorCode.CALL_STATE, f"this call does not ring any more: {self.call.status}")


def ring(
    call_id: str,
    conv: Conversation,
    caller: Side,
    type_: CallType,
    now_ms: int,
    *,
    record_key: str,
    rings_until: int,
) -> LiveCall:
    """A call as it begins: from a device of one of a pair to all devices of the other."""
    callee_id = conv.peer_of(caller.user_id)
    return LiveCall(
        call=Call(
            call_id=call_id,
            from_=caller.user_id,
            to=callee_id,
            type=type_,
            status=CallStatus.RINGING,
            started_at=now_ms,
            duration=0,
        ),
        conv=conv,
        record_key=record_key,
        caller=caller,
        callee=Side(user_id=callee_id),
        rings_until=rings_until,
    )
