"""The calls of all users: has one change state, whoever asks at once, and tells the devices of both sides."""

from __future__ import annotations

from collections.abc import Callable

from goim.delivery import Delivery
from goim.errors import not_found
from goim.livecalls.base import LiveCalls
from goim.model.calls import LiveCall
from goim.protocol.calls import EndedElsewhere
from goim.protocol.pushes import Push
from goim.services.call_records import CallRecords

Step = Callable[[LiveCall], LiveCall]
"""What a call becomes, itself if nothing changes; raises what keeps it from that."""


class CallBoard:
    """Steps are judged on the call as it is stored; if it changed meanwhile, they are judged anew."""

    def __init__(self, calls: LiveCalls, delivery: Delivery, records: CallRecords) -> None:
        self._calls = calls
        self._delivery = delivery
        self._records = records

    async def begin(self, fresh: LiveCall) -> LiveCall | None:
        """None if both sides were free and the call is on, else the call that keeps one of them busy."""
        return await self._calls.begin(fresh)

    async def of_user(self, user_id: str) -> LiveCall | None:
        """The live call a user is in."""
        return await self._calls.of_user(user_id)

    async def change(self, call_id: str, step: Step) -> tuple[LiveCall, LiveCall]:
        """Take a step: the call (before, after)."""
        while True:
            before = await self._calls.get(call_id)
            if before is None:
                raise not_found("call")
            after = step(before)
            if after is before or await self.swap(before, after):
                return before, after

    async def swap(self, before: LiveCall, after: LiveCall) -> bool:
        """Take a step judged already; False if the call is not what it was. A call that is over leaves its record."""
        is_swapped = await self._calls.swap(before, after)
        if is_swapped and after.is_over:
            self._records.put(after)
        return is_swapped

    async def break_off(self, call_id: str, step: Step) -> None:
        """End a call that nobody hung up and tell everybody, if it has not ended already."""
        before, after = await self.change(call_id, step)
        if after is not before:
            self.tell(after, EndedElsewhere(after.call))

    def tell(self, call: LiveCall, push: Push, but: object = None) -> None:
        """Push to all devices of both sides, except the connection `but`."""
        for side in (call.caller, call.callee):
            self._delivery.to_user(side.user_id, push, but)
