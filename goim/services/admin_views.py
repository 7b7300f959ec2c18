"""What administrators are shown, over HTTP and by `goimctl`."""

from __future__ import annotations

from msgspec import Struct

from goim.model.groups import Group, JoinPolicy, Member, Role
from goim.model.users import Session, User


class AdminUser(Struct, frozen=True, kw_only=True, rename="camel"):
    """An account."""

    user_id: str
    username: str
    nickname: str
    avatar_url: str
    is_admin: bool
    is_disabled: bool
    created_at: int


class AdminUserDetails(AdminUser, frozen=True, kw_only=True, rename="camel"):
    """An account, how many sessions and groups it has, and when a device of it was last seen (0: never)."""

    sessions: int
    groups: int
    last_seen: int


class AdminSession(Struct, frozen=True, kw_only=True, rename="camel"):
    """A login; `deviceId` is null when it named no device."""

    session_id: str
    device_id: str | None
    created_at: int
    expires_at: int


class AdminGroup(Struct, frozen=True, kw_only=True, rename="camel"):
    """A group."""

    group_id: str
    conv_id: str
    name: str
    avatar_url: str
    owner_id: str
    member_count: int
    join_policy: JoinPolicy
    muted: bool
    created_at: int


class AdminMember(Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody in a group; `muteUntil` is 0 when they are not muted."""

    user_id: str
    username: str
    nickname: str
    role: Role
    mute_until: int
    joined_at: int


class AdminUserPage(Struct, frozen=True):
    """Some accounts, and the id to go on after if there are more."""

    users: list[AdminUser]
    after: str | None


class AdminGroupPage(Struct, frozen=True):
    groups: list[AdminGroup]
    after: str | None


class AdminMemberPage(Struct, frozen=True):
    members: list[AdminMember]
    after: str | None


def admin_user(user: User) -> AdminUser:
    return AdminUser(
        user_id=user.user_id,
        username=user.username,
        nickname=user.nickname,
        avatar_url=user.avatar_url,
        is_admin=user.is_admin,
        is_disabled=user.is_disabled,
        created_at=user.created_at,
    )


def admin_session(session: Session) -> AdminSession:
    return AdminSession(
        session_id=session.session_id,
        device_id=session.device_id,
        created_at=session.created_at,
        expires_at=session.expires_at,
    )


def admin_group(group: Group) -> AdminGroup:
    return AdminGroup(
        group_id=group.group_id,
        conv_id=group.conv_id,
        name=group.name,
        avatar_url=group.avatar_url,
        owner_id=group.owner_id,
        member_count=group.member_count,
        join_policy=group.join_policy,
        muted=group.muted,
        created_at=group.created_at,
    )


def admin_member(member: Member, user: User | None) -> AdminMember:
    """Who is erased at this moment is in the group a little longer, without a name."""
    return AdminMember(
        user_id=member.user_id,
        username=user.username if user else "",
        nickname=user.nickname if user else "",
        role=member.role,
        mute_until=member.mute_until,
        joined_at=member.joined_at,
    )
