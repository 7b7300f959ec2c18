"""Asks a server of yours before a message is stored: let it pass, refuse it, or send something else instead.

Nobody waits for somebody else's question. A question takes a bounded time, and what is done without an answer is a
setting. A server that keeps failing is not asked for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Literal

import structlog
from msgspec import UNSET, MsgspecError, Raw, Struct, UnsetType, field, json

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError
from goim.ids import new_id
from goim.metrics import Metrics
from goim.model.conversations import Conversation, ConvType
from goim.model.hooks import Event, event_body, signed_headers
from goim.model.payloads import checked_payload
from goim.nesting import is_too_deep
from goim.outbound.base import Poster, Unreachable
from goim.protocol.frames import encode_json
from goim.protocol.pushes import Replaced, ReplacedData
from goim.services.sending import Sender

NAME = "before_send"
MAX_REASON = 200
_TROUBLE = 5
_PAUSE_SECONDS = 10.0
_log = structlog.get_logger(__name__)


class Question(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A message that somebody wants to send, or (with `server_msg_id`) to write anew."""

    conv_id: str
    conv_type: ConvType
    from_: str = field(name="from")
    to: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    type: str
    payload: Raw
    client_msg_id: str | UnsetType = UNSET
    server_msg_id: str | UnsetType = UNSET


class _Verdict(Struct, frozen=True):
    """What is answered."""

    action: Literal["allow", "deny", "replace"]
    payload: Raw | UnsetType = UNSET
    reason: str = ""


class _NoAnswer(Exception):
    """None that can be used; the message says why."""


_decode = json.Decoder(_Verdict).decode


def question(
    conv: Conversation,
    sender: str,
    kind: str,
    payload: str,
    *,
    client_msg_id: str | UnsetType = UNSET,
    server_msg_id: str | UnsetType = UNSET,
) -> Question:
    """What is asked about a message."""
    is_c2c = conv.conv_type is ConvType.C2C
    return Question(
        conv_id=conv.conv_id,
        conv_type=conv.conv_type,
        from_=sender,
        to=conv.peer_of(sender) if is_c2c else UNSET,
        group_id=UNSET if is_c2c else conv.group_id,
        type=kind,
        payload=Raw(payload.encode()),
        client_msg_id=client_msg_id,
        server_msg_id=server_msg_id,
    )


class BeforeSend:
    """The server that is asked."""

    def __init__(
        self,
        url: str,
        keys: Sequence[bytes],
        poster: Poster,
        clock: Clock,
        metrics: Metrics,
        *,
        timeout: float,
        concurrency: int,
        allows_on_error: bool,
    ) -> None:
        self._url = url
        self._keys = keys
        self._poster = poster
        self._clock = clock
        self._metrics = metrics
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._allows_on_error = allows_on_error
        self._failures = 0
        self._asks_again_at = 0.0

    async def judge(self, asked: Question) -> str:
        """The payload that may be sent; `FORBIDDEN` if none may, `UNAVAILABLE` if it cannot be known."""
        if self._is_paused():
            return self._without_answer(asked, "paused")
        started = perf_counter()
        try:
            verdict = await self._ask(asked)
        except _NoAnswer as error:
            self._failed(str(error))
            return self._without_answer(asked, "error")
        finally:
            self._metrics.before_send_seconds.observe(perf_counter() - started)
        self._failures = 0
        self._metrics.before_send[verdict.action] += 1
        return _decided(verdict, asked)

    async def _ask(self, asked: Question) -> _Verdict:
        """Waiting for a free place counts into the time that there is."""
        kind = "message.sending" if asked.server_msg_id is UNSET else "message.editing"
        now = self._clock.now_ms()
        event = Event(f"ask_{new_id()}", kind, now, Raw(encode_json(asked)))
        body = encode_json(event_body(event))
        headers = signed_headers(self._keys, event.event_id, now, body) | {"content-type": "application/json"}
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                answer = await self._poster.post(self._url, headers, body, within=self._timeout)
        except TimeoutError:
            raise _NoAnswer(f"no answer within {self._timeout:g} s") from None
        except Unreachable as error:
            raise _NoAnswer(str(error)) from None
        if not answer.is_ok:
            raise _NoAnswer(f"answered {answer.status}")
        if is_too_deep(answer.body):
            raise _NoAnswer("answered something that is nested too deeply")
        try:
            return _decode(answer.body)
        except (MsgspecError, UnicodeDecodeError) as error:
            raise _NoAnswer(f"answered something else: {error}") from None

    def _is_paused(self) -> bool:
        """After some failures in a row one question in ten seconds finds out whether there are answers again."""
        if self._failures < _TROUBLE:
            return False
        now = self._clock.monotonic()
        if now < self._asks_again_at:
            return True
        self._asks_again_at = now + _PAUSE_SECONDS
        return False

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures == _TROUBLE:
            self._asks_again_at = self._clock.monotonic() + _PAUSE_SECONDS
        _log.warning("before_send_failed", problem=why, in_a_row=self._failures)

    def _without_answer(self, asked: Question, why: str) -> str:
        self._metrics.before_send[why] += 1
        if self._allows_on_error:
            return bytes(asked.payload).decode()
        raise GoimError(
            ErrorCode.UNAVAILABLE, "messages cannot be checked at the moment; send it again", retry_after_ms=1000
        )


def tell_replaced(delivery: Delivery, author: Sender, conv: Conversation, seq: int, payload: str) -> None:
    """Tell the author's device, after the ack, what stands there: it is not pushed its own act, and shows what it
    asked for."""
    if author.device_id:
        data = ReplacedData(conv.conv_id, conv.message_id(seq), seq, Raw(payload.encode()))
        delivery.to_user(author.user_id, Replaced(data), device_id=author.device_id)


def _decided(verdict: _Verdict, asked: Question) -> str:
    """What a verdict comes to. What is to be sent instead must be sound; the original is never sent for it."""
    if verdict.action == "deny":
        raise GoimError(ErrorCode.FORBIDDEN, verdict.reason[:MAX_REASON] or "this message may not be sent")
    if verdict.action == "allow":
        return bytes(asked.payload).decode()
    try:
        return checked_payload(asked.type, Raw(b"null") if verdict.payload is UNSET else verdict.payload)
    except GoimError as error:
        _log.error("before_send_replacement_refused", problem=error.message)
        raise GoimError(ErrorCode.FORBIDDEN, "this message may not be sent") from None
