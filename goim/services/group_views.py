"""What people are shown of groups and the people in them."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from goim.model.groups import Group, JoinPolicy, Member, Role
from goim.services.accounts import PublicUser


class GroupView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A group as somebody sees it; `role` is theirs, absent while they are not in it."""

    group_id: str
    conv_id: str
    name: str
    avatar_url: str
    owner_id: str
    role: Role | UnsetType = UNSET
    member_count: int
    join_policy: JoinPolicy
    muted: bool
    created_at: int


class MemberView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A member; `mute_until` (unix milliseconds) is absent unless they are muted now."""

    user_id: str
    nickname: str
    role: Role
    mute_until: int | UnsetType = UNSET
    joined_at: int


class JoinRequestView(PublicUser, frozen=True, kw_only=True, rename="camel"):
    """Somebody who asks to be let in."""

    created_at: int


class InvitationView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A group that I am invited into, and by whom."""

    group_id: str
    name: str
    avatar_url: str
    member_count: int
    by: str
    created_at: int


class NoticeView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A notice of a group."""

    notice_id: str
    title: str
    content: str
    created_by: str
    created_at: int


class Added(Struct, frozen=True, rename="camel"):
    """Who is in now, and who was asked to come in; whoever is in neither was inside, is unknown or blocked."""

    added: list[str]
    invited: list[str]


class Created(Struct, frozen=True, rename="camel"):
    """A new group and what became of those who should be in it."""

    group_id: str
    conv_id: str
    added: list[str]
    invited: list[str]


class MemberPage(Struct, frozen=True):
    """Members by user id; `after` is where the next page begins, None at the end."""

    members: list[MemberView]
    after: str | None


def view_of(group: Group, member: Member | None) -> GroupView:
    """A group as `member` sees it, None being anybody else."""
    return GroupView(
        group_id=group.group_id,
        conv_id=group.conv_id,
        name=group.name,
        avatar_url=group.avatar_url,
        owner_id=group.owner_id,
        role=UNSET if member is None else member.role,
        member_count=group.member_count,
        join_policy=group.join_policy,
        muted=group.muted,
        created_at=group.created_at,
    )


def member_view(member: Member, nickname: str, now_ms: int) -> MemberView:
    """A member under the name they gave themselves."""
    return MemberView(
        user_id=member.user_id,
        nickname=nickname,
        role=member.role,
        mute_until=member.mute_until if member.mute_until > now_ms else UNSET,
        joined_at=member.joined_at,
    )
