"""Groups as those who run the server may handle them: any group, without being in it."""

from __future__ import annotations

from collections.abc import Sequence

from goim.clock import Clock
from goim.errors import ErrorCode, GoimError, not_found
from goim.ids import new_id
from goim.model.groups import Group, Member, Role
from goim.model.profiles import checked_name
from goim.services.group_roster import OPERATOR, GroupRoster
from goim.stores.base import Groups, Members, Users


class GroupOperator:
    """For `goimctl` and administrators; asks for no membership and no friendship."""

    def __init__(self, groups: Groups, members: Members, users: Users, roster: GroupRoster, clock: Clock) -> None:
        self._groups = groups
        self._members = members
        self._users = users
        self._roster = roster
        self._clock = clock

    async def get(self, group_id: str) -> Group:
        """Any group."""
        group = await self._groups.get(group_id)
        if group is None:
            raise not_found("group")
        return group

    async def members(self, group_id: str, after: str, limit: int) -> list[Member]:
        """Members with a user id after `after`, by user id."""
        await self.get(group_id)
        return await self._members.page(group_id, after, limit)

    async def create(self, name: str, owner_id: str, user_ids: Sequence[str] = ()) -> Group:
        """Make a group of these people."""
        others = [user_id for user_id in dict.fromkeys(user_ids) if user_id != owner_id]
        await self._check_users([owner_id, *others])
        now = self._clock.now_ms()
        group = Group(group_id=new_id(), name=checked_name("a group's name", name), owner_id=owner_id, created_at=now)
        await self._roster.create(group, others)
        return await self.get(group.group_id)

    async def add(self, group_id: str, user_ids: Sequence[str]) -> list[str]:
        """Let people in and return who is new."""
        await self._check_users(user_ids)
        async with self._roster.turn(group_id):
            return await self._roster.let_in(await self.get(group_id), list(dict.fromkeys(user_ids)), OPERATOR)

    async def remove(self, group_id: str, user_id: str) -> None:
        """Put somebody out, but not the owner."""

        async def put_out() -> bool:
            group, member = await self._member(group_id, user_id)
            if member.role is Role.OWNER:
                raise GoimError(ErrorCode.FORBIDDEN, "give the group another owner first, or disband it")
            return await self._roster.take_out(group, member, OPERATOR)

        await self._roster.do(group_id, put_out)

    async def set_role(self, group_id: str, user_id: str, role: Role) -> None:
        """Give a member another role; `owner` hands the group over."""

        async def give() -> bool:
            group, member = await self._member(group_id, user_id)
            if member.role is role:
                return True
            if member.role is Role.OWNER:
                raise GoimError(ErrorCode.FORBIDDEN, "give the group another owner first")
            if role is Role.OWNER:
                return await self._roster.hand_over(group, member, OPERATOR)
            return await self._roster.set(group, user_id, OPERATOR, {"role": role}) is not None

        await self._roster.do(group_id, give)

    async def disband(self, group_id: str) -> None:
        """End a group for everybody."""

        async def end() -> bool:
            return await self._roster.disband(await self.get(group_id), OPERATOR)

        await self._roster.do(group_id, end)

    async def _member(self, group_id: str, user_id: str) -> tuple[Group, Member]:
        group = await self.get(group_id)
        member = await self._members.get(group_id, user_id)
        if member is None:
            raise not_found("member")
        return group, member

    async def _check_users(self, user_ids: Sequence[str]) -> None:
        known = await self._users.by_ids(user_ids)
        missing = [user_id for user_id in user_ids if user_id not in known]
        if missing:
            raise not_found(f"user: {', '.join(missing)}")
