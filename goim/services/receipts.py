"""How far people have read: watermarks that only rise, stored before they are acknowledged, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial

from msgspec import Struct

from goim.batching import Batcher
from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, StoreDown, invalid
from goim.lru import Recent
from goim.model.conversations import ConvType, Receipt
from goim.model.messages import Sent
from goim.notices import GroupJoined, GroupLeft, Interrupted, Notices
from goim.protocol.frames import frame_of
from goim.protocol.pushes import ReadBy, ReadByData
from goim.services.access import Access, AccessBook
from goim.services.behind import Behind, Reader
from goim.services.sending import Sending
from goim.services.specials import Specials
from goim.stores.base import Receipts
from goim.stores.log import Log
from goim.tasks import answered

_REMEMBERED = 200_000
Done = Callable[[int | GoimError], None]


class _Mark(Struct):
    user_id: str
    conv_id: str
    seq: int
    done: Done
    but: object

    @property
    def key(self) -> Reader:
        return (self.conv_id, self.user_id)

    def answer(self, result: int | GoimError) -> None:
        """Once; later answers go nowhere."""
        done, self.done = self.done, _nobody
        done(result)


class ReceiptBook:
    """Watermarks of everybody, the latest of them in memory."""

    def __init__(
        self,
        receipts: Receipts,
        access: AccessBook,
        log: Log,
        behind: Behind,
        specials: Specials,
        delivery: Delivery,
        notices: Notices,
        clock: Clock,
        *,
        receipt_limit: int,
    ) -> None:
        self._receipts = receipts
        self._access = access
        self._log = log
        self._behind = behind
        self._delivery = delivery
        self._clock = clock
        self._limit = receipt_limit
        self._specials = specials
        self._known: Recent[Reader, int] = Recent(_REMEMBERED)
        self._answering: dict[Reader, int] = {}
        self.batches: Batcher[_Mark] = Batcher(self._advance)
        notices.on(GroupJoined, lambda notice: self._forget(notice.user_id, notice.group_id))
        notices.on(GroupLeft, lambda notice: self._forget(notice.user_id, notice.group_id))
        notices.on(Interrupted, lambda _: self._known.clear())

    def mark_read(self, user_id: str, conv_id: str, seq: int, done: Done, but: object = None) -> None:
        """Raise my watermark to `seq` (never past the last message) and call `done` with what it is now, or why not."""
        if seq < 0:
            done(invalid("seq is not negative"))
        else:
            self.batches.put(_Mark(user_id, conv_id, seq, done, but))

    async def mark_read_now(self, user_id: str, conv_id: str, seq: int) -> int:
        """The same, to be awaited."""
        return await answered(lambda done: self.mark_read(user_id, conv_id, seq, done))

    def sent(self, messages: Sequence[tuple[Sending, Sent]]) -> None:
        """Who sends has read up to there: known at once, written a moment later."""
        marks = {
            (sending.conv.conv_id, sending.from_user_id): (place.seq, place.timestamp) for sending, place in messages
        }
        known = self._known.get_all(marks)
        rises = {key: seq for key, (seq, _) in marks.items() if seq > known.get(key, 0)}
        if self._specials.burning:
            self._read_by_answering(messages, rises)
        self._known.put_all(rises)
        self._behind.sent(messages, marks)

    def _read_by_answering(self, messages: Sequence[tuple[Sending, Sent]], rises: dict[Reader, int]) -> None:
        """An answer reads what it answers: what burns is burned first, but the sender knows their watermark by now."""
        for sending, place in messages:
            if sending.conv.conv_id in self._specials.burning:
                key = (sending.conv.conv_id, sending.from_user_id)
                rises.pop(key, None)
                self._answering[key] = place.seq
                self.mark_read(key[1], key[0], place.seq, partial(self._answered, key, place.seq), sending.sender)

    def _answered(self, key: Reader, seq: int, _: int | GoimError) -> None:
        if self._answering.get(key) == seq:
            del self._answering[key]

    async def of(self, keys: Collection[Reader]) -> dict[Reader, int]:
        """How far these have read, asked for together where other nodes may have raised it."""
        missing = keys if self._log.is_shared() else [key for key in keys if self._known.get(key) is None]
        if missing:
            stored = await self._receipts.of(missing)
            for key in missing:
                self._known.put(key, max(stored.get(key, 0), self._known.get(key) or 0))
        return {key: self._known.get(key) or 0 for key in keys}

    async def _advance(self, marks: list[_Mark]) -> None:
        """One batch: who may, how far they may, one write, then everybody's answer."""
        marks = self._one_device_each(marks)
        try:
            # Before it is asked who may: who is put out in between is refused, and never told that they fell to 0.
            known = await self.of({mark.key for mark in marks})
            accesses = await self._accesses_of(marks)
            rises = await self._rises(marks, accesses, known)
            await self._burn(rises, accesses)
            if rises:
                await self._receipts.advance(list(rises.values()))
        except StoreDown:
            return _refuse_all(marks, GoimError(ErrorCode.UNAVAILABLE, "the database cannot be reached; try again"))
        except Exception:
            _refuse_all(marks, GoimError(ErrorCode.INTERNAL, "something went wrong here"))
            raise
        for key, receipt in rises.items():
            known[key] = receipt.seq
            self._known.put(key, max(receipt.seq, self._known.get(key) or 0))
        for mark in marks:
            self._answer(mark, accesses, rises, known)

    async def _burn(self, rises: dict[Reader, Receipt], accesses: dict[Reader, Access]) -> None:
        """What was to be read once is recalled before the watermark is stored: a crash in between loses nothing."""
        for key, receipt in rises.items():
            if key[0] in self._specials.burning:
                await self._specials.burn(accesses[key].conv, key[1], receipt.seq)

    def _one_device_each(self, marks: list[_Mark]) -> list[_Mark]:
        """Marks of one watermark from two devices at once go one after another: each is told of the other's."""
        devices: dict[Reader, object] = {}
        now = []
        for mark in marks:
            if devices.setdefault(mark.key, mark.but) is mark.but:
                now.append(mark)
            else:
                self.batches.put(mark)
        return now

    def _forget(self, user_id: str, group_id: str) -> None:
        """Who comes or goes starts with a watermark that others set."""
        self._known.drop((f"group:{group_id}", user_id))

    async def _accesses_of(self, marks: list[_Mark]) -> dict[Reader, Access]:
        """Who may read where; the others are refused."""
        accesses: dict[Reader, Access] = {}
        unknown: list[_Mark] = []
        for mark in marks:
            access = self._access.remembered(mark.user_id, mark.conv_id)
            if access is None:
                unknown.append(mark)
            else:
                accesses[mark.key] = access

        async def ask(mark: _Mark) -> None:
            try:
                accesses[mark.key] = await self._access.of(mark.user_id, mark.conv_id)
            except GoimError as error:
                mark.answer(error)

        await asyncio.gather(*map(ask, unknown))
        return accesses

    async def _rises(
        self, marks: list[_Mark], accesses: dict[Reader, Access], known: dict[Reader, int]
    ) -> dict[Reader, Receipt]:
        """The watermarks that this batch raises, each to the greatest seq asked for that exists."""
        ends = await self._log.last_seqs({conv_id for conv_id, _ in accesses})
        now = self._clock.now_ms()
        rises: dict[Reader, Receipt] = {}
        for mark in marks:
            if mark.key not in accesses:
                continue
            seq = min(mark.seq, ends[mark.conv_id])
            last = rises[mark.key].seq if mark.key in rises else max(known[mark.key], self._known.get(mark.key) or 0)
            if seq > last:
                rises[mark.key] = Receipt(conv_id=mark.conv_id, user_id=mark.user_id, seq=seq, read_at=now)
        return rises

    def _answer(
        self, mark: _Mark, accesses: dict[Reader, Access], rises: dict[Reader, Receipt], known: dict[Reader, int]
    ) -> None:
        """Ack the mark; the first mark of a batch that moved a watermark is the one that is told to others."""
        access = accesses.get(mark.key)
        if access is None:
            return  # refused already
        mark.answer(max(known[mark.key], self._known.get(mark.key) or 0, self._answering.get(mark.key, 0)))
        receipt = rises.pop(mark.key, None)
        if receipt is None:
            return
        push = ReadBy(ReadByData(mark.conv_id, mark.user_id, receipt.seq))
        if access.conv.conv_type is ConvType.C2C or access.member_count <= self._limit:
            self._delivery.to_conversation(access.conv, frame_of(push), mark.but)
        else:
            self._delivery.to_user(mark.user_id, push, mark.but)


def _nobody(_: int | GoimError) -> None:
    pass


def _refuse_all(marks: list[_Mark], error: GoimError) -> None:
    for mark in marks:
        mark.answer(error)
