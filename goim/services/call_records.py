"""Leaves a `call` message in the pair's conversation for each call that is over: once, and late rather than never."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import structlog
from msgspec import Raw

from goim.batching import Batcher
from goim.errors import ErrorCode, GoimError, StoreDown
from goim.livecalls.base import LiveCalls
from goim.model.calls import LiveCall
from goim.protocol.requests import SendData
from goim.services.messages import Messages
from goim.stores.base import Users

RECORD_TYPE = "call"
_log = structlog.get_logger(__name__)


class CallRecords:
    """Writes records aside: who hangs up does not wait for it. What the database did not take is tried again, and what
    a node that died has left to be written is written by another. A caller who was erased leaves nothing."""

    def __init__(self, messages: Messages, users: Users, calls: LiveCalls) -> None:
        self._messages = messages
        self._users = users
        self._calls = calls
        self._waiting: dict[str, LiveCall] = {}
        self._batches: Batcher[LiveCall] = Batcher(self._write)

    def put(self, call: LiveCall) -> None:
        """Record a call that is over."""
        self._batches.put(call)

    def retry(self) -> None:
        """Try those again that the database did not take."""
        waiting, self._waiting = self._waiting, {}
        for call in waiting.values():
            self.put(call)

    async def take_up(self, before_ms: int) -> None:
        """Write the records of calls that were over before a time, if they are still owed: twice is once."""
        for call in await self._calls.owed(before_ms):
            self._waiting[call.call_id] = call

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Records are written while the context is open; those put before its end still are."""
        return self._batches.running()

    async def _write(self, calls: list[LiveCall]) -> None:
        await asyncio.gather(*map(self._write_one, calls))

    async def _write_one(self, call: LiveCall) -> None:
        try:
            if await self._users.get(call.caller.user_id) is not None:
                await self._send(call)
        except (GoimError, StoreDown) as error:
            if isinstance(error, StoreDown) or error.code is ErrorCode.UNAVAILABLE:
                _log.warning("call_record_waits", call_id=call.call_id)
                self._waiting[call.call_id] = call
                return
            _log.exception("call_record_lost", call_id=call.call_id)
        try:
            await self._calls.recorded(call.call_id)
        except StoreDown as error:
            _log.warning("call_record_still_owed", call_id=call.call_id, error=str(error))

    async def _send(self, call: LiveCall) -> None:
        data = SendData(type=RECORD_TYPE, payload=Raw(msgspec.json.encode(call.record)))
        client_msg_id = f"call-{call.call_id}-{call.record_key}"  # the same at every try: it is stored once
        await self._messages.send_system(call.conv, call.caller.user_id, data, client_msg_id)
