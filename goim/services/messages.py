"""Sends messages: may they? — stored with everybody else's of this moment — ack to the sender, push to the others."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from functools import partial
from time import perf_counter

import structlog
from msgspec import Raw
from msgspec.structs import replace

from goim.batching import Batcher
from goim.clock import LATEST_MS, Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, StoreDown, invalid
from goim.ids import message_id
from goim.metrics import Metrics
from goim.model.conversations import Conversation
from goim.model.files import WITH_FILES
from goim.model.messages import Sent
from goim.model.payloads import checked_payload
from goim.protocol.frames import frame_of
from goim.protocol.pushes import MessagePush
from goim.protocol.replies import SentData
from goim.protocol.requests import SendData
from goim.ratelimit.base import RateLimiter
from goim.services.access import Access, AccessBook
from goim.services.before_send import BeforeSend, question, tell_replaced
from goim.services.contested import Append, Contested
from goim.services.event_feed import EventFeed
from goim.services.file_grants import FileGrants
from goim.services.in_flight import InFlight
from goim.services.receipts import ReceiptBook
from goim.services.sending import (
    NOWHERE,
    Done,
    Sender,
    Sending,
    System,
    ask_for_extras,
    check_pace,
    client_msg_id_of,
    is_plain,
    message_sent,
)
from goim.services.specials import Specials
from goim.stores.log import Log, PartlyStored
from goim.tasks import Tasks, answered

_log = structlog.get_logger(__name__)
MAX_BACKLOG = 100_000
"""So many messages may wait for the database; then it is better to say so than to promise."""
REMIND_MS = 300_000
"""A message that is sent again so long after the first time was told to whoever was to be told live."""


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
        grants: FileGrants,
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
            self.check_pace(sender)
            payload = checked_payload(data.type, data.payload)
            client_msg_id = client_msg_id_of(data)
            is_simple = is_plain(data) and not stream
            if not is_simple:
                self._check_rarities(data, is_stream=stream)
        except GoimError as error:
            return done(error)
        sending = Sending(
            NOWHERE,
            sender.user_id,
            client_msg_id,
            data.type,
            payload,
            data.expire_at_ms,
            sender=sender,
            data=data,
            done=done,
            arrived=perf_counter(),
            is_ready=is_simple and self.before_send is None,
        )
        if not is_simple:
            ask_for_extras(sending)
        return self.batches.put(sending)

    @property
    def is_overloaded(self) -> bool:
        """Whether more waits than can be written soon."""
        return len(self.batches.items) + len(self.contested.batches.items) >= self.max_backlog

    async def send_now(self, sender: Sender, data: SendData, *, stream: bool = False) -> SentData:
        """The same, to be awaited."""
        return await answered(lambda done: self.send(sender, data, done, stream=stream))

    async def send_system(self, conv: Conversation, user_id: str, data: SendData, client_msg_id: str) -> SentData:
        """Send what goim writes in a member's name, of types that clients may not send: nobody's leave is asked.

        The same `client_msg_id` again is acknowledged as the first time and stores nothing.
        """

        def send(done: Done) -> None:
            sending = Sending(
                conv,
                user_id,
                client_msg_id,
                data.type,
                bytes(data.payload).decode(),
                sender=System(user_id),
                data=data,
                done=done,
                arrived=perf_counter(),
                access=Access(conv=conv),
                is_system=True,
            )
            self.batches.put(sending)

        return await answered(send)

    async def _commit(self, batch: list[Sending]) -> None:
        """One batch: who may write, one insert, then everybody's ack and push in the order of their seqs."""
        if self._returning:
            await self._look_again(batch)
        now = self._clock.now_ms()
        admitted = self.contested.take_out([sending for sending in batch if self._is_admitted(sending, now)])
        if admitted:
            await self._append(admitted, self._log.append)

    async def _append(self, admitted: list[Sending], append: Append) -> None:
        self.in_flight.begin(admitted)
        try:
            places: Sequence[Sent | None] = await append(admitted)
        except PartlyStored as error:
            places = error.places
        except StoreDown:
            self.in_flight.end(admitted)
            return _refuse_all(admitted, _away())
        except Exception:
            self.in_flight.end(admitted)
            _refuse_all(admitted, _broken())
            raise
        # Not at once: first the next batch is handed to the writer, and while it writes, this one is told.
        asyncio.get_running_loop().call_soon(self._tell_all, admitted, places)
        return None

    def _tell_all(self, admitted: list[Sending], places: Sequence[Sent | None]) -> None:
        self.in_flight.end(admitted)
        new: list[tuple[Sending, Sent]] = []
        for sending, place in zip(admitted, places, strict=True):
            try:
                if place is None:
                    _refuse_all([sending], _away())
                elif place.is_duplicate:
                    self._tell_again(sending, place)
                else:
                    new.append((sending, place))
                    self._tell(sending, place)
            except Exception:  # noqa: BLE001 one that cannot be told must not keep the others from their acks
                _log.exception("message_not_told", conv_id=sending.conv.conv_id)
        self._receipts.sent(new)
        now = perf_counter()  # once for all: they leave together, at the end of this turn of the loop
        self._metrics.send_latency_ms.observe_all([(now - sending.arrived) * 1000 for sending in admitted])

    def _is_admitted(self, sending: Sending, now_ms: int) -> bool:
        """Whether its sender may write there: else it is refused by now, or looked up first."""
        access = self._access.cached(sending.from_user_id, sending.data)
        if self._waiting or self._returning or sending.access is not None:
            access = self._admit_in_order(sending, access)
        elif access is None or not sending.is_ready:
            self._look_up(sending)
            return False
        if access is None:
            return False
        sending.conv = access.conv
        if access.refusal is None and access.mute_until <= now_ms:
            return True
        refusal = access.why_not(now_ms)
        assert refusal is not None
        self._tasks.start(self._refuse(sending, refusal))
        return False

    def _admit_in_order(self, sending: Sending, access: Access | None) -> Access | None:
        """The same while some messages are looked up: their senders' later ones wait behind them."""
        is_fresh = sending.access is None
        if sending.is_system:
            return sending.access
        if not is_fresh:
            self._is_back(sending.from_user_id)
        access = access or sending.access
        if access is None or not sending.is_ready or (is_fresh and self._is_aside(sending.from_user_id)):
            self._look_up(sending)
            return None
        return access

    def _tell(self, sending: Sending, place: Sent) -> None:
        """Ack first, then push: the sender never sees an answer to a message before its ack."""
        conv, seq, timestamp = sending.conv, place.seq, place.timestamp
        server_msg_id = message_id(conv.key, seq)
        sending.done(SentData(sending.client_msg_id, server_msg_id, conv.conv_id, seq, timestamp, False))
        message = message_sent(sending, place, server_msg_id)
        self._delivery.to_conversation(conv, frame_of(MessagePush(message)), sending.sender, seq=seq)
        if self.feed is not None:
            self.feed.sent(conv, message)
        if sending.wanted is not None:
            self._specials.tell(sending.sender, conv, seq, sending.wanted)
        if sending.is_replaced:
            tell_replaced(self._delivery, sending.sender, conv, seq, sending.payload)

    def _tell_again(self, sending: Sending, place: Sent) -> None:
        """Ack what was stored before, and make sure that it was told."""
        if sending.type in WITH_FILES:
            self._tasks.start(self._tell_file_again(sending, place))
        else:
            self._tell_duplicate(sending, place)

    async def _tell_file_again(self, sending: Sending, place: Sent) -> None:
        """The same when what was granted for it once more is as it should be."""
        try:
            await self._specials.sent_again(sending.sent_key, place.seq)
            self._tell_duplicate(sending, place)
        except StoreDown:
            _refuse_all([sending], _away())
        except Exception:
            _refuse_all([sending], _broken())
            raise

    def _tell_duplicate(self, sending: Sending, place: Sent) -> None:
        conv, seq, timestamp = sending.conv, place.seq, place.timestamp
        server_msg_id = message_id(conv.key, seq)
        sending.done(SentData(sending.client_msg_id, server_msg_id, conv.conv_id, seq, timestamp, True))
        if self.feed is not None:
            self.feed.resent(conv, seq)
        self.in_flight.resent(sending.sent_key, sending.sender)
        if self._clock.now_ms() - timestamp < REMIND_MS:  # else a node might tell all that came since
            self._delivery.remind(conv, seq)

    # what is not in the memory

    async def _look_again(self, batch: list[Sending]) -> None:
        """What was looked up may have changed on the way here: a mute that was answered must hold."""
        for sending in batch:
            if sending.access is None or sending.is_system or self._access.is_current(sending.access):
                continue
            try:
                sending.access = await self._access.of(sending.from_user_id, sending.access.conv.conv_id)
            except GoimError as error:
                sending.access = replace(sending.access, refusal=error)
            except StoreDown:
                sending.access = replace(sending.access, refusal=_away())

    def _look_up(self, sending: Sending) -> None:
        """Find out aside, so that others' messages go on; all later ones of the same user queue up behind it, in
        order."""
        waiting = self._waiting.get(sending.from_user_id)
        if waiting is not None:
            waiting.append(sending)
            return
        self._waiting[sending.from_user_id] = deque([sending])
        self._tasks.start(self._resolve(sending.from_user_id))

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
                    await self._refuse(sending, error)
                except StoreDown:
                    _refuse_all([sending], _away())
                except Exception:
                    _refuse_all([sending], _broken())
                    raise
        finally:
            del self._waiting[user_id]
            _refuse_all(waiting, _broken())

    async def _refuse(self, sending: Sending, refusal: GoimError) -> None:
        """Say why it is not sent. If it was sent before, that is acknowledged again, whatever is in its way by now."""
        place: Sent | None = None
        if sending.conv is not NOWHERE and sending.data.client_msg_id:
            try:
                place = await self._log.sent(sending.sent_key)
            except StoreDown:
                refusal = _away()
            except Exception:
                _refuse_all([sending], _broken())
                raise
        if place is None:
            sending.done(refusal)
        else:
            self._tell_again(sending, place)

    def _is_aside(self, user_id: str) -> bool:
        """Whether an earlier message of a user is looked up, or has been and comes behind this one in the queue."""
        return user_id in self._waiting or user_id in self._returning

    def _is_back(self, user_id: str) -> None:
        self._returning[user_id] -= 1
        if not self._returning[user_id]:
            del self._returning[user_id]

    def check_pace(self, sender: Sender) -> None:
        """Take one of what a device may do now; `RATE_LIMIT` with how long to wait if there is none."""
        if self.is_overloaded:
            raise GoimError(ErrorCode.UNAVAILABLE, "too much at once; send it again", retry_after_ms=1000)
        check_pace(self._limiter, sender, "messages")

    def _check_rarities(self, data: SendData, *, is_stream: bool) -> None:
        if (data.type == "stream") is not is_stream:
            raise invalid("a stream is begun with start_stream, and only a stream is")
        earliest = 0 if data.client_msg_id else self._clock.now_ms() + 1  # a resend may come after its time
        if data.expire_at_ms is not None and not earliest <= data.expire_at_ms <= LATEST_MS:
            raise _not_to_come()  # nor does another fit into the database

    async def _make_ready(self, sending: Sending, access: Access) -> None:
        """What some messages need before they are stored; `_commit` asks again whether they may be."""
        sending.conv = access.conv
        now = self._clock.now_ms()
        access.check_write(now)
        if sending.expire_at is not None and sending.expire_at <= now:
            raise _not_to_come()
        if self.before_send is not None:
            await self._judge(sending, self.before_send)
        key = sending.sent_key
        if sending.wanted is not None:
            await self._specials.check(access, sending.from_user_id, sending.wanted)
        shared = self._grants.check(key, sending.type, sending.payload, sending.ends_at)
        if shared is not None:
            await shared
        await self._specials.note(key, sending.wanted, sending.expire_at)
        sending.is_ready = True

    async def _judge(self, sending: Sending, before_send: BeforeSend) -> None:
        """Send what is allowed."""
        _, user_id, client_msg_id = sending.sent_key
        asked = question(sending.conv, user_id, sending.type, sending.payload, client_msg_id=client_msg_id)
        wanted, sending.payload = sending.payload, await before_send.judge(asked)
        sending.is_replaced = sending.payload != wanted
        sending.data = replace(sending.data, payload=Raw(sending.payload.encode()))


def _not_to_come() -> GoimError:
    return invalid("expireAtMs is a time to come, in unix milliseconds")


def _away() -> GoimError:
    return GoimError(ErrorCode.UNAVAILABLE, "the database cannot be reached; send it again")


def _broken() -> GoimError:
    return GoimError(ErrorCode.INTERNAL, "something went wrong here; send it again")


def _refuse_all(sendings: Iterable[Sending], error: GoimError) -> None:
    for sending in sendings:
        sending.done(error)
