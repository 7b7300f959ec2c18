"""Live calls in this process. No method awaits, so each is one step of the event loop: that makes them atomic."""

from __future__ import annotations

import heapq

from goim.livecalls.base import LiveCalls
from goim.lru import Recent
from goim.model.calls import LiveCall

_REMEMBERED = 4096


class MemoryLiveCalls(LiveCalls):
    """Dicts by call and by user, and a heap of deadlines in which old entries stay until their time comes."""

    def __init__(self) -> None:
        self._live: dict[str, LiveCall] = {}
        self._by_user: dict[str, LiveCall] = {}
        self._over: Recent[str, LiveCall] = Recent(_REMEMBERED)
        self._owed: dict[str, LiveCall] = {}
        self._deadlines: list[tuple[int, str]] = []

    async def begin(self, call: LiveCall) -> LiveCall | None:
        busy = self._by_user.get(call.caller.user_id) or self._by_user.get(call.callee.user_id)
        if busy is None:
            self._put(call)
        return busy

    async def get(self, call_id: str) -> LiveCall | None:
        return self._live.get(call_id) or self._over.get(call_id)

    async def of_user(self, user_id: str) -> LiveCall | None:
        return self._by_user.get(user_id)

    async def swap(self, before: LiveCall, after: LiveCall) -> bool:
        if self._live.get(before.call_id) != before:
            return False
        if after.is_over:
            del self._live[after.call_id], self._by_user[after.caller.user_id], self._by_user[after.callee.user_id]
            self._over.put(after.call_id, after)
            self._owed[after.call_id] = after
        else:
            self._put(after)
        return True

    async def due(self, now_ms: int) -> list[LiveCall]:
        due: dict[str, LiveCall] = {}
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            due_at, call_id = heapq.heappop(self._deadlines)
            live = self._live.get(call_id)
            if live is not None and live.due_at == due_at:
                due[call_id] = live
        for live in due.values():
            self._expect(live)
        return list(due.values())

    async def owed(self, before_ms: int) -> list[LiveCall]:
        return [call for call in self._owed.values() if call.ended_before(before_ms)]

    async def recorded(self, call_id: str) -> None:
        self._owed.pop(call_id, None)

    async def bound_here(self) -> list[LiveCall]:
        return list(self._live.values())

    def _put(self, call: LiveCall) -> None:
        self._live[call.call_id] = self._by_user[call.caller.user_id] = self._by_user[call.callee.user_id] = call
        self._expect(call)

    def _expect(self, call: LiveCall) -> None:
        if call.due_at is not None:
            heapq.heappush(self._deadlines, (call.due_at, call.call_id))
