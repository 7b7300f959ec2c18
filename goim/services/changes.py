"""What may be done to a message after it was sent; each is a change with a number of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from itertools import groupby
from operator import itemgetter

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, StoreDown, invalid, not_found
from goim.model.conversations import Conversation
from goim.model.files import WITH_FILES
from goim.model.groups import Role
from goim.model.hooks import EVENT_OF_PUSH
from goim.model.messages import (
    BURNED,
    EMPTIED,
    Change,
    MessageRow,
    Reaction,
    RowEdit,
    SentKey,
    Span,
    encode_extras,
    extras_of,
)
from goim.model.payloads import checked_payload
from goim.model.profiles import is_plain
from goim.protocol.frames import encode_json, frame_of
from goim.protocol.pushes import (
    Edited,
    EditedData,
    Push,
    Reacted,
    ReactionData,
    Recalled,
    RecalledData,
    StreamEnd,
    StreamEndData,
)
from goim.protocol.replies import ChangedData
from goim.ratelimit.base import RateLimiter
from goim.services.access import Access, AccessBook
from goim.services.before_send import BeforeSend, question, tell_replaced
from goim.services.event_feed import EventFeed
from goim.services.file_grants import FileGrants
from goim.services.sending import Sender, check_pace
from goim.stores.base import Conversations, Taken
from goim.stores.base_log import Changes, ConvDeletes, MessageTable
from goim.turns import Turns

EDITABLE = ("text", "custom")
MAX_EMOJI = 32
MAX_REACTIONS = 20
_PAGE = 200
_OPERATORS = (Role.OWNER, Role.ADMIN)

Make = Callable[[int, int], Struct]
"""The data of a change's push, from its number and time."""
Store = Callable[[Change, int], Awaitable[bool]]
"""Stores a change made at a time with what it does; False if there was nothing to do."""


class ChangeDesk:
    """Recalls, edits and reacts."""

    def __init__(
        self,
        access: AccessBook,
        table: MessageTable,
        changes: Changes,
        conversations: Conversations,
        deletes: ConvDeletes,
        delivery: Delivery,
        limiter: RateLimiter,
        clock: Clock,
        grants: FileGrants,
        *,
        recall_window: float,
        edit_window: float,
    ) -> None:
        self._access = access
        self._table = table
        self._changes = changes
        self._conversations = conversations
        self._deletes = deletes
        self._delivery = delivery
        self._limiter = limiter
        self._clock = clock
        self._grants = grants
        self._recall_window_ms = recall_window * 1000
        self._edit_window_ms = edit_window * 1000
        self._turns = Turns()
        self._acting: dict[str, tuple[bytes, object]] = {}
        self.feed: EventFeed | None = None
        self.on_change: Callable[[Collection[str]], None] | None = None
        self.before_send: BeforeSend | None = None
        self.on_recalled: list[Callable[[Conversation, int], None]] = []

    async def recall(self, actor: Sender, conv_id: str, server_msg_id: str) -> ChangedData:
        """Take a message back: its sender within the window, a group's owner and admins any time. Twice is once."""
        access = await self._access.of(actor.user_id, conv_id)
        row = await self._row(access, server_msg_id)
        self._check_recall(access, row, actor.user_id)
        gave = [row.sent_key] if row.type in WITH_FILES else []
        return await self._recall(access.conv, row.seq, actor.user_id, but=actor, gave=gave)

    async def edit(self, actor: Sender, conv_id: str, server_msg_id: str, payload: Raw) -> ChangedData:
        """Write a message anew: its sender, within the window, while they may write there."""
        check_pace(self._limiter, actor, "edits")
        access = await self._writer(actor, conv_id)
        row = await self._seen(access, server_msg_id, actor.user_id)
        if row.from_user_id != actor.user_id:
            raise GoimError(ErrorCode.FORBIDDEN, "only its sender may edit this message")
        if row.type not in EDITABLE:
            raise invalid(f"only messages of type {' and '.join(EDITABLE)} are edited")
        if self._clock.now_ms() - row.timestamp > self._edit_window_ms:
            raise GoimError(ErrorCode.RECALL_EXPIRED, "it is too late to edit this message")
        conv, wanted = access.conv, checked_payload(row.type, payload)
        stored = wanted
        if self.before_send is not None and wanted != row.payload:
            asked = question(conv, actor.user_id, row.type, wanted, server_msg_id=server_msg_id)
            stored = await self.before_send.judge(asked)
        changed = await self._edit(conv, row, stored, but=actor)
        if stored != wanted:  # soon: nothing is awaited between here and the ack
            asyncio.get_running_loop().call_soon(tell_replaced, self._delivery, actor, conv, row.seq, stored)
        return changed

    async def react(
        self, actor: Sender, conv_id: str, server_msg_id: str, emoji: str, *, remove: bool = False
    ) -> ChangedData:
        """Put an emoji on a message or take it away: whoever may write there. Twice is once."""
        check_pace(self._limiter, actor, "reactions")
        if not 1 <= len(emoji) <= MAX_EMOJI or not (remove or is_plain(emoji)):  # what was let in once can go
            raise invalid(f"emoji has 1 to {MAX_EMOJI} characters that can be seen, none of them a control character")
        access = await self._writer(actor, conv_id)
        row = await self._seen(access, server_msg_id, actor.user_id)
        conv, seq, reaction = access.conv, row.seq, Reaction(actor.user_id, emoji)

        def make(number: int, _: int) -> ReactionData:
            return ReactionData(conv_id, server_msg_id, seq, actor.user_id, emoji, remove, number)

        async def store(change: Change, at: int) -> bool:
            if not remove:
                await self._check_room(conv_id, seq, reaction)
            return await self._changes.react(conv_id, seq, reaction, change, at, remove=remove)

        return await self._change(conv, seq, "reaction", Reacted, make, store, but=actor)

    async def _check_room(self, conv_id: str, seq: int, wanted: Reaction) -> None:
        """Everybody who reads the message is sent all of them."""
        there = (await self._changes.reactions([Span(conv_id, seq, seq)])).get((conv_id, seq), [])
        theirs = {each.emoji for each in there if each.user_id == wanted.user_id}
        if len(theirs) >= MAX_REACTIONS and wanted.emoji not in theirs:
            raise invalid(f"at most {MAX_REACTIONS} reactions of one person to a message")

    async def burn(self, conv: Conversation, row: MessageRow, by: str) -> None:
        """Recall a message that was to be read once."""
        await self._recall(conv, row.seq, by, reason="burned")

    async def finish_stream(
        self,
        conv: Conversation,
        row: MessageRow,
        text: str,
        index: int,
        error: str | None,
        *,
        but: object = None,
    ) -> ChangedData:
        """Give a streamed message its last text; a recalled one stays recalled, and one that another node has ended
        stays as it ended."""
        status = "done" if error is None else "failed"
        stream_id = conv.message_id(row.seq)

        def make(number: int, _: int) -> StreamEndData:
            told = UNSET if error is None else error
            return StreamEndData(stream_id, conv.conv_id, row.seq, text, status, number, told)

        async def store(change: Change, at: int) -> bool:
            # Looked at for each number: of two nodes that end it at once one finds the number taken, and comes again.
            if await self._changes.of_message(conv.conv_id, row.seq, "stream_end") is not None:
                return False
            extras = replace(extras_of(row), stream_status=status, stream_index=index)
            edit = RowEdit(encode_json({"text": text}).decode(), encode_extras(extras))
            return await self._changes.edit(conv.conv_id, row.seq, edit, change, at)

        return await self._change(conv, row.seq, "stream_end", StreamEnd, make, store, but=but)

    async def number_of(self, conv: Conversation, seq: int, action: str) -> int:
        """The number of the last change of one kind that a message went through, 0 if there is none."""
        last = await self._changes.of_message(conv.conv_id, seq, action)
        return 0 if last is None else last.change

    async def erase_messages(self, user_id: str) -> None:
        """Make tombstones of everything somebody sent, whether or not they are still in those conversations."""
        place = ("", 0)
        while places := await self._table.sent_by(user_id, place, _PAGE):
            place = places[-1]
            for conv_id, mine in groupby(places, itemgetter(0)):
                conv = await self._conversations.get(conv_id)
                if conv is not None:
                    await self._erase(conv, [seq for _, seq in mine], user_id)
        await self._grants.withdraw_of(user_id)

    async def _erase(self, conv: Conversation, seqs: list[int], by: str) -> None:
        """Recall them together; what is not to be done so, because one of them is recalled meanwhile, one by one."""
        async with self._turns.of(conv.conv_id):
            erased = await self._erase_together(conv, seqs, by)
            for data in erased:
                frame = frame_of(Recalled(data))
                self._delivery.to_conversation(conv, frame, seq=data.seq, change=data.change)
        if self.on_change is not None:
            self.on_change([conv.conv_id])
        for data in erased:
            for tell in self.on_recalled:
                tell(conv, data.seq)
            if self.feed is not None:
                self.feed.note(EVENT_OF_PUSH["recalled"], data, f"recalled_{data.server_msg_id}_{data.change}")
        if self.feed is not None:
            await self.feed.noted()
        for seq in seqs[len(erased) :]:
            await self._recall(conv, seq, by, reason="erased")

    async def _erase_together(self, conv: Conversation, seqs: list[int], by: str) -> list[RecalledData]:
        """What was done, from the first; numbers lost to another node are taken anew."""
        while True:
            now = self._clock.now_ms()
            last = (await self._changes.last_changes([conv.conv_id])).get(conv.conv_id, 0)
            done = [
                RecalledData(conv.conv_id, conv.message_id(seq), seq, by, number, now, "erased")
                for number, seq in enumerate(seqs, last + 1)
            ]
            changes = [Change(change=each.change, action="recalled", data=Raw(encode_json(each))) for each in done]
            try:
                stand = await self._changes.edit_all(conv.conv_id, EMPTIED, list(zip(seqs, changes, strict=True)), now)
            except Taken:
                continue
            return done[:stand]

    async def forget_words(self, conv_id: str, seqs: Collection[int]) -> None:
        """These messages are gone: what their changes told of them is to be read nowhere, either."""
        await self._changes.forget_words(conv_id, seqs)

    # may they?

    async def _writer(self, actor: Sender, conv_id: str) -> Access:
        access = await self._access.of(actor.user_id, conv_id)
        access.check_write(self._clock.now_ms())
        return access

    async def _seen(self, access: Access, server_msg_id: str, user_id: str) -> MessageRow:
        """A message that stands, and that somebody has not deleted for themselves or come too late for."""
        row = await self._row(access, server_msg_id)
        conv_id = access.conv.conv_id
        if row.recalled or row.seq <= (await self._deletes.of_user(user_id, [conv_id])).get(conv_id, 0):
            raise not_found("message")
        return row

    async def _row(self, access: Access, server_msg_id: str) -> MessageRow:
        """A message of a conversation, recalled or not; none that has expired."""
        seq = access.conv.seq_of(server_msg_id)
        row = None if seq is None else await self._table.get(access.conv.conv_id, seq)
        if row is None:
            raise not_found("message")
        if row.expire_at is not None and row.expire_at <= self._clock.now_ms():
            raise not_found("message")
        return row

    def _check_recall(self, access: Access, row: MessageRow, user_id: str) -> None:
        if access.role in _OPERATORS:
            return
        if row.from_user_id != user_id:
            raise GoimError(ErrorCode.FORBIDDEN, "only its sender may recall this message")
        if not row.recalled and self._clock.now_ms() - row.timestamp > self._recall_window_ms:
            raise GoimError(ErrorCode.RECALL_EXPIRED, "it is too late to recall this message")

    # store, tell

    async def _recall(
        self,
        conv: Conversation,
        seq: int,
        by: str,
        *,
        reason: str | UnsetType = UNSET,
        but: object = None,
        gave: Collection[SentKey] = (),
    ) -> ChangedData:
        """Empty it, take away the files that it `gave`, and tell: who is told finds them gone."""
        trouble: list[StoreDown] = []

        def make(number: int, now: int) -> RecalledData:
            return RecalledData(conv.conv_id, conv.message_id(seq), seq, by, number, now, reason)

        async def store(change: Change, at: int) -> bool:
            left = BURNED if reason == "burned" else EMPTIED
            is_new = await self._changes.edit(conv.conv_id, seq, left, change, at)
            try:
                await self._grants.withdraw(gave)  # each time: the first one may have been cut short here
            except StoreDown as error:  # it is recalled for all that, and to be told
                trouble.append(error)
            return is_new

        changed = await self._change(conv, seq, "recalled", Recalled, make, store, but=but)
        for tell in self.on_recalled:
            tell(conv, seq)
        if trouble:
            raise trouble[-1]
        return changed

    async def _edit(self, conv: Conversation, row: MessageRow, payload: str, *, but: object) -> ChangedData:
        def make(number: int, now: int) -> EditedData:
            return EditedData(conv.conv_id, conv.message_id(row.seq), row.seq, Raw(payload.encode()), now, number)

        async def store(change: Change, at: int) -> bool:
            if payload == row.payload:
                return False
            edit = RowEdit(payload, encode_extras(replace(extras_of(row), edited_at=at)))
            return await self._changes.edit(conv.conv_id, row.seq, edit, change, at)

        return await self._change(conv, row.seq, "edited", Edited, make, store, but=but)

    async def _change(
        self,
        conv: Conversation,
        seq: int,
        action: str,
        push: Callable[..., Push],
        make: Make,
        store: Store,
        *,
        but: object,
    ) -> ChangedData:
        """Number a change, store it and tell it, one after another in a conversation: so they are told in order.

        What changes nothing is acknowledged with the number of the last such change of the message.
        """
        async with self._turns.of(conv.conv_id):
            data: Struct | Raw | None
            number, data = await self._store(conv, action, make, store, but)
            if data is not None:
                self._delivery.to_conversation(conv, frame_of(push(data)), but, seq=seq, change=number)
        if self.on_change is not None:
            self.on_change([conv.conv_id])
        if data is None:
            last = await self._changes.of_message(conv.conv_id, seq, action)
            if last is not None:
                number, data = last.change, last.data
        if self.feed is not None and data is not None:  # known already, too: a crash may have come in between
            self.feed.note(EVENT_OF_PUSH[action], data, f"{action}_{conv.message_id(seq)}_{number}")
            await self.feed.noted()
        return ChangedData(conv.conv_id, conv.message_id(seq), number)

    def actor_of(self, conv_id: str, change: Change) -> object:
        """The connection whose act this is, while it is stored and not yet answered; or None."""
        data, actor = self._acting.get(conv_id, (b"", None))
        return actor if bytes(change.data) == data else None

    async def _store(
        self, conv: Conversation, action: str, make: Make, store: Store, but: object
    ) -> tuple[int, Struct | None]:
        """The number and data of a new change, or the last number and None; a number lost to another node is taken
        anew."""
        while True:
            now = self._clock.now_ms()
            last = (await self._changes.last_changes([conv.conv_id])).get(conv.conv_id, 0)
            data = make(last + 1, now)
            change = Change(change=last + 1, action=action, data=Raw(encode_json(data)))
            self._acting[conv.conv_id] = (bytes(change.data), but)
            try:
                if await store(change, now):
                    return last + 1, data
            except Taken:
                continue
            finally:
                del self._acting[conv.conv_id]
            return last, None
