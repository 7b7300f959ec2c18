"""Calls on the wire: what is asked, answered and pushed."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from goim.model.calls import Call, CallType
from goim.model.signals import Candidate, SignalType
from goim.protocol.envelope import Request
from goim.protocol.pushes import Push
from goim.protocol.replies import Reply


class CallStartData(Struct, frozen=True):
    to: str
    type: CallType


class CallIdData(Struct, frozen=True, rename="camel"):
    call_id: str


class SignalData(Struct, frozen=True, rename="camel"):
    """`sdp` goes with an offer and an answer, `candidate` with a candidate; both are passed on as they came."""

    call_id: str
    type: SignalType
    to: str
    sdp: str | None = None
    candidate: Candidate = UNSET


class SignalledData(Struct, frozen=True, rename="camel", omit_defaults=True):
    call_id: str
    type: SignalType
    from_: str
    sdp: str | UnsetType = UNSET
    candidate: Candidate = UNSET


class CallStart(Request, frozen=True, tag="call_start", kw_only=True):
    data: CallStartData


class CallAnswer(Request, frozen=True, tag="call_answer", kw_only=True):
    data: CallIdData


class CallReject(Request, frozen=True, tag="call_reject", kw_only=True):
    data: CallIdData


class CallEnd(Request, frozen=True, tag="call_end", kw_only=True):
    data: CallIdData


class WebrtcSignaling(Request, frozen=True, tag="webrtc_signaling", kw_only=True):
    data: SignalData


class CallStarted(Reply, frozen=True, tag="call_started", kw_only=True):
    data: Call


class CallAnswered(Reply, frozen=True, tag="call_answered", kw_only=True):
    data: Call


class CallRejected(Reply, frozen=True, tag="call_rejected", kw_only=True):
    data: Call


class CallEnded(Reply, frozen=True, tag="call_ended", kw_only=True):
    data: Call


class CallIncoming(Push, frozen=True, tag="call_incoming"):
    data: Call


class AnsweredElsewhere(Push, frozen=True, tag="call_answered"):
    data: Call


class RejectedElsewhere(Push, frozen=True, tag="call_rejected"):
    data: Call


class EndedElsewhere(Push, frozen=True, tag="call_ended"):
    data: Call


class Signalled(Push, frozen=True, tag="webrtc_signaling"):
    data: SignalledData
