"""Invitations into groups, requests to join and notices in memory: the twin of `sql_admissions` for tests."""

from __future__ import annotations

from collections.abc import Collection

from goim.model.groups import GroupNotice, Invitation, JoinRequest, Role
from goim.stores.memory_data import MemoryData


class MemoryAdmissions:
    """`Admissions` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def invite(self, group_id: str, user_ids: Collection[str], by: str, at: int) -> list[str]:
        known = self._data.invitations
        new = [user_id for user_id in sorted(set(user_ids)) if (group_id, user_id) not in known]
        for user_id in new:
            known[group_id, user_id] = Invitation(group_id=group_id, user_id=user_id, invited_by=by, created_at=at)
        return new

    async def is_invited(self, group_id: str, user_id: str) -> bool:
        return (group_id, user_id) in self._data.invitations

    async def invitations(self, user_id: str, limit: int, offset: int) -> list[Invitation]:
        mine = [each for each in self._data.invitations.values() if each.user_id == user_id]
        return sorted(mine, key=lambda each: (each.created_at, each.group_id))[offset : offset + limit]

    async def ask(self, group_id: str, user_id: str, at: int) -> bool:
        if (group_id, user_id) in self._data.requests:
            return False
        self._data.requests[group_id, user_id] = JoinRequest(group_id=group_id, user_id=user_id, created_at=at)
        return True

    async def asking(self, group_id: str, user_ids: Collection[str]) -> set[str]:
        return {user_id for user_id in user_ids if (group_id, user_id) in self._data.requests}

    async def requests(self, group_id: str, limit: int, offset: int) -> list[JoinRequest]:
        found = [each for each in self._data.requests.values() if each.group_id == group_id]
        return sorted(found, key=lambda each: (each.created_at, each.user_id))[offset : offset + limit]

    async def settle(self, group_id: str, user_ids: Collection[str]) -> None:
        self._data.settle(group_id, user_ids)

    async def deciders(self, group_id: str) -> list[str]:
        members = self._data.members[group_id].values()
        return sorted(member.user_id for member in members if member.role is not Role.MEMBER)


class MemoryNoticeBoard:
    """`NoticeBoard` in a dict."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def add(self, notice: GroupNotice) -> None:
        self._data.notices[notice.notice_id] = notice

    async def page(self, group_id: str, limit: int, offset: int) -> list[GroupNotice]:
        found = [notice for notice in self._data.notices.values() if notice.group_id == group_id]
        latest = sorted(found, key=lambda notice: (notice.created_at, notice.notice_id), reverse=True)
        return latest[offset : offset + limit]
