"""Sends messages: may they? — stored with everybody else's of this moment — ack to the sender, push to the others."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Protocol

from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from goim.batching import Batcher
from goim.clock import LATEST_MS, Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, StoreDown, invalid
from goim.ids import new_id
from goim.metrics import Metrics
from goim.model.conversations import Conversation
from goim.model.messages import Draft, Extras, Message, Sent, SentKey, encode_extras, with_extras
from goim.model.payloads import checked_payload
from goim.protocol.frames import frame_of
from goim.protocol.pushes import MessagePush
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from goim.ratelimit.base import RateLimiter
from goim.services.access import Access, AccessBook
from goim.services.before_send import BeforeSend, question
from goim.services.contested import Append, Contested
from goim.services.event_feed import EventFeed
from goim.services.file_grants import FileGrants
from goim.services.in_flight import InFlight
from goim.services.receipts import ReceiptBook
from goim.services.specials import Specials
from goim.stores.log import Log, PartlyStored
from goim.tasks import Tasks

MAX_BACKLOG = 100_000
"""So many messages may wait for the database; then it is better to say so than to promise."""
_PLAIN = frozenset({"text", "card", "location", "custom"})  # the others may refer to files
Done = Callable[[SentData | GoimError], None]


class Sender(Protocol):
    """Who sends: a connection, or a session over HTTP. It is not pushed its own message."""

    @property
    def user_id(self) -> str: ...
    @property
    def device_id(self) -> str: ...


class Sending(Struct):
    """A message on its way: what was asked, who wants to know, and where it may go once that is known."""

    sender: Sender
    data: SendData
    client_msg_id: str
    payload: str
    done: Done
    arrived: float
    access: Access | None = None
    is_system: bool = False
    extras: Extras | None = None
    is_ready: bool = True

    @property
    def key(self) -> SentKey:
        """What makes a resend of it recognisable; once the conversation is known."""
        assert self.access is not None
        return (self.access.conv.conv_id, self.sender.user_id, self.client_msg_id)


class System(Struct, frozen=True):
    """goim itself, writing in somebody's name: no connection, so all of theirs are pushed the message."""

    user_id: str
    device_id: str = ""


class Messages:
    """Sends. Nothing is acknowledged before it is stored, and nothing waits for a client."""

    def __init__(
        self,
        access: AccessBook,
        log: Log,
        receipts: ReceiptBook,
        delivery: Delivery,
        limiter: RateLimiter,
        clock: Clock,
        metrics: Metrics,
        tasks: Tasks,
        specials: Specials,
        grants: FileGrants | None = None,
    ) -> None:
        self._access = access
        self._log = log
        self._receipts = receipts
        self._delivery = delivery
        self._limiter = limiter
        self._clock = clock
        self._metrics = metrics
        self._tasks = tasks
        self._specials = specials
        self._grants = grants
        self.feed: EventFeed | None = None
        self.before_send: BeforeSend | None = None
        self._waiting: dict[str, deque[Sending]] = {}
        self._returning: Counter[str] = Counter()
        self.in_flight = InFlight()
        self.max_backlog = MAX_BACKLOG
        self.batches: Batcher[Sending] = Batcher(self._commit)
        self.contested: Contested[Sending] = Contested(log, partial(self._append, append=log.append_alone))

    def send(self, sender: Sender, data: SendData, done: Done, *, stream: bool = False) -> None:
        """Check what needs no database and queue the message; `done` is called once: with the ack's data or why not."""
        try:
            if self.is_overloaded:
                raise GoimError(ErrorCode.UNAVAILABLE, "too much at once; send it again", retry_after_ms=1000)
            self._check_rate(sender)
            payload = checked_payload(data.type, data.payload)
            client_msg_id = _checked_client_msg_id(data.client_msg_id)
            if (data.type == "stream") is not stream:
                raise invalid("a stream is begun with start_stream, and only a stream is")
            self._check_expiry(data)
        except GoimError as error:
            return done(error)
        extras = _extras(data)
        is_plain = extras is None and data.expire_at_ms is None and data.type in _PLAIN
        is_ready = is_plain and self.before_send is None
        self.batches.put(
            Sending(sender, data, client_msg_id, payload, done, perf_counter(), extras=extras, is_ready=is_ready)
        )
        return None

    @property
    def is_overloaded(self) -> bool:
        """Whether more waits than can be written soon."""
        return self.batches.backlog + self.contested.batches.backlog >= self.max_backlog

    async def send_now(self, sender: Sender, data: SendData, *, stream: bool = False) -> SentData:
        """The same, to be awaited."""
        answer, done = _promise()
        self.send(sender, data, done, stream=stream)
        return await answer

    async def send_system(self, conv: Conversation, user_id: str, data: SendData, client_msg_id: str) -> SentData:
        """Send what goim writes in a member's name, of types that clients may not send: nobody's leave is asked.

        The same `client_msg_id` again is acknowledged as the first time and stores nothing.
        """
        answer, done = _promise()
        payload = bytes(data.payload).decode()
        sending = Sending(
            System(user_id), data, client_msg_id, payload, done, perf_counter(), Access(conv=conv), is_system=True
        )
        self.batches.put(sending)
        return await answer

    async def _commit(self, batch: list[Sending]) -> None:
        """One batch: who may write, one insert, then everybody's ack and push in the order of their seqs."""
        await self._look_again(batch)
        now = self._clock.now_ms()
        drafts: list[Draft] = []
        admitted: list[Sending] = []
        for sending in batch:
            draft = self._admit(sending, now)
            if draft is not None:
                drafts.append(draft)
                admitted.append(sending)
        admitted, drafts = self.contested.take_out(admitted, drafts)
        if drafts:
            await self._append(admitted, drafts, self._log.append)

    async def _append(self, admitted: list[Sending], drafts: list[Draft], append: Append) -> None:
        self.in_flight.begin(admitted, drafts)
        try:
            places: Sequence[Sent | None] = await append(drafts)
        except PartlyStored as error:
            places = error.places
        except StoreDown:
            self.in_flight.end(admitted)
            return _refuse_all(admitted, ErrorCode.UNAVAILABLE, "the database cannot be reached; send it again")
        except Exception:
            self.in_flight.end(admitted)
            _refuse_all(admitted, ErrorCode.INTERNAL, "something went wrong here; send it again")
            raise
        # Not at once: first the next batch is handed to the writer, and while it writes, this one is told.
        asyncio.get_running_loop().call_soon(self._tell_all, admitted, drafts, places)
        return None

    def _tell_all(self, admitted: list[Sending], drafts: list[Draft], places: Sequence[Sent | None]) -> None:
        self.in_flight.end(admitted)
        for sending, draft, place in zip(admitted, drafts, places, strict=True):
            if place is None:
                _refuse_all([sending], ErrorCode.UNAVAILABLE, "the database cannot be reached; send it again")
            else:
                self._tell(sending, draft, place)

    def _admit(self, sending: Sending, now_ms: int) -> Draft | None:
        """The draft if its sender may write there; None if that was refused or must be looked up first."""
        user_id = sending.sender.user_id
        is_fresh = sending.access is None
        if not (is_fresh or sending.is_system):
            self._is_back(user_id)
        access = sending.access if sending.is_system else self._access.cached(user_id, sending.data) or sending.access
        if access is None or not sending.is_ready or (is_fresh and self._is_aside(user_id)):
            self._look_up(sending)
            return None
        try:
            access.check_write(now_ms)
            return _draft(sending, access)
        except GoimError as error:
            sending.done(error)
            return None

    def _tell(self, sending: Sending, draft: Draft, place: Sent) -> None:
        """Ack first, then push: the sender never sees an answer to a message before its ack."""
        conv, seq = draft.conv, place.seq
        server_msg_id = conv.message_id(seq)
        sending.done(
            SentData(draft.client_msg_id, server_msg_id, conv.conv_id, seq, place.timestamp, place.is_duplicate)
        )
        self._metrics.send_latency_ms.observe((perf_counter() - sending.arrived) * 1000)
        if place.is_duplicate:
            if self.feed is not None:
                self.feed.resent(conv, seq)
            self.in_flight.resent(draft.sent_key, sending.sender)
            return self._delivery.remind(conv, seq)
        message = _message(sending, draft, place, server_msg_id)
        self._delivery.to_conversation(conv, frame_of(MessagePush(message)), sending.sender, seq=seq)
        if self.feed is not None:
            self.feed.sent(conv, message)
        self._receipts.sent(conv, sending.sender, draft.type, seq, place.timestamp)
        if sending.extras is not None:
            self._specials.tell(sending.sender, conv, seq, sending.extras)

    # what is not in the memory

    async def _look_again(self, batch: list[Sending]) -> None:
        """What was looked up may have changed on the way here: a mute that was answered must hold."""
        for sending in batch:
            if sending.access is None or sending.is_system or self._access.is_current(sending.access):
                continue
            try:
                sending.access = await self._access.of(sending.sender.user_id, sending.access.conv.conv_id)
            except GoimError as error:
                sending.access = replace(sending.access, refusal=error)
            except StoreDown:
                away = GoimError(ErrorCode.UNAVAILABLE, "the database cannot be reached; send it again")
                sending.access = replace(sending.access, refusal=away)

    def _look_up(self, sending: Sending) -> None:
        """Find out aside, so that others' messages go on; all later ones of the same user queue up behind it, in
        order."""
        waiting = self._waiting.get(sending.sender.user_id)
        if waiting is not None:
            waiting.append(sending)
            return
        self._waiting[sending.sender.user_id] = deque([sending])
        self._tasks.start(self._resolve(sending.sender.user_id))

    async def _resolve(self, user_id: str) -> None:
        waiting = self._waiting[user_id]
        try:
            while waiting:
                sending = waiting.popleft()
                try:
                    sending.access = await self._access.resolve(user_id, sending.data)
                    if not sending.is_ready:
                        await self._make_ready(sending, sending.access)
                    self._returning[user_id] += 1
                    self.batches.put(sending)
                except GoimError as error:
                    sending.done(error)
                except StoreDown:
                    _refuse_all([sending], ErrorCode.UNAVAILABLE, "the database cannot be reached; send it again")
                except Exception:
                    _refuse_all([sending], ErrorCode.INTERNAL, "something went wrong here; send it again")
                    raise
        finally:
            del self._waiting[user_id]
            _refuse_all(waiting, ErrorCode.INTERNAL, "something went wrong here; send it again")

    def _is_aside(self, user_id: str) -> bool:
        """Whether an earlier message of a user is looked up, or has been and comes behind this one in the queue."""
        return user_id in self._waiting or user_id in self._returning

    def _is_back(self, user_id: str) -> None:
        self._returning[user_id] -= 1
        if not self._returning[user_id]:
            del self._returning[user_id]

    def _check_rate(self, sender: Sender) -> None:
        wait_ms = self._limiter.take((sender.user_id, sender.device_id))
        if wait_ms:
            raise GoimError(ErrorCode.RATE_LIMIT, "too many messages; wait a moment", retry_after_ms=wait_ms)

    def _check_expiry(self, data: SendData) -> None:
        if data.expire_at_ms is not None and not self._clock.now_ms() < data.expire_at_ms <= LATEST_MS:
            raise invalid("expireAtMs is a time to come, in unix milliseconds")  # no other fits into the database

    async def _make_ready(self, sending: Sending, access: Access) -> None:
        """What some messages need before they are stored; `_commit` asks again whether they may be."""
        access.check_write(self._clock.now_ms())
        if self.before_send is not None:
            await self._judge(sending, self.before_send)
        data, key = sending.data, sending.key
        await self._specials.prepare(access, key, sending.extras, data.expire_at_ms)
        shared = self._grants.check(key[1], key[0], data.type, sending.payload) if self._grants is not None else None
        if shared is not None:
            await shared
        sending.is_ready = True

    async def _judge(self, sending: Sending, before_send: BeforeSend) -> None:
        """Send what is allowed. A message that is there already is acknowledged again, whatever is said of it now."""
        conv_id, user_id, client_msg_id = sending.key
        assert sending.access is not None
        asked = question(sending.access.conv, user_id, sending.data.type, sending.payload, client_msg_id=client_msg_id)
        try:
            sending.payload = await before_send.judge(asked)
        except GoimError:
            if not await self._log.was_sent((conv_id, user_id, client_msg_id)):
                raise
        sending.data = replace(sending.data, payload=Raw(sending.payload.encode()))


def _promise() -> tuple[asyncio.Future[SentData], Done]:
    """Something to await, and the callback that fulfils it."""
    answer: asyncio.Future[SentData] = asyncio.get_running_loop().create_future()

    def done(result: SentData | GoimError) -> None:
        if not answer.done():
            answer.set_exception(result) if isinstance(result, GoimError) else answer.set_result(result)

    return answer, done


def _checked_client_msg_id(client_msg_id: str | None) -> str:
    if not client_msg_id:
        return new_id()
    if len(client_msg_id) > 128:
        raise invalid("clientMsgId has at most 128 characters")
    return client_msg_id


def _extras(data: SendData) -> Extras | None:
    """The rarer properties that the sender asked for."""
    if not (data.reply_to or data.mentions or data.burn_after_read or data.type == "stream"):
        return None
    return Extras(
        reply_to=data.reply_to or UNSET,
        mentions=data.mentions or UNSET,
        burn_after_read=data.burn_after_read or UNSET,
        stream_status="streaming" if data.type == "stream" else UNSET,
        stream_index=0 if data.type == "stream" else UNSET,
    )


def _draft(sending: Sending, access: Access) -> Draft:
    return Draft(
        conv=access.conv,
        from_user_id=sending.sender.user_id,
        client_msg_id=sending.client_msg_id,
        type=sending.data.type,
        payload=sending.payload,
        expire_at=sending.data.expire_at_ms,
        extras=None if sending.extras is None else encode_extras(sending.extras),
    )


def _message(sending: Sending, draft: Draft, place: Sent, server_msg_id: str) -> Message:
    """What the others are shown; the payload leaves as it came."""
    conv = draft.conv
    is_c2c = conv.group_id == ""
    message = Message(
        server_msg_id=server_msg_id,
        client_msg_id=draft.client_msg_id,
        conv_id=conv.conv_id,
        conv_type=conv.conv_type,
        from_=draft.from_user_id,
        to=conv.peer_of(draft.from_user_id) if is_c2c else UNSET,
        group_id=UNSET if is_c2c else conv.group_id,
        seq=place.seq,
        timestamp=place.timestamp,
        type=draft.type,
        payload=sending.data.payload,
        recalled=False,
        expire_at=UNSET if draft.expire_at is None else draft.expire_at,
    )
    return message if sending.extras is None else with_extras(message, sending.extras)


def _refuse_all(sendings: list[Sending] | deque[Sending], code: ErrorCode, message: str) -> None:
    for sending in sendings:
        sending.done(GoimError(code, message))
