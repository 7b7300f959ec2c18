"""call_start, call_answer, call_reject, call_end, webrtc_signaling."""

from __future__ import annotations

from goim.actions.caller import Caller
from goim.protocol.calls import (
    CallAnswer,
    CallAnswered,
    CallEnd,
    CallEnded,
    CallReject,
    CallRejected,
    CallStart,
    CallStarted,
    WebrtcSignaling,
)
from goim.protocol.replies import Ack, NothingData, Reply
from goim.services.registry import Services


async def start(services: Services, caller: Caller, request: CallStart) -> Reply:
    """Call somebody."""
    call = await services.calls.start(caller, request.data.to, request.data.type)
    return CallStarted(id=request.id, data=call)


async def answer(services: Services, caller: Caller, request: CallAnswer) -> Reply:
    """Pick up on this device."""
    return CallAnswered(id=request.id, data=await services.calls.answer(caller, request.data.call_id))


async def reject(services: Services, caller: Caller, request: CallReject) -> Reply:
    """Turn a call down."""
    return CallRejected(id=request.id, data=await services.calls.reject(caller, request.data.call_id))


async def end(services: Services, caller: Caller, request: CallEnd) -> Reply:
    """Hang up."""
    return CallEnded(id=request.id, data=await services.calls.end(caller, request.data.call_id))


async def signal(services: Services, caller: Caller, request: WebrtcSignaling) -> Reply:
    """Tell the other side's device."""
    await services.calls.signal(caller, request.data)
    return Ack(id=request.id, data=NothingData())
