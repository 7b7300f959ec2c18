"""Somebody who talks: hears what the server tells, reads and says things, whatever shows it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine, Iterable, Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, Raw

from goim.client import Client, SessionOver, Unreachable
from goim.client.answers import Message, Readers, User
from goim.client.events import Event
from goim.clock import Clock
from goim.errors import ErrorCode, GoimError
from goim.protocol import pushes
from goim.protocol.replies import SentData
from goimctl.talk.chats import Chats
from goimctl.talk.news import take
from goimctl.talk.rooms import Pending, Room
from goimctl.talk.texts import clean
from goimctl.talk.words import reason, t

_PAGE = 50
_PATIENCE = 10.0
_TYPING_EVERY = 3.0


class Face(Protocol):
    """What shows a session. It is told after the fact and asks the session what there is to show."""

    def heard(self, event: Event, room: Room | None) -> None:
        """Something came from the server."""
        ...

    def changed(self, room: Room | None) -> None:
        """Something was done here: said, loaded, read."""
        ...

    def refused(self, room: Room, pending: Pending, why: str) -> None:
        """A message will not be sent."""
        ...

    def note(self, text: str) -> None:
        """A line to read."""
        ...

    def show_help(self) -> None:
        """What there is to do here."""
        ...


class Session(Chats):
    """What commands and faces work on. Lives while `run` does."""

    def __init__(self, client: Client, clock: Clock) -> None:
        super().__init__(client.api, User(user_id=client.user_id, username=client.login.username), clock)
        self.client = client
        self.ended: str | None = None
        self.face: Face
        self._sending: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup
        self._turn = asyncio.Lock()  # what is loaded and what is pushed are taken in one after the other
        self._typed_at: dict[str, float] = {}

    async def run(self, face: Face) -> None:
        """Take in all that the server tells, until it or somebody else ends it; `ended` says why it did."""
        self.face = face
        async with asyncio.TaskGroup() as self._tasks:
            try:
                async for event in self.client.events():
                    await self._hear(event)
            except SessionOver as over:
                self.ended = reason(over)

    async def _hear(self, event: Event) -> None:
        async with self._turn:
            try:
                room = await take(self, event)
            except (GoimError, Unreachable) as error:
                self.face.note(clean(reason(error)))
                return
        self.face.heard(event, room)

    # reading

    async def load(self, room: Room, limit: int = _PAGE) -> None:
        """Load the latest messages, or the page before the earliest that is there."""
        async with self._turn:
            if room.conv_id is None or not room.has_earlier:
                room.is_loaded = True
                return
            before = min(room.messages, default=None)
            page = await self.api.history(room.conv_id, before=before, limit=limit)
            await self.people.learn(self.named_in(page.messages))
            is_first = not room.is_loaded
            room.add_earlier(page.messages, has_more=page.has_more)
        self.face.changed(room)
        if is_first:
            await self._load_reads(room)

    async def _load_reads(self, room: Room) -> None:
        """How far others have read: that is pushed while we are here, and asked for when we come."""
        others = [message for message in room.ordered() if message.from_ != self.me.user_id]
        for message in others:
            room.has_read(message.from_, message.seq)  # who writes has read
        answered = others[-1].seq if others else 0
        mine = [m for m in room.ordered() if m.from_ == self.me.user_id and not m.recalled and m.seq > answered]
        low, high = 0, len(mine)
        while low < high:
            middle = high - 1 if (low, high) == (0, len(mine)) else (low + high) // 2  # most often all is read
            found = await self.readers(mine[middle])
            low, high = (middle + 1, high) if found.readers else (low, middle)
            if room.is_group:
                break
        self.face.changed(room)

    async def readers(self, message: Message) -> Readers:
        """Who has read a message of a group or of two; nobody where that is not told."""
        room = self.by_conv(message.conv_id)
        try:
            found = await self.api.readers(message.conv_id, message.server_msg_id)
        except GoimError as error:
            if error.code is not ErrorCode.UNSUPPORTED:
                raise
            return Readers([], [])
        await self.people.learn([*(each.user_id for each in found.readers), *found.unread])
        if room is not None:
            for each in found.readers:
                room.has_read(each.user_id, message.seq)
        return found

    def named_in(self, messages: Iterable[Message]) -> set[str]:
        """Everybody whose name is shown with these."""
        users = {message.from_ for message in messages}
        users.update(*(message.mentions or [] for message in messages))
        return users.union(*(each.user_ids for message in messages for each in message.reactions or []))

    # saying something

    def say(self, room: Room, text: str, reply_to: str | None = None) -> None:
        """Send a text when everything before it has arrived; `@name` mentions members of the group by that name."""
        mentions = [user_id for user_id in room.members if f"@{self.people.name(user_id)}" in text]
        self.send(room, "text", {"text": text}, reply_to, mentions)

    def send(
        self,
        room: Room,
        kind: str,
        payload: dict[str, object],
        reply_to: str | None = None,
        mentions: Sequence[str] = (),
    ) -> None:
        pending = Pending(
            client_msg_id=secrets.token_urlsafe(12),
            kind=kind,
            payload=payload,
            reply_to=reply_to,
            mentions=list(mentions),
            timestamp=self.clock.now_ms(),
        )
        room.pending.append(pending)
        self._typed_at.pop(room.other_id, None)
        task = self.spawn(self._send(room, pending))
        if task is not None:
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        self.face.changed(room)

    def spawn(self, doing: Coroutine[None, None, None]) -> asyncio.Task[None] | None:
        """Do something beside what comes in; what goes wrong is noted. Nothing when the session has ended."""
        if self.ended is not None:
            return doing.close()
        return self._tasks.create_task(self._attempt(doing))

    async def _attempt(self, doing: Coroutine[None, None, None]) -> None:
        try:
            await doing
        except SessionOver:
            pass  # `run` says so
        except (GoimError, Unreachable, OSError) as error:
            self.face.note(clean(reason(error)))

    async def _send(self, room: Room, pending: Pending) -> None:
        try:
            acked = await self.client.send(
                to=None if room.is_group else room.other_id,
                group=room.other_id if room.is_group else None,
                kind=pending.kind,
                payload=pending.payload,
                reply_to=pending.reply_to,
                mentions=pending.mentions or None,
                client_msg_id=pending.client_msg_id,
            )
        except GoimError as error:
            room.pending.remove(pending)
            self.face.refused(room, pending, self.why(room, error))
            return
        room.add(await self._stored(room, pending, acked), self.me.user_id)
        self.face.changed(room)

    def why(self, room: Room, error: GoimError) -> str:
        """What a refusal says, and what to type next."""
        way_out = f": /friend {self.people.username(room.other_id)}" if error.code is ErrorCode.NOT_FRIEND else ""
        told = f"{clean(reason(error))}{way_out}"
        if room is not self.here:
            return t("not sent to {name}: {why}", name=room.title, why=told)
        return t("not sent: {why}", why=told)

    async def _stored(self, room: Room, pending: Pending, acked: SentData) -> Message:
        """What was said; what an earlier try has stored may be something else, of which only that try was told."""
        if acked.duplicate:
            with contextlib.suppress(GoimError, Unreachable):  # it has arrived, whatever it is
                page = await self.api.history(acked.conv_id, after=acked.seq - 1, limit=1)
                for message in page.messages:
                    if message.seq == acked.seq:
                        return message
        return self._said(room, pending, acked)

    def _said(self, room: Room, pending: Pending, acked: SentData) -> Message:
        return Message(
            server_msg_id=acked.server_msg_id,
            client_msg_id=acked.client_msg_id,
            conv_id=acked.conv_id,
            conv_type=room.conv_type,
            from_=self.me.user_id,
            seq=acked.seq,
            timestamp=acked.timestamp,
            type=pending.kind,
            payload=pending.payload,
            recalled=False,
            to=UNSET if room.is_group else room.other_id,
            group_id=room.other_id if room.is_group else UNSET,
            reply_to=pending.reply_to or UNSET,
            mentions=pending.mentions or UNSET,
        )

    async def all_sent(self, patience: float = _PATIENCE) -> int:
        """Wait until all that was said has arrived or was refused; how many did not in this time."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=patience)
        return len(self._sending)

    # what happens to messages

    async def recall(self, message: Message) -> None:
        done = await self.client.recall(message.conv_id, message.server_msg_id)
        data = pushes.RecalledData(
            done.conv_id, message.server_msg_id, message.seq, self.me.user_id, done.change, message.timestamp
        )
        self._own_change(pushes.Recalled(data))

    async def edit(self, message: Message, text: str) -> None:
        done = await self.client.edit(message.conv_id, message.server_msg_id, text)
        payload, now = Raw(msgspec.json.encode({"text": text})), self.clock.now_ms()
        data = pushes.EditedData(done.conv_id, message.server_msg_id, message.seq, payload, now, done.change)
        self._own_change(pushes.Edited(data))

    async def react(self, message: Message, emoji: str) -> None:
        """Put an emoji on a message, or take it off again."""
        mine = any(each.emoji == emoji and self.me.user_id in each.user_ids for each in message.reactions or [])
        done = await self.client.react(message.conv_id, message.server_msg_id, emoji, remove=mine)
        data = pushes.ReactionData(
            done.conv_id, message.server_msg_id, message.seq, self.me.user_id, emoji, mine, done.change
        )
        self._own_change(pushes.Reacted(data))

    def _own_change(self, event: pushes.Recalled | pushes.Edited | pushes.Reacted) -> None:
        room = self.by_conv(event.data.conv_id)
        if room is not None:
            room.take_change(event)
            self.face.changed(room)

    async def read(self, room: Room) -> int:
        """Say that everything here is read; the watermark as it is now."""
        if room.conv_id is None or not room.last_seq:
            return 0
        room.is_mentioned = False
        room.read_seq = max(room.read_seq, room.last_seq)
        self.face.changed(room)
        return await self.client.read(room.conv_id, room.last_seq)

    def typing(self, room: Room) -> None:
        """Let others know, now and then, that a line is being typed."""
        now = self.clock.monotonic()
        if room.conv_id is None or not self.is_connected:
            return
        if now - self._typed_at.get(room.other_id, -_TYPING_EVERY) >= _TYPING_EVERY:
            self._typed_at[room.other_id] = now
            self.spawn(self.client.typing(room.conv_id))
