"""Everybody and every group in memory: the twin of `sql_overview` for tests."""

from __future__ import annotations

from msgspec.structs import replace

from goim.model.groups import Group
from goim.model.overview import Counts, UserFilter
from goim.model.users import User
from goim.stores.memory_data import MemoryData


class MemoryOverview:
    """`Overview` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def users(self, wanted: UserFilter, after: str, limit: int) -> list[User]:
        users = [self._data.users[user_id] for user_id in sorted(self._data.users) if user_id > after]
        return [user for user in users if _is_wanted(user, wanted)][:limit]

    async def groups(self, query: str, after: str, limit: int) -> list[Group]:
        groups = [self._data.groups[group_id] for group_id in sorted(self._data.groups) if group_id > after]
        return [group for group in groups if query == group.group_id or query.lower() in group.name.lower()][:limit]

    async def counts(self) -> Counts:
        users = self._data.users.values()
        return Counts(
            users=len(users),
            admins=sum(user.is_admin for user in users),
            disabled=sum(user.is_disabled for user in users),
            groups=len(self._data.groups),
        )

    async def disable(self, admin_id: str, user_id: str) -> bool:
        admin, user = self._data.users.get(admin_id), self._data.users.get(user_id)
        if admin is None or not admin.is_admin or admin.is_disabled or user is None:
            return False
        self._data.users[user_id] = replace(user, is_disabled=True)
        return True


def _is_wanted(user: User, wanted: UserFilter) -> bool:
    part = wanted.query.lower()
    is_named = wanted.query == user.user_id or part in user.username.lower() or part in user.nickname.lower()
    return is_named and (user.is_admin or not wanted.admins) and (user.is_disabled or not wanted.disabled)
