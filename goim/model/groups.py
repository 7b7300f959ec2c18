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
