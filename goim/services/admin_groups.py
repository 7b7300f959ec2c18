"""Groups as administrators handle them: any group, without being in it."""

from __future__ import annotations

from collections.abc import Sequence

from goim.errors import invalid
from goim.model.groups import Role
from goim.services.accounts import MAX_SEARCH
from goim.services.admin_views import (
    AdminGroup,
    AdminGroupPage,
    AdminMemberPage,
    admin_group,
    admin_member,
)
from goim.services.administrators import Administrators
from goim.services.group_operator import GroupOperator
from goim.services.groups import MAX_ADDED
from goim.stores.base import Users
from goim.stores.base_overview import Overview


class AdminGroups:
    """What is done names the administrator who does it. Reading is for `goimctl` as well."""

    def __init__(self, admins: Administrators, overview: Overview, operator: GroupOperator, users: Users) -> None:
        self._admins = admins
        self._overview = overview
        self._operator = operator
        self._users = users

    # looking

    async def page(self, query: str, after: str, limit: int) -> AdminGroupPage:
        """Groups with `query` as their id or in their name, the oldest first."""
        if len(query) > MAX_SEARCH:
            raise invalid(f"q has at most {MAX_SEARCH} characters")
        found = await self._overview.groups(query, after, limit + 1)
        page = found[:limit]
        return AdminGroupPage([admin_group(group) for group in page], page[-1].group_id if len(found) > limit else None)

    async def show(self, group_id: str) -> AdminGroup:
        return admin_group(await self._operator.get(group_id))

    async def members(self, group_id: str, after: str, limit: int) -> AdminMemberPage:
        """Who is in a group, by user id."""
        found = await self._operator.members(group_id, after, limit + 1)
        page = found[:limit]
        users = await self._users.by_ids([member.user_id for member in page])
        views = [admin_member(member, users.get(member.user_id)) for member in page]
        return AdminMemberPage(views, page[-1].user_id if len(found) > limit else None)

    # doing

    async def create(self, admin_id: str, name: str, owner_id: str, user_ids: Sequence[str]) -> AdminGroup:
        """Make a group of these people, whoever they are to each other."""
        with self._admins.act(admin_id, "create_group", owner_id=owner_id):
            _check_number(user_ids)
            return admin_group(await self._operator.create(name, owner_id, user_ids))

    async def disband(self, admin_id: str, group_id: str) -> None:
        """End a group for everybody."""
        with self._admins.act(admin_id, "disband_group", group_id=group_id):
            await self._operator.disband(group_id)

    async def add(self, admin_id: str, group_id: str, user_ids: Sequence[str]) -> list[str]:
        """Let people in, whatever the group's policy, and return who is new."""
        with self._admins.act(admin_id, "add_members", group_id=group_id, user_ids=user_ids):
            _check_number(user_ids)
            return await self._operator.add(group_id, user_ids)

    async def remove(self, admin_id: str, group_id: str, user_id: str) -> None:
        """Put somebody out, but not the owner."""
        with self._admins.act(admin_id, "remove_member", group_id=group_id, user_id=user_id):
            await self._operator.remove(group_id, user_id)

    async def set_role(self, admin_id: str, group_id: str, user_id: str, role: Role) -> None:
        """Give a member another role; `owner` hands the group over."""
        with self._admins.act(admin_id, "set_role", group_id=group_id, user_id=user_id, role=role.value):
            await self._operator.set_role(group_id, user_id, role)


def _check_number(user_ids: Sequence[str]) -> None:
    if len(user_ids) > MAX_ADDED:
        raise invalid(f"at most {MAX_ADDED} people at once")
