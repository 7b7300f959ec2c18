"""Who sees a group, who is in it and who stands above whom: asked before anything is done in one."""

from __future__ import annotations

from goim.errors import ErrorCode, GoimError, not_found
from goim.model.groups import Group, JoinPolicy, Member, Role
from goim.stores.base import Groups, Members
from goim.stores.base_admissions import Admissions

_WHO = {Role.ADMIN: "owner and admins of the group", Role.OWNER: "owner of the group"}


class GroupGate:
    """Answers with the group and the member, or refuses."""

    def __init__(self, groups: Groups, members: Members, admissions: Admissions) -> None:
        self._groups = groups
        self._members = members
        self._admissions = admissions

    async def seen(self, user_id: str, group_id: str) -> tuple[Group, Member | None]:
        """A group that the user is in, or may see from outside; else there is none."""
        group = await self._groups.get(group_id)
        if group is None:
            raise not_found("group")
        member = await self._members.get(group_id, user_id)
        is_hidden = member is None and group.join_policy is JoinPolicy.INVITE
        if is_hidden and not await self._admissions.is_invited(group_id, user_id):
            raise not_found("group")
        return group, member

    async def inside(self, user_id: str, group_id: str, least: Role = Role.MEMBER) -> tuple[Group, Member]:
        """A group that the user is in with at least this role."""
        group, member = await self.seen(user_id, group_id)
        if member is None:
            raise GoimError(ErrorCode.NOT_GROUP_MEMBER, "you are not in this group")
        if member.role.rank < least.rank:
            raise GoimError(ErrorCode.FORBIDDEN, f"this is for the {_WHO[least]}")
        return group, member

    async def below(self, user_id: str, group_id: str, other_id: str) -> tuple[Group, Member]:
        """A member of a lower rank than the user, who is at least an admin."""
        group, me = await self.inside(user_id, group_id, Role.ADMIN)
        other = await self._members.get(group_id, other_id)
        if other is None:
            raise not_found("member")
        if other.role.rank >= me.role.rank:
            raise GoimError(ErrorCode.FORBIDDEN, "this takes a higher rank than theirs")
        return group, other
