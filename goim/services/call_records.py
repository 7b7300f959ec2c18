"""Leaves a `call` message in the pair's conversation for each call that is over: once, and late rather than never."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import structlog
from msgspec import Raw

from goim.batching import Batcher
from goim.errors import ErrorCode, GoimError
from goim.model.calls import LiveCall
from goim.protocol.requests import SendData
from goim.services.messages import Messages

RECORD_TYPE = "call"
_log = structlog.get_logger(__name__)


class CallRecords:
    """Writes records aside: who hangs up does not wait for it. What the database did not take is tried again."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._waiting: list[LiveCall] = []
        self._batches: Batcher[LiveCall] = Batcher(self._write)

    def put(self, call: LiveCall) -> None:
        """Record a call that is over."""
        self._batches.put(call)

    def retry(self) -> None:
        """Try those again that the database did not take."""
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self.put(call)

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Records are written while the context is open; those put before its end still are."""
        return self._batches.running()

    async def _write(self, calls: list[LiveCall]) -> None:
        await asyncio.gather(*map(self._write_one, calls))

    async def _write_one(self, call: LiveCall) -> None:
        data = SendData(type=RECORD_TYPE, payload=Raw(msgspec.json.encode(call.record)))
        client_msg_id = f"call-{call.call_id}-{call.record_key}"  # the same at every try: it is stored once
        try:
            await self._messages.send_system(call.conv, call.caller.user_id, data, client_msg_id)
        except GoimError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise
            _log.warning("call_record_waits", call_id=call.call_id)
            self._waiting.append(call)
