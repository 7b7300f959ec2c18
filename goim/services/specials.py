"""What some messages ask for besides being sent: to mention people, to burn when read, to expire, to be streamed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from msgspec import UNSET, UnsetType

from goim.clock import LATEST_MS, SKEW_MS, Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, StoreDown, invalid
from goim.model.conversations import Conversation, ConvType
from goim.model.files import WITH_FILES
from goim.model.groups import Role
from goim.model.messages import EMPTIED, Extras, MessageRow, SentKey, extras_of
from goim.notices import Burning, Interrupted, Notices
from goim.protocol.pushes import Mention, MentionData
from goim.services.access import Access
from goim.services.changes import ChangeDesk
from goim.services.file_grants import FileGrants
from goim.services.sending import Sender
from goim.stores.base import Conversations, Members, Receipts
from goim.stores.base_log import UNDER_WAY_MS, ConvDeletes, MessageTable, Pending
from goim.tasks import beside, repeat

EVERYBODY = "all"
MAX_MENTIONS = 100
_SWEEP_SECONDS = 5.0
_PAGE = 500
_MOST_BURNING = 1_000_000
_log = structlog.get_logger(__name__)


class Specials:
    """Checks and notes what is asked for before the message is stored, and does it when its time comes."""

    def __init__(
        self,
        table: MessageTable,
        pending: Pending,
        members: Members,
        conversations: Conversations,
        receipts: Receipts,
        deletes: ConvDeletes,
        changes: ChangeDesk,
        delivery: Delivery,
        notices: Notices,
        clock: Clock,
        grants: FileGrants,
    ) -> None:
        self._table = table
        self._pending = pending
        self._members = members
        self._conversations = conversations
        self._receipts = receipts
        self._deletes = deletes
        self._changes = changes
        self._delivery = delivery
        self._clock = clock
        self._grants = grants
        self._notices = notices
        self.burning: dict[str, int] = {}
        """Conversations in which there may be messages to burn, each with the number of when that was said last."""
        self._burnings = 0
        self._lost_since: int | None = None
        self.on_emptied: Callable[[str, int], Awaitable[None]] | None = None
        notices.on(Burning, lambda notice: self._burns(notice.conv_id))
        notices.on(Interrupted, self._look_again)

    # before it is stored

    async def check(self, access: Access, user_id: str, extras: Extras) -> None:
        """May they send this?"""
        if extras.burn_after_read is True and access.conv.conv_type is not ConvType.C2C:
            raise invalid("burnAfterRead is for two people only")
        await self._check_reply(access.conv, user_id, extras.reply_to)
        await self._check_mentions(access, extras.mentions)

    async def note(self, key: SentKey, extras: Extras | None, expire_at: int | None) -> None:
        """Note what has to be done later, so that a crash does not forget it. After all that may refuse the message:
        what is noted and never comes is looked for again and again."""
        if expire_at is not None:
            await self._pending.put("expire", key, expire_at)
        if extras is not None and extras.burn_after_read is True:
            await self._pending.put("burn", key, self._clock.now_ms())
            self._notices.emit(Burning(key[0]))  # each time: any node may have burned all it knew of
        if extras is not None and extras.stream_status is not UNSET:
            await self._pending.put("stream", key, self._clock.now_ms())

    async def _check_reply(self, conv: Conversation, user_id: str, reply_to: str | UnsetType) -> None:
        """A recalled message may be answered: who answers has not heard of it yet."""
        if reply_to is UNSET:
            return
        seq = conv.seq_of(str(reply_to)) or 0
        floor = (await self._deletes.of_user(user_id, [conv.conv_id])).get(conv.conv_id, 0)
        row = await self._table.get(conv.conv_id, seq) if seq > floor else None
        if row is None or (row.expire_at is not None and row.expire_at <= self._clock.now_ms()):
            raise invalid("replyTo is not a message of this conversation")

    async def _check_mentions(self, access: Access, mentions: list[str] | UnsetType) -> None:
        if mentions is UNSET:
            return
        names = set(mentions)
        if access.conv.conv_type is not ConvType.GROUP:
            raise invalid("mentions are for groups")
        if len(names) > MAX_MENTIONS:
            raise invalid(f"mention at most {MAX_MENTIONS} people at once")
        if EVERYBODY in names:
            if names != {EVERYBODY}:
                raise invalid('mentions are user ids, or ["all"]')
            if access.role not in (Role.OWNER, Role.ADMIN):
                raise GoimError(ErrorCode.FORBIDDEN, "only owner and admins mention all")
        elif names - await self._members.among(access.conv.group_id, names):
            raise invalid("mentions name people who are not in the group")

    # when it is stored

    def tell(self, sender: Sender, conv: Conversation, seq: int, extras: Extras) -> None:
        """Call the attention of those who are mentioned."""
        if not isinstance(extras.mentions, list):
            return
        push = Mention(MentionData(conv.conv_id, conv.group_id, sender.user_id, seq))
        if EVERYBODY in extras.mentions:
            self._delivery.to_group(conv.group_id, push)
        else:
            self._delivery.to_users([each for each in extras.mentions if each != sender.user_id], push)

    # when its time comes

    async def burn(self, conv: Conversation, reader: str, up_to: int) -> None:
        """Recall what the other one sent to be read once, up to the reader's new watermark: before that is stored."""
        conv_id, said = conv.conv_id, self.burning.get(conv.conv_id)
        keys = await self._pending.of_sender("burn", conv_id, conv.peer_of(reader))
        sent = await self._table.find_sent(keys)
        given_up = self._clock.now_ms() - UNDER_WAY_MS
        done = [key for key, noted_at in keys.items() if key not in sent and noted_at < given_up]
        with_files = list(done)
        for key, place in sent.items():
            if place.seq > up_to:
                continue
            row = await self._table.get(conv_id, place.seq)
            if row is not None and _is_to_burn(row):
                await self._changes.burn(conv, row, reader)
                with_files += [key] if row.type in WITH_FILES else []
            done.append(key)
        await self._grants.withdraw(with_files)
        await self._pending.remove("burn", done)
        is_left = len(done) < len(keys) or await self._pending.is_any("burn", conv_id)
        if not is_left and self.burning.get(conv_id) == said:  # else another one came meanwhile
            self.burning.pop(conv_id, None)

    async def sent_again(self, key: SentKey, seq: int) -> None:
        """What was granted for a message once more goes with the message, if it was gone by then."""
        if await self._table.gone(key[0], [seq], self._clock.now_ms()):
            await self._grants.withdraw([key])

    def _burns(self, conv_id: str) -> None:
        self._burnings += 1
        self.burning[conv_id] = self._burnings

    async def sweep(self) -> None:
        """Empty what has expired; nobody has been shown it since its time.

        What is not in the log may be on its way there: it is looked for again, until it was clearly never sent.
        """
        now, awaited = self._clock.now_ms(), 0
        while len(keys := await self._pending.due("expire", now, _PAGE + 2 * awaited)) > awaited:
            sent = await self._table.find_sent(keys)
            expired = [key for key, place in sent.items() if await self._empty(key, place.seq, now)]
            unsent = [key for key in keys if key not in sent]
            old = set(await self._pending.due("expire", now - UNDER_WAY_MS, len(keys)))
            given_up = [key for key in unsent if key in old]
            await self._grants.withdraw([*expired, *given_up])  # nobody has been let read them since, either
            await self._pending.remove("expire", [*expired, *given_up])
            awaited = len(unsent) - len(given_up)

    async def _empty(self, key: SentKey, seq: int, now: int) -> bool:
        """Empty what has expired. What has not, its row says when it will: it was noted for another try to send it,
        which named another time."""
        row = await self._table.get(key[0], seq)
        if row is not None and not _is_over(row, now):
            if row.expire_at is None:
                await self._pending.remove("expire", [key])
            else:
                await self._pending.put("expire", key, row.expire_at)
            return False
        await self._table.overwrite(key[0], seq, EMPTIED)
        await self._changes.forget_words(key[0], [seq])
        if self.on_emptied is not None:  # last: who indexes it meanwhile looks at it once more before
            await self.on_emptied(key[0], seq)
        return True

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Know what burns, and look again after an interruption."""
        await self._look()
        async with beside(repeat(self._clock, _SWEEP_SECONDS, self._look_if_need_be, "sweep_waits")):
            yield

    def sweeping(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Sweep every few seconds while the context is open; one node may do it for all."""
        return beside(repeat(self._clock, _SWEEP_SECONDS, self.sweep, "sweep_waits"))

    async def _look(self) -> list[SentKey]:
        keys = await self._pending.due("burn", LATEST_MS, _MOST_BURNING)
        for key in keys:
            self._burns(key[0])
        return keys

    def _look_again(self, notice: Interrupted) -> None:
        self._lost(notice.since - self._notices.ahead_ms - SKEW_MS)

    def _lost(self, since: int) -> None:
        self._lost_since = since if self._lost_since is None else min(since, self._lost_since)

    async def _look_if_need_be(self) -> None:
        """What was noted since an interruption may have been read where nobody had heard that it burns."""
        since, self._lost_since = self._lost_since, None
        if since is None:
            return
        try:
            keys = await self._look()
            heard = set(await self._pending.due("burn", since, _MOST_BURNING))
            for conv_id in {key[0] for key in keys if key not in heard}:
                await self._burn_what_was_read(conv_id)
        except StoreDown:
            self._lost(since)
            raise

    async def _burn_what_was_read(self, conv_id: str) -> None:
        conv = await self._conversations.get(conv_id)
        if conv is not None:
            for receipt in await self._receipts.of_conversation(conv_id):
                await self.burn(conv, receipt.user_id, receipt.seq)


def _is_over(row: MessageRow, now: int) -> bool:
    return bool(row.recalled) or (row.expire_at is not None and row.expire_at <= now)


def _is_to_burn(row: MessageRow) -> bool:
    """Nor does burn what was only sent once more as if it should; what was recalled takes its file along once more."""
    return bool(row.recalled) or extras_of(row).burn_after_read is True
