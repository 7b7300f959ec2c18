"""Messages: what a client asks for (draft), what is stored and shown (message), and what happens to one later
(change)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from goim.model.conversations import Conversation, ConvType

SentKey = tuple[str, str, str]
"""(conversation, sender, client_msg_id): a message is stored once for each."""


class Extras(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The rarer properties of a message, stored together as one JSON column."""

    edited_at: int | UnsetType = UNSET
    burn_after_read: bool | UnsetType = UNSET
    reply_to: str | UnsetType = UNSET
    mentions: list[str] | UnsetType = UNSET
    stream_status: str | UnsetType = UNSET
    stream_index: int | UnsetType = UNSET


class Draft(Struct):
    """A message that its sender may send, before it has a seq. `payload` and `extras` are JSON text."""

    conv: Conversation
    from_user_id: str
    client_msg_id: str
    type: str
    payload: str
    expire_at: int | None = None
    extras: str | None = None

    @property
    def sent_key(self) -> SentKey:
        """What makes a resend recognisable."""
        return (self.conv.conv_id, self.from_user_id, self.client_msg_id)


class MessageRow(NamedTuple):
    """A row of the log, in the order of its columns."""

    conv_id: str
    seq: int
    from_user_id: str
    client_msg_id: str
    type: str
    payload: str | None
    timestamp: int
    recalled: int
    expire_at: int | None
    extras: str | None

    @property
    def sent_key(self) -> SentKey:
        """By which it is recognised if it is sent once more."""
        return (self.conv_id, self.from_user_id, self.client_msg_id)


class RowEdit(NamedTuple):
    """All that may change of a row, as it is to be."""

    payload: str | None
    extras: str | None
    recalled: int = 0


EMPTIED = RowEdit(payload=None, extras=None, recalled=1)
"""What is left of a recalled message: its place."""
BURNED = EMPTIED._replace(extras='{"burnAfterRead":true}')
"""And of one that was burned: that it was."""


class Reaction(NamedTuple):
    """Somebody's emoji on a message."""

    user_id: str
    emoji: str


class Span(NamedTuple):
    """Messages of one conversation, from the first seq to the last one."""

    conv_id: str
    first: int
    last: int


Reactions = Mapping[tuple[str, int], list[Reaction]]
"""What people put on messages: by conversation and seq, in the order they were made."""


class Sent(Struct, frozen=True, gc=False):
    """Where a message stands in the log: what its ack says. `is_duplicate`: it stood there before."""

    seq: int
    timestamp: int
    is_duplicate: bool


class Reacted(Struct, frozen=True, rename="camel"):
    """Everybody who put one emoji on a message, the first one first."""

    emoji: str
    user_ids: list[str]


class Message(Struct, frozen=True, kw_only=True, gc=False, rename="camel", omit_defaults=True):
    """The message object of the contract, the same in pushes, history, sync and favourites.

    Times in unix milliseconds.
    """

    server_msg_id: str
    client_msg_id: str
    conv_id: str
    conv_type: ConvType
    from_: str = msgspec.field(name="from")
    to: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    seq: int
    timestamp: int
    type: str
    payload: Raw | None
    recalled: bool
    edited_at: int | UnsetType = UNSET
    expire_at: int | UnsetType = UNSET
    burn_after_read: bool | UnsetType = UNSET
    reply_to: str | UnsetType = UNSET
    mentions: list[str] | UnsetType = UNSET
    reactions: list[Reacted] | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    stream_status: str | UnsetType = UNSET
    stream_index: int | UnsetType = UNSET


class Change(Struct, frozen=True, kw_only=True):
    """Something that happened to a message later; `action` and `data` are those of its push."""

    change: int
    action: str
    data: Raw


_decode_extras = msgspec.json.Decoder(Extras).decode
_NO_EXTRAS = Extras()


def message_of(conv: Conversation, row: MessageRow) -> Message:
    """The message object that a row of the log stands for."""
    is_c2c = conv.conv_type is ConvType.C2C
    message = Message(
        server_msg_id=conv.message_id(row.seq),
        client_msg_id=row.client_msg_id,
        conv_id=conv.conv_id,
        conv_type=conv.conv_type,
        from_=row.from_user_id,
        to=conv.peer_of(row.from_user_id) if is_c2c else UNSET,
        group_id=UNSET if is_c2c else conv.group_id,
        seq=row.seq,
        timestamp=row.timestamp,
        type=row.type,
        payload=None if row.recalled or row.payload is None else Raw(row.payload.encode()),
        recalled=bool(row.recalled),
        expire_at=UNSET if row.expire_at is None else row.expire_at,
    )
    return with_extras(message, extras_of(row)) if row.extras else message


def with_extras(message: Message, extras: Extras) -> Message:
    """A message with its rarer properties."""
    return replace(
        message,
        edited_at=extras.edited_at,
        burn_after_read=extras.burn_after_read,
        reply_to=extras.reply_to,
        mentions=extras.mentions,
        stream_id=UNSET if extras.stream_status is UNSET else message.server_msg_id,
        stream_status=extras.stream_status,
        stream_index=extras.stream_index,
    )


def extras_of(row: MessageRow) -> Extras:
    """The rarer properties of a stored message."""
    return _decode_extras(row.extras) if row.extras else _NO_EXTRAS


def encode_extras(extras: Extras) -> str | None:
    """Extras as they are stored: None when there are none."""
    return None if extras == _NO_EXTRAS else msgspec.json.encode(extras).decode()


def reacted(reactions: list[Reaction]) -> list[Reacted]:
    """Reactions as a message shows them: by emoji, in the order they came."""
    by_emoji: dict[str, list[str]] = {}
    for reaction in reactions:
        by_emoji.setdefault(reaction.emoji, []).append(reaction.user_id)
    return [Reacted(emoji, user_ids) for emoji, user_ids in by_emoji.items()]


def with_reactions(message: Message, reactions: Reactions) -> Message:
    """A message with what people put on it; what was recalled shows nothing."""
    found = reactions.get((message.conv_id, message.seq))
    return message if found is None or message.recalled else replace(message, reactions=reacted(found))


class _Place(Struct, frozen=True):
    """Which message a change happened to."""

    seq: int


_decode_place = msgspec.json.Decoder(_Place).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_WORDS = {"edited": {"payload": Raw(b"null")}, "stream_end": {"text": Raw(b'""')}}
TELLING = tuple(_WORDS)
"""The changes that tell what a message says."""


def seq_of_change(change: Change) -> int:
    """Which message a change happened to."""
    return _decode_place(change.data).seq


def seqs_told(changes: Sequence[Change]) -> set[int]:
    """The messages of which some of these changes tell what they say."""
    return {seq_of_change(each) for each in changes if each.action in _WORDS}


def without_words(changes: Sequence[Change], hidden: Collection[int]) -> list[Change]:
    """The same changes, but of the messages `hidden` none tells what they say; all numbers stay."""
    return [_wordless(each) if each.action in _WORDS and seq_of_change(each) in hidden else each for each in changes]


def wordless(changes: Sequence[Change]) -> list[Change]:
    """Those of these changes that tell what a message says, without that."""
    return [_wordless(each) for each in changes if each.action in _WORDS]


def _wordless(change: Change) -> Change:
    return replace(change, data=wordless_data(change.action, change.data))


def wordless_data(action: str, data: Raw) -> Raw:
    """The data of a change's push without what it tells of the message."""
    words = _WORDS.get(action)
    return data if words is None else Raw(msgspec.json.encode({**_decode_fields(data), **words}))
