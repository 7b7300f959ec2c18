"""Somebody's list of conversations: what stands in it, in which order, and what they keep about each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from goim.delivery import Delivery
from goim.errors import invalid
from goim.model.conversations import Conversation, ConvType
from goim.model.groups import Group
from goim.model.messages import Message, MessageRow, Reactions, Span, message_of, with_reactions
from goim.model.users import User
from goim.protocol.pushes import ConversationUpdated, ConversationUpdatedData
from goim.services.access import AccessBook
from goim.services.lines import Line, Lines, Place
from goim.services.second_look import SecondLook, Told, differences
from goim.services.streams import Streams
from goim.stores.base import Conversations, Groups, Users
from goim.stores.base_log import Changes
from goim.turns import Turns

MAX_DRAFT = 4096


class ConversationView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A line as it is shown. `title` is the peer's nickname ("" once erased) or the group's name."""

    conv_id: str
    conv_type: ConvType
    peer_id: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    title: str
    avatar_url: str
    pinned: bool
    muted: bool
    draft: str
    last_seq: int
    last_change: int
    read_seq: int
    unread: int
    last_message: Message | None
    updated_at: int


class ConversationPage(Struct, frozen=True):
    """Part of the list; `before` is where the next part begins, None at the end."""

    conversations: list[ConversationView]
    before: Place | None


class ConversationList:
    """Everybody's own list."""

    def __init__(
        self,
        conversations: Conversations,
        changes: Changes,
        users: Users,
        groups: Groups,
        lines: Lines,
        access: AccessBook,
        delivery: Delivery,
        streams: Streams,
        second_look: SecondLook,
    ) -> None:
        self._conversations = conversations
        self._changes = changes
        self._users = users
        self._groups = groups
        self._lines = lines
        self._access = access
        self._delivery = delivery
        self._streams = streams
        self._second_look = second_look
        self._turns = Turns()

    async def page(self, user_id: str, before: Place | None, limit: int) -> ConversationPage:
        """Pinned first, then the latest. The queries of a page are the same few, however many lines it has."""
        lines, after = await self._lines.page(user_id, before, limit)
        convs = [line.entry.conv for line in lines]
        last_changes = await self._changes.last_changes([conv.conv_id for conv in convs])
        peers = await self._users.by_ids([_peer(user_id, conv) for conv in convs if not conv.group_id])
        groups = await self._groups.by_ids([conv.group_id for conv in convs if conv.group_id])
        spans = [Span(line.newest.conv_id, line.newest.seq, line.newest.seq) for line in lines if line.newest]
        reactions = await self._changes.reactions(spans)
        views: list[ConversationView] = []
        for line, conv in zip(lines, convs, strict=True):
            peer_id = _peer(user_id, conv)
            face = groups.get(conv.group_id) or peers.get(peer_id)
            newest = None if line.newest is None else self._shown(conv, line.newest, reactions)
            views.append(_view(line, peer_id, face, last_changes.get(conv.conv_id, 0), newest))
        return ConversationPage(views, after)

    def _shown(self, conv: Conversation, row: MessageRow, reactions: Reactions) -> Message:
        return with_reactions(self._streams.shown(message_of(conv, row)), reactions)

    async def pin(self, user_id: str, conv_id: str, *, pinned: bool) -> None:
        """Keep it at the top of my list, or not."""
        await self._access.of(user_id, conv_id)
        await self._set(user_id, conv_id, {"pinned": pinned})

    async def mute(self, user_id: str, conv_id: str, *, muted: bool) -> None:
        """Count its unread messages apart and let clients stay silent, or not."""
        await self._access.of(user_id, conv_id)
        await self._set(user_id, conv_id, {"muted": muted})

    async def draft(self, user_id: str, conv_id: str, text: str) -> None:
        """Keep what I have begun to write."""
        if len(text) > MAX_DRAFT:
            raise invalid(f"a draft has at most {MAX_DRAFT} characters")
        await self._access.of(user_id, conv_id)
        await self._set(user_id, conv_id, {"draft": text})

    async def delete(self, user_id: str, conv_id: str) -> None:
        """Hide everything up to now from me; the next message brings the conversation back, without the old ones."""
        await self._access.of(user_id, conv_id)
        await self._lines.hide(user_id, conv_id)
        self._tell(user_id, ConversationUpdatedData(conv_id, deleted=True))

    async def _set(self, user_id: str, conv_id: str, changes: Mapping[str, Any]) -> None:
        """Store and tell, one after another in a line: what is told last is what is stored."""
        async with self._turns.of(f"{user_id} {conv_id}"):
            await self._conversations.set_entry(user_id, conv_id, changes)
            self._tell_set(user_id, conv_id, changes)

    def _tell_set(self, user_id: str, conv_id: str, changes: Mapping[str, Any]) -> None:
        self._tell(user_id, ConversationUpdatedData(conv_id, **changes))

        async def look(told: Told) -> None:
            async with self._turns.of(f"{user_id} {conv_id}"):
                entry = await self._conversations.entry(user_id, conv_id)
                if entry is not None and (stored := differences(told, entry)):
                    self._tell_set(user_id, conv_id, stored)

        self._second_look.note(("line", user_id, conv_id), changes, look)

    def _tell(self, user_id: str, data: ConversationUpdatedData) -> None:
        self._delivery.to_user(user_id, ConversationUpdated(data))


def _peer(user_id: str, conv: Conversation) -> str:
    return conv.peer_of(user_id) if conv.conv_type is ConvType.C2C else ""


def _view(
    line: Line, peer_id: str, face: User | Group | None, last_change: int, newest: Message | None
) -> ConversationView:
    entry, conv = line.entry, line.entry.conv
    return ConversationView(
        conv_id=conv.conv_id,
        conv_type=conv.conv_type,
        peer_id=peer_id or UNSET,
        group_id=conv.group_id or UNSET,
        title=_title(face),
        avatar_url="" if face is None else face.avatar_url,
        pinned=entry.pinned,
        muted=entry.muted,
        draft=entry.draft,
        last_seq=line.last_seq,
        last_change=last_change,
        read_seq=line.read_seq,
        unread=line.unread,
        last_message=newest,
        updated_at=entry.updated_at,
    )


def _title(face: User | Group | None) -> str:
    if face is None:
        return ""
    return face.name if isinstance(face, Group) else face.nickname
