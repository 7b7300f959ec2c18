"""What may be done to a message after it was sent; each is a change with a number of its own."""

from __future__ import annotations

from typing import Protocol

from msgspec import UNSET, Raw, UnsetType

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, not_found
from goim.model.conversations import Conversation
from goim.model.groups import Role
from goim.model.messages import EMPTIED, Change, MessageRow
from goim.protocol.frames import encode_json, frame_of
from goim.protocol.pushes import Recalled, RecalledData
from goim.protocol.replies import ChangedData
from goim.services.access import Access, AccessBook
from goim.stores.base import Changes, Conversations, MessageTable, Taken

_PAGE = 200


class Actor(Protocol):
    """Who acts; a connection that acts is not pushed its own act."""

    @property
    def user_id(self) -> str: ...


class ChangeDesk:
    """Recalls messages."""

    def __init__(
        self,
        access: AccessBook,
        table: MessageTable,
        changes: Changes,
        conversations: Conversations,
        delivery: Delivery,
        clock: Clock,
        *,
        recall_window: float,
    ) -> None:
        self._access = access
        self._table = table
        self._changes = changes
        self._conversations = conversations
        self._delivery = delivery
        self._clock = clock
        self._recall_window_ms = recall_window * 1000

    async def recall(self, actor: Actor, conv_id: str, server_msg_id: str) -> ChangedData:
        """Take a message back: its sender within the window, a group's owner and admins any time. Twice is once."""
        access = await self._access.of(actor.user_id, conv_id)
        row = await self._row(access, server_msg_id)
        await self._check_recall(access, row, actor.user_id)
        number, push = await self._store_recall(access.conv, row, actor.user_id)
        if push is not None:
            self._delivery.to_conversation(access.conv, frame_of(push), actor)
        return ChangedData(conv_id, server_msg_id, number)

    async def erase_messages(self, user_id: str) -> None:
        """Make tombstones of everything somebody sent, whether or not they are still in those conversations."""
        place = ("", 0)
        while places := await self._table.sent_by(user_id, place, _PAGE):
            for place in places:
                conv = await self._conversations.get(place[0])
                row = await self._table.get(*place)
                if conv is not None and row is not None:
                    _, push = await self._store_recall(conv, row, user_id, reason="erased")
                    if push is not None:
                        self._delivery.to_conversation(conv, frame_of(push))

    async def _row(self, access: Access, server_msg_id: str) -> MessageRow:
        seq = access.conv.seq_of(server_msg_id)
        row = None if seq is None else await self._table.get(access.conv.conv_id, seq)
        if row is None or (row.expire_at is not None and row.expire_at <= self._clock.now_ms()):
            raise not_found("message")
        return row

    async def _check_recall(self, access: Access, row: MessageRow, user_id: str) -> None:
        if row.from_user_id == user_id:
            is_late = self._clock.now_ms() - row.timestamp > self._recall_window_ms
            if not is_late or row.recalled or access.role in (Role.OWNER, Role.ADMIN):
                return
            raise GoimError(ErrorCode.RECALL_EXPIRED, "it is too late to recall this message")
        if access.role not in (Role.OWNER, Role.ADMIN):
            raise GoimError(ErrorCode.FORBIDDEN, "only its sender may recall this message")

    async def _store_recall(
        self, conv: Conversation, row: MessageRow, by: str, reason: str | UnsetType = UNSET
    ) -> tuple[int, Recalled | None]:
        """Number the change and store it; a number lost to another node is taken anew. None: it was recalled before."""
        while True:
            now = self._clock.now_ms()
            number = (await self._changes.last_changes([conv.conv_id])).get(conv.conv_id, 0) + 1
            data = RecalledData(conv.conv_id, conv.message_id(row.seq), row.seq, by, number, now, reason)
            change = Change(change=number, action="recalled", data=Raw(encode_json(data)))
            try:
                if await self._changes.edit(conv.conv_id, row.seq, EMPTIED, change, now):
                    return number, Recalled(data)
            except Taken:
                continue
            first = await self._changes.of_message(conv.conv_id, row.seq, "recalled")
            return (first.change if first is not None else number - 1), None
