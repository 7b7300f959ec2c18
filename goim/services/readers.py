"""Who has read one message, and who has not."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from goim.clock import Clock
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import ConvType, Receipt
from goim.model.messages import Message
from goim.services.access import Access, AccessBook
from goim.services.behind import Behind
from goim.services.one_message import OneMessage
from goim.stores.base import Members, Receipts
from goim.stores.base_log import MessageTable
from goim.stores.log import Log

_JUST_SENT = 50
"""What other nodes may not have written yet is about the last few messages."""


class Reader(Struct, frozen=True, rename="camel"):
    """Somebody who has read a message, and when they last said how far they had read."""

    user_id: str
    read_at: int


class ReadersView(Struct, frozen=True):
    """Everybody a message was for: who has read it, earliest first, and who has not, by user id."""

    readers: list[Reader]
    unread: list[str]


class Readers:
    """Compares a message with everybody's watermark, where watermarks are no secret."""

    def __init__(
        self,
        access: AccessBook,
        one_message: OneMessage,
        members: Members,
        receipts: Receipts,
        behind: Behind,
        table: MessageTable,
        log: Log,
        clock: Clock,
        *,
        receipt_limit: int,
    ) -> None:
        self._access = access
        self._one_message = one_message
        self._members = members
        self._receipts = receipts
        self._behind = behind
        self._table = table
        self._log = log
        self._clock = clock
        self._limit = receipt_limit

    async def of(self, user_id: str, conv_id: str, server_msg_id: str) -> ReadersView:
        """For members. Neither its sender is listed nor who has left, or came only after it was sent."""
        message = await self._one_message.of(user_id, conv_id, server_msg_id)
        access = await self._access.of(user_id, conv_id)
        is_group = access.conv.conv_type is ConvType.GROUP
        if is_group and access.member_count > self._limit:
            raise GoimError(ErrorCode.UNSUPPORTED, f"who has read is told in groups of up to {self._limit} members")
        await self._behind.flush()  # first: who has answered has read
        receipts = {each.user_id: each for each in await self._receipts.of_conversation(conv_id)}
        if self._log.is_shared():
            receipts |= await self._just_sent(conv_id, message.seq, receipts)
        readers = []
        unread = []
        for other in sorted(await self._audience(access, message)):
            receipt = receipts.get(other)
            if receipt is not None and receipt.seq >= message.seq:
                readers.append(Reader(other, receipt.read_at))
            else:
                unread.append(other)
        return ReadersView(sorted(readers, key=lambda reader: reader.read_at), unread)

    async def _just_sent(self, conv_id: str, above: int, receipts: Mapping[str, Receipt]) -> dict[str, Receipt]:
        """Watermarks of those who have answered through other nodes, which write them a moment later."""
        rows = await self._table.before(conv_id, None, above, _JUST_SENT, self._clock.now_ms())
        marks = [Receipt(conv_id=conv_id, user_id=row.from_user_id, seq=row.seq, read_at=row.timestamp) for row in rows]
        return {
            mark.user_id: mark
            for mark in marks
            if (known := receipts.get(mark.user_id)) is None or known.seq < mark.seq
        }

    async def _audience(self, access: Access, message: Message) -> list[str]:
        """Whom the message was for."""
        if access.conv.conv_type is ConvType.C2C:
            return [access.conv.peer_of(message.from_)]
        members = await self._members.page(access.conv.group_id, "", self._limit)
        return [
            each.user_id for each in members if each.user_id != message.from_ and each.joined_at <= message.timestamp
        ]
