"""Who may do what in which conversation: asked once, remembered until somebody changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from goim.clock import Clock
from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.lookups import Lookups
from goim.lru import Recent
from goim.model.conversations import Conversation, ConvType, c2c, may_be_chosen, pair_subject
from goim.model.groups import Role
from goim.notices import AccessChanged, Interrupted, Notices
from goim.stores.base import Blocks, Conversations, Friends, Groups, Members, Taken

_REMEMBERED = 100_000
_FOREVER = 1 << 62
Learn = Callable[[Mapping[str, Sequence[str]]], Awaitable[None]]
"""Finds out what must be known of people in groups before their connections receive these."""


class Target(Protocol):
    """How a request names a conversation."""

    @property
    def conv_id(self) -> str | None: ...
    @property
    def conv_type(self) -> ConvType | None: ...
    @property
    def to(self) -> str | None: ...
    @property
    def group_id(self) -> str | None: ...


class Access(Struct, frozen=True, kw_only=True):
    """That somebody is in a conversation and so may read it.

    `refusal` says why they may not write, `mute_until` until when; `member_count` is 2 in a pair. `asked_at` counts
    the changes of anybody's access before it was looked up.
    """

    conv: Conversation
    role: Role | None = None
    member_count: int = 2
    refusal: GoimError | None = None
    mute_until: int = 0
    asked_at: int = 0

    def why_not(self, now_ms: int) -> GoimError | None:
        """What keeps them from writing: a new error each time, for one that is raised keeps all it went through, and
        this is remembered."""
        if self.refusal is not None:
            return GoimError(self.refusal.code, self.refusal.message)
        return GoimError(ErrorCode.MUTED, "you are muted in this group") if self.mute_until > now_ms else None

    def check_write(self, now_ms: int) -> None:
        """Raise what keeps them from writing."""
        refusal = self.why_not(now_ms)
        if refusal is not None:
            raise refusal


class AccessBook:
    """Finds conversations and what people may do in them. One in the memory costs two dict look-ups."""

    def __init__(
        self,
        conversations: Conversations,
        friends: Friends,
        blocks: Blocks,
        groups: Groups,
        members: Members,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._friends = friends
        self._blocks = blocks
        self._groups = groups
        self._groups_of: Lookups[str, list[str]] = Lookups(self.groups_of_all)
        self.learn: Learn | None = None
        self._members = members
        self._notices = notices
        self._clock = clock
        self._known: Recent[str, dict[str, Access]] = Recent(_REMEMBERED)
        self._pairs: Recent[tuple[str, str | None], str] = Recent(_REMEMBERED)
        self._changes = self._all_changed = 0
        self._changed_at: Recent[str, int] = Recent(_REMEMBERED)
        notices.on(AccessChanged, lambda notice: self._forget(notice.conv_id))
        notices.on(Interrupted, lambda _: self._forget_all())

    def cached(self, user_id: str, target: Target) -> Access | None:
        """The answer if it is remembered and the request names the conversation without contradiction."""
        named, to, group_id, kind = target.conv_id, target.to, target.group_id, target.conv_type
        if named is not None:
            conv_id: str | None = named
        elif group_id is None:
            conv_id = self._pairs.get((user_id, to))
        else:
            conv_id = f"group:{group_id}" if to is None else None
        known = None if conv_id is None else self._known.get(conv_id)
        access = None if known is None else known.get(user_id)
        if access is None or (named is not None and not _agrees(access.conv, user_id, target)):
            return None
        return access if kind is None or kind is access.conv.conv_type else None  # found by the rest, so that is true

    def remembered(self, user_id: str, conv_id: str) -> Access | None:
        """The answer if it is remembered."""
        known = self._known.get(conv_id)
        return None if known is None else known.get(user_id)

    async def resolve(self, user_id: str, target: Target) -> Access:
        """Find the conversation a request names, or make the pair's first; `NOT_FOUND` where the user is not in it."""
        kind = target.conv_type
        if kind is ConvType.GROUP or (kind is None and target.group_id is not None):
            return await self._resolve_group(user_id, target)
        if target.to is not None:
            return await self._resolve_pair(user_id, target.to, target.conv_id)
        if target.conv_id is None:
            raise invalid("say where to: convId, or convType with to or groupId")
        access = await self.of(user_id, target.conv_id)
        if not _agrees(access.conv, user_id, target):
            raise GoimError(ErrorCode.CONV_CONFLICT, "this conversation is of another type")
        return access

    async def of(self, user_id: str, conv_id: str, conv: Conversation | None = None) -> Access:
        """What the user may do in a conversation (`conv`, if that is at hand); `NOT_FOUND` if it is not theirs or is
        not."""
        known = self._known.get(conv_id)
        if known is not None and user_id in known:
            return known[user_id]
        while True:
            asked_at = self._changes
            conv = conv or await self._conversations.get(conv_id)  # one that is there stays there, and as it is
            access = None if conv is None else await self._load(user_id, conv, asked_at)
            if access is None:
                raise not_found("conversation")
            if self.is_current(access):
                self._remember(user_id, access)
                return access

    def is_current(self, access: Access) -> bool:
        """Whether nobody changed who may do what in this conversation since the access was looked up."""
        return max(self._changed_at.get(access.conv.conv_id) or 0, self._all_changed) <= access.asked_at

    async def of_group(self, user_id: str, group_id: str) -> Access:
        """What a member may do in a group's conversation; `NOT_FOUND` for anybody else."""
        return await self.of(user_id, f"group:{group_id}")

    async def groups_of(self, user_id: str) -> list[str]:
        """The ids of all groups a user is in: what their connections are subscribed to."""
        return await self._groups_of.of(user_id) or []

    async def groups_of_all(self, user_ids: Collection[str]) -> Mapping[str, list[str]]:
        """The same of several, those who are in none left out."""
        found = await self._groups.ids_of_users(user_ids)
        if self.learn is not None:
            await self.learn(found)
        return found

    async def may_reach(self, user_id: str, other_id: str) -> GoimError | None:
        """Why one may not write to the other, or None when they are friends and neither blocks the other."""
        is_blocked, halves = await asyncio.gather(
            self._blocks.is_between(user_id, other_id), self._friends.halves(user_id, other_id)
        )
        if is_blocked:
            return GoimError(ErrorCode.BLOCKED, "one of you has blocked the other")
        if not all(halves):
            return GoimError(ErrorCode.NOT_FRIEND, "you are not friends")
        return None

    async def relation_changed(self, one: str, other: str) -> None:
        """Two people became or ceased to be friends, or a block between them came or went."""
        conv = await self._conversations.by_subject(pair_subject(one, other))
        if conv is not None:
            self._notices.emit(AccessChanged(conv.conv_id))

    def group_changed(self, group_id: str) -> None:
        """A group, its mute, its members or their roles changed."""
        self._notices.emit(AccessChanged(f"group:{group_id}"))

    async def _resolve_group(self, user_id: str, target: Target) -> Access:
        if target.group_id is None:
            if target.conv_id is None:
                raise invalid("a group message says groupId or convId")
            access = await self.of(user_id, target.conv_id)
            if access.conv.conv_type is not ConvType.GROUP:
                raise GoimError(ErrorCode.CONV_CONFLICT, "this conversation is not a group's")
            return access
        access = await self.of_group(user_id, target.group_id)
        if not _agrees(access.conv, user_id, target):
            own = access.conv.conv_id
            raise GoimError(ErrorCode.CONV_CONFLICT, f"the conversation of this group is {own}", conv_id=own)
        return access

    async def _resolve_pair(self, user_id: str, to: str, chosen: str | None) -> Access:
        if to == user_id:
            raise invalid("a message goes to somebody else")
        if len(to) > 64:
            raise invalid("`to` is not a user id")
        subject = pair_subject(user_id, to)
        conv = await self._conversations.by_subject(subject)
        if conv is None:
            refusal = await self.may_reach(user_id, to)
            if refusal is not None:
                raise refusal
            chosen_id = _acceptable(chosen, subject)
            conv = await self._create(c2c(user_id, to, conv_id=chosen_id, created_at=self._clock.now_ms()))
        self._pairs.put((user_id, to), conv.conv_id)
        if chosen is not None and chosen != conv.conv_id:
            raise GoimError(
                ErrorCode.CONV_CONFLICT, f"your conversation with this user is {conv.conv_id}", conv_id=conv.conv_id
            )
        return await self.of(user_id, conv.conv_id, conv)

    async def _create(self, conv: Conversation) -> Conversation:
        try:
            return await self._conversations.create(conv)
        except Taken:
            raise GoimError(ErrorCode.CONV_CONFLICT, "this convId is taken by other people") from None

    async def _load(self, user_id: str, conv: Conversation, asked_at: int) -> Access | None:
        if conv.conv_type is ConvType.GROUP:
            return await self._load_group(user_id, conv, asked_at)
        if user_id not in (conv.user_a, conv.user_b):
            return None
        refusal = await self.may_reach(user_id, conv.peer_of(user_id))
        return Access(conv=conv, refusal=refusal, asked_at=asked_at)

    async def _load_group(self, user_id: str, conv: Conversation, asked_at: int) -> Access | None:
        member, group = await asyncio.gather(self._members.get(conv.group_id, user_id), self._groups.get(conv.group_id))
        if member is None or group is None:
            return None
        silenced = group.muted and member.role is Role.MEMBER
        mute_until = _FOREVER if silenced else member.mute_until
        return Access(
            conv=conv, role=member.role, member_count=group.member_count, mute_until=mute_until, asked_at=asked_at
        )

    def _remember(self, user_id: str, access: Access) -> None:
        known = self._known.get(access.conv.conv_id)
        if known is None:
            known = {}
            self._known.put(access.conv.conv_id, known)
        known[user_id] = access

    def _forget_all(self) -> None:
        self._changes += 1
        self._all_changed = self._changes
        self._known.clear()

    def _forget(self, conv_id: str) -> None:
        self._changes += 1
        self._changed_at.put(conv_id, self._changes)
        self._known.drop(conv_id)


def _agrees(conv: Conversation, user_id: str, target: Target) -> bool:
    """Whether everything a request says of a conversation is true of this one."""
    return (
        (target.conv_id is None or target.conv_id == conv.conv_id)
        and (target.conv_type is None or target.conv_type is conv.conv_type)
        and (target.group_id is None or target.group_id == conv.group_id)
        and (target.to is None or (conv.conv_type is ConvType.C2C and target.to == conv.peer_of(user_id)))
    )


def _acceptable(chosen: str | None, subject: str) -> str | None:
    """A convId a client may choose for a pair: canonical ids only if they are the pair's own."""
    if chosen is None or chosen == subject:
        return None
    if chosen.startswith(("c2c:", "group:")):
        raise GoimError(ErrorCode.CONV_CONFLICT, "this convId belongs to other people")
    if not may_be_chosen(chosen):
        raise invalid("a convId has 1 to 64 characters of A-Z a-z 0-9 _ . -")
    return chosen
