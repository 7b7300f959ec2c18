"""A conversation: between two people or a group's, and what one member keeps about it."""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from goim.ids import conversation_key, message_id, seq_of

_CHOSEN_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


class ConvType(StrEnum):
    """`c2c` is between two people, `group` is a group's."""

    C2C = "c2c"
    GROUP = "group"


class Conversation(Struct, frozen=True, kw_only=True):
    """Who it is between never changes.

    `user_a` < `user_b` in c2c, `group_id` is set in a group's; `key` starts its message ids.
    """

    conv_id: str
    conv_type: ConvType
    user_a: str = ""
    user_b: str = ""
    group_id: str = ""
    key: str
    created_at: int

    @property
    def subject(self) -> str:
        """What there is exactly one conversation for: the pair, or the group."""
        return pair_subject(self.user_a, self.user_b) if self.conv_type is ConvType.C2C else f"group:{self.group_id}"

    def peer_of(self, user_id: str) -> str:
        """The other one of a pair."""
        return self.user_b if user_id == self.user_a else self.user_a

    def message_id(self, seq: int) -> str:
        """The `serverMsgId` of message `seq`."""
        return message_id(self.key, seq)

    def seq_of(self, server_msg_id: str) -> int | None:
        """The seq of a message of this conversation, or None for anything else."""
        return seq_of(self.key, server_msg_id)


class Entry(Struct, frozen=True, kw_only=True):
    """A line of somebody's conversation list. `updated_at` is 0 while the conversation is hidden from the list."""

    conv: Conversation
    pinned: bool = False
    muted: bool = False
    draft: str = ""
    updated_at: int = 0
    read_seq: int = 0


class Receipt(Struct, frozen=True, kw_only=True):
    """How far a member has read, and when that was said."""

    conv_id: str
    user_id: str
    seq: int
    read_at: int


class Activity(Struct, frozen=True, kw_only=True):
    """A conversation moved: its place in the lists of these people."""

    conv_id: str
    user_ids: tuple[str, ...]
    at: int


def pair_subject(one: str, other: str) -> str:
    """The canonical id of a pair's conversation, whichever of the two asks."""
    return f"c2c:{one}:{other}" if one < other else f"c2c:{other}:{one}"


def c2c(one: str, other: str, *, conv_id: str | None = None, created_at: int = 0) -> Conversation:
    """The conversation of a pair, under a chosen id or the canonical one."""
    chosen = conv_id or pair_subject(one, other)
    return Conversation(
        conv_id=chosen,
        conv_type=ConvType.C2C,
        user_a=min(one, other),
        user_b=max(one, other),
        key=conversation_key(chosen),
        created_at=created_at,
    )


def of_group(group_id: str, *, created_at: int = 0) -> Conversation:
    """The one conversation of a group."""
    conv_id = f"group:{group_id}"
    return Conversation(
        conv_id=conv_id,
        conv_type=ConvType.GROUP,
        group_id=group_id,
        key=conversation_key(conv_id),
        created_at=created_at,
    )


def may_be_chosen(conv_id: str) -> bool:
    """Whether a client may give a conversation this id (canonical ids contain a colon, so they never match)."""
    return _CHOSEN_ID.fullmatch(conv_id) is not None
