"""A conversation as it stands on this device. Pure: what becomes of it is told by whoever hears it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from goim.client.answers import Conversation, Message
from goim.client.events import Changed
from goim.model.conversations import ConvType
from goim.model.messages import Reacted
from goim.protocol import pushes

TYPING_SECONDS = 6.0
_Payload = dict[str, object]


class Pending(Struct, frozen=True, kw_only=True):
    """A message on its way: sent again until it is acknowledged or refused."""

    client_msg_id: str
    kind: str
    payload: _Payload
    reply_to: str | None = None
    mentions: list[str] = []
    timestamp: int = 0


class Room(Struct, kw_only=True, eq=False):
    """Messages by `seq` from the earliest that was loaded on; `conv_id` is None until something was said there."""

    other_id: str
    conv_type: ConvType
    title: str
    conv_id: str | None = None
    last_seq: int = 0
    read_seq: int = 0
    is_pinned: bool = False
    is_muted: bool = False
    is_mentioned: bool = False
    updated_at: int = 0
    latest: Message | None = None
    messages: dict[int, Message] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    has_earlier: bool = True
    is_loaded: bool = False
    draft: str = ""
    members: list[str] = []
    """Of a group: as many as the server tells at once."""
    read_by: dict[str, int] = field(default_factory=dict)
    typing: dict[str, float] = field(default_factory=dict)
    """Who is typing, until when."""

    @property
    def is_group(self) -> bool:
        return self.conv_type is ConvType.GROUP

    @property
    def unread(self) -> int:
        return max(self.last_seq - self.read_seq, 0)

    def ordered(self) -> list[Message]:
        """What was said, the first first."""
        return [self.messages[seq] for seq in sorted(self.messages)]

    def find(self, server_msg_id: str) -> Message | None:
        return next((m for m in self.messages.values() if m.server_msg_id == server_msg_id), None)

    def readers(self, message: Message) -> int:
        """How many others are known to have read it."""
        return sum(seq >= message.seq for user_id, seq in self.read_by.items() if user_id != message.from_)

    # what becomes of it

    def take_line(self, line: Conversation) -> None:
        """What the list of conversations says of it."""
        self.conv_id = line.conv_id
        self.last_seq = max(self.last_seq, line.last_seq)
        self.read_seq = max(self.read_seq, line.read_seq)
        self.is_pinned, self.is_muted = line.pinned, line.muted
        self.updated_at = max(self.updated_at, line.updated_at)
        if line.last_message and line.last_message.seq >= (self.latest.seq if self.latest else 0):
            self.latest = line.last_message

    def add(self, message: Message, me: str) -> None:
        """Something was said."""
        self.conv_id = message.conv_id
        self.last_seq = max(self.last_seq, message.seq)
        self.updated_at = max(self.updated_at, message.timestamp)
        self.typing.pop(message.from_, None)
        self.pending = [each for each in self.pending if each.client_msg_id != message.client_msg_id]
        if message.from_ == me:
            self.read_seq = max(self.read_seq, message.seq)
        else:
            self.has_read(message.from_, message.seq)
        if self.latest is None or message.seq >= self.latest.seq:
            self.latest = message
        if self.is_loaded:
            self.messages[message.seq] = message

    def add_earlier(self, messages: Iterable[Message], *, has_more: bool) -> None:
        """A page of history before what is there."""
        self.messages |= {message.seq: message for message in messages}
        self.has_earlier = has_more
        self.is_loaded = True

    def has_read(self, user_id: str, seq: int) -> None:
        self.read_by[user_id] = max(self.read_by.get(user_id, 0), seq)

    def take_text(self, message: Message) -> None:
        """A stream as it stands."""
        if message.seq in self.messages:
            self._put(message)

    def take_change(self, event: Changed | pushes.Replaced) -> None:
        """Something happened to a message."""
        for held in (self.messages.get(event.data.seq), self.latest):
            if held is not None and held.seq == event.data.seq:
                self._put(_changed(held, event))

    def take_chunk(self, data: pushes.StreamChunkData) -> None:
        """A stream has grown; what is in its text already is passed over."""
        message = self.messages.get(data.seq)
        if message is None or message.payload is None or (message.stream_index or 0) >= data.index:
            return
        text = f"{message.payload.get('text', '')}{data.delta}"
        self._put(replace(message, payload=message.payload | {"text": text}, stream_index=data.index))

    def _put(self, message: Message) -> None:
        if message.seq in self.messages:
            self.messages[message.seq] = message
        if self.latest is not None and self.latest.seq == message.seq:
            self.latest = message


def _changed(message: Message, event: Changed | pushes.Replaced) -> Message:
    match event:
        case pushes.Recalled(data):
            is_burned = True if data.reason == "burned" else UNSET
            return replace(message, recalled=True, payload=None, reactions=[], burn_after_read=is_burned)
        case pushes.Edited(data):
            payload = msgspec.json.decode(data.payload, type=_Payload | None)
            # Without one the message is gone by now, which a later change or its own time says.
            return message if payload is None else replace(message, payload=payload, edited_at=data.edited_at)
        case pushes.Replaced(data):
            return replace(message, payload=msgspec.json.decode(data.payload, type=_Payload))
        case pushes.Reacted(data):
            return replace(message, reactions=_reacted(message.reactions or [], data))
        case pushes.StreamEnd(data):
            said = {"text": data.text} if message.payload is not None else None
            return replace(message, payload=said, stream_status=data.stream_status)


def _reacted(before: list[Reacted], data: pushes.ReactionData) -> list[Reacted]:
    """The reactions after one more or less."""
    users = {each.emoji: each.user_ids for each in before}
    others = [user_id for user_id in users.get(data.emoji, []) if user_id != data.user_id]
    if data.removed:
        users[data.emoji] = others
    elif data.user_id not in users.get(data.emoji, []):
        users[data.emoji] = [*others, data.user_id]
    return [Reacted(emoji=emoji, user_ids=ids) for emoji, ids in users.items() if ids]
