"""Calls, as far as the server knows of them: rung, answered, ended, and what the two devices tell each other."""

from __future__ import annotations

from goim.client.api import Api
from goim.client.http import Nothing
from goim.client.link import Link
from goim.client.login import Login
from goim.errors import ErrorCode, GoimError
from goim.model.calls import Call, CallType


class Calls:
    """What the other one does comes as an event: `CallIncoming`, `AnsweredElsewhere`, `RejectedElsewhere`,
    `EndedElsewhere`, `Signalled`."""

    def __init__(self, link: Link, api: Api, login: Login) -> None:
        self._link = link
        self._api = api
        self._login = login

    async def start(self, to: str, kind: CallType = CallType.AUDIO) -> Call:
        """Call a friend; to call somebody whom one is calling already gives that call."""
        try:
            return await self._link.ask("call_start", {"to": to, "type": kind}, Call)
        except GoimError as error:
            if error.code is not ErrorCode.CALL_BUSY:
                raise
            call = await self._current()
            if call is None or (call.from_, call.to) != (self._login.user_id, to):
                raise
            return call  # the answer to an earlier try was lost with its connection

    async def _current(self) -> Call | None:
        try:
            return await self._api.current_call()
        except GoimError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            return None

    async def answer(self, call_id: str) -> Call:
        return await self._link.ask("call_answer", {"callId": call_id}, Call)

    async def reject(self, call_id: str) -> Call:
        return await self._link.ask("call_reject", {"callId": call_id}, Call)

    async def end(self, call_id: str) -> Call:
        return await self._link.ask("call_end", {"callId": call_id}, Call)

    async def signal(
        self,
        call_id: str,
        to: str,
        kind: str,
        *,
        sdp: str | None = None,
        candidate: object = None,
    ) -> None:
        """Pass an `offer` or `answer` with its `sdp`, or a `candidate`, on to the other device."""
        data = {"callId": call_id, "to": to, "type": kind, "sdp": sdp, "candidate": candidate}
        await self._link.ask("webrtc_signaling", {k: v for k, v in data.items() if v is not None}, Nothing)
