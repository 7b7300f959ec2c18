"""Groups and their members in memory: the twin of `sql_groups` for tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from goim.model.conversations import Receipt, of_group
from goim.model.groups import Group, Member, Role
from goim.stores.base import Taken, UserIds
from goim.stores.memory_data import MemoryData


class MemoryGroups:
    """`Groups` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def create(self, group: Group, members: Sequence[Member]) -> None:
        data = self._data
        conv = of_group(group.group_id, created_at=group.created_at)
        if group.group_id in data.groups or conv.conv_id in data.conversations:
            raise Taken(group.group_id)
        data.put_conversation(conv)
        people = {member.user_id: member for member in reversed(members)}
        data.groups[group.group_id] = replace(group, member_count=len(people))
        data.members[group.group_id] = people
        for user_id in people:
            data.put_entry(user_id, conv, group.created_at)

    async def get(self, group_id: str) -> Group | None:
        return self._data.groups.get(group_id)

    async def by_ids(self, group_ids: Collection[str]) -> dict[str, Group]:
        groups = self._data.groups
        return {group_id: groups[group_id] for group_id in group_ids if group_id in groups}

    async def update(self, group_id: str, changes: Mapping[str, Any]) -> Group | None:
        group = self._data.groups.get(group_id)
        if group is None:
            return None
        changed = self._data.groups[group_id] = replace(group, **changes)
        return changed

    async def disband(self, group_id: str, *, if_alone: bool = False) -> bool:
        group = self._data.groups.get(group_id)
        if group is None or (if_alone and group.member_count > 1):
            return False
        del self._data.groups[group_id]
        self._data.members.pop(group_id, None)
        self._data.entries.pop(group.conv_id, None)
        self._data.receipts.pop(group.conv_id, None)
        self._data.forget_admissions(group_id=group_id)
        return True

    async def of_user(self, user_id: str, limit: int, offset: int) -> list[tuple[Group, Member]]:
        mine = self._ids_of_user(user_id)[offset : offset + limit]
        return [(self._data.groups[group_id], self._data.members[group_id][user_id]) for group_id in mine]

    async def ids_of_users(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        return {user_id: ids for user_id in user_ids if (ids := self._ids_of_user(user_id))}

    def _ids_of_user(self, user_id: str) -> list[str]:
        return sorted(group_id for group_id, members in self._data.members.items() if user_id in members)


class MemoryMembers:
    """`Members` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def get(self, group_id: str, user_id: str) -> Member | None:
        return self._data.members[group_id].get(user_id)

    async def page(self, group_id: str, after: str, limit: int) -> list[Member]:
        members = self._data.members[group_id]
        return [members[user_id] for user_id in sorted(members) if user_id > after][:limit]

    async def add(self, group_id: str, members: Sequence[Member], read_seq: int) -> list[str]:
        group = self._data.groups.get(group_id)
        if group is None:
            return []
        inside = self._data.members[group_id]
        new = {member.user_id: member for member in reversed(members) if member.user_id not in inside}
        conv = self._data.conversations[group.conv_id]
        for user_id, member in new.items():
            mute_until = self._data.kept_mutes.pop((group_id, user_id), member.mute_until)
            new[user_id] = replace(member, mute_until=mute_until)
            at = member.joined_at
            self._data.put_entry(user_id, conv, at)
            self._data.raise_receipt(Receipt(conv_id=conv.conv_id, user_id=user_id, seq=read_seq, read_at=at))
        inside.update(new)
        self._data.settle(group_id, [member.user_id for member in members])
        self._count(group_id)
        return sorted(new)

    async def remove(self, group_id: str, user_id: str) -> bool:
        inside = self._data.members[group_id]
        member = inside.get(user_id)
        if member is None or member.role is Role.OWNER:
            return False
        del inside[user_id]
        if member.mute_until:
            self._data.kept_mutes[group_id, user_id] = member.mute_until
        self._data.settle(group_id, [user_id])
        conv_id = self._data.groups[group_id].conv_id
        self._data.entries[conv_id].pop(user_id, None)
        self._data.receipts[conv_id].pop(user_id, None)
        self._count(group_id)
        return True

    async def set(self, group_id: str, user_id: str, changes: Mapping[str, Any]) -> Member | None:
        if changes.get("role") is Role.OWNER:
            raise ValueError("only hand_over makes an owner")
        inside = self._data.members[group_id]
        member = inside.get(user_id)
        if member is None or member.role is Role.OWNER:
            return None
        changed = inside[user_id] = replace(member, **changes)
        return changed

    async def hand_over(self, group_id: str, owner_id: str, new_owner_id: str) -> bool:
        inside = self._data.members[group_id]
        owner, heir = inside.get(owner_id), inside.get(new_owner_id)
        if owner is None or heir is None or owner is heir or owner.role is not Role.OWNER:
            return False
        inside[owner_id] = replace(owner, role=Role.ADMIN)
        inside[new_owner_id] = replace(heir, role=Role.OWNER, mute_until=0)
        self._data.groups[group_id] = replace(self._data.groups[group_id], owner_id=new_owner_id)
        return True

    async def among(self, group_id: str, user_ids: Collection[str]) -> UserIds:
        return self._data.members[group_id].keys() & set(user_ids)

    async def share_a_group(self, user_id: str, user_ids: Collection[str]) -> UserIds:
        together = [members.keys() for members in self._data.members.values() if user_id in members]
        return {other for other in user_ids if any(other in members for members in together)}

    def _count(self, group_id: str) -> None:
        count = len(self._data.members[group_id])
        self._data.groups[group_id] = replace(self._data.groups[group_id], member_count=count)
