"""Groups and the people in them."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """What a member may do; every group has exactly one owner."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"

    @property
    def rank(self) -> int:
        """Who stands above whom: a higher rank may act on a lower one."""
        return ("member", "admin", "owner").index(self.value)


class JoinPolicy(StrEnum):
    """How people get in: by themselves, with an admin's consent, or only when invited."""

    OPEN = "open"
    APPROVAL = "approval"
    INVITE = "invite"


class Group(Struct, frozen=True, kw_only=True):
    """A group. `muted` silences everybody but owner and admins."""

    group_id: str
    name: str
    avatar_url: str = ""
    owner_id: str
    join_policy: JoinPolicy = JoinPolicy.OPEN
    muted: bool = False
    member_count: int = 0
    created_at: int

    @property
    def conv_id(self) -> str:
        """The group's one conversation."""
        return f"group:{self.group_id}"


class Member(Struct, frozen=True, kw_only=True):
    """One person in one group. `mute_until` is unix milliseconds, 0 when not muted."""

    group_id: str
    user_id: str
    role: Role = Role.MEMBER
    mute_until: int = 0
    joined_at: int


class Invitation(Struct, frozen=True, kw_only=True):
    """Somebody is wanted in a group: they may come in whatever its policy."""

    group_id: str
    user_id: str
    invited_by: str
    created_at: int


class JoinRequest(Struct, frozen=True, kw_only=True):
    """Somebody wants into a group and waits for an admin's consent."""

    group_id: str
    user_id: str
    created_at: int


class GroupNotice(Struct, frozen=True, kw_only=True):
    """Something that everybody in a group should know, posted by its owner or an admin."""

    notice_id: str
    group_id: str
    title: str
    content: str
    created_by: str
    created_at: int
