"""Friendships and blocks in memory: the twin of `sql_friends` for tests."""

from __future__ import annotations

from collections.abc import Collection

from goim.model.users import Block, Friend
from goim.stores.base import Added
from goim.stores.memory_data import Half, MemoryData


class MemoryFriends:
    """`Friends` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def add_half(self, user_id: str, friend_id: str, remark: str | None, at: int) -> Added:
        known = self._data.halves.get((user_id, friend_id))
        if known is None:
            self._data.halves[user_id, friend_id] = Half(remark or "", at)
        elif remark is not None:
            self._data.halves[user_id, friend_id] = known._replace(remark=remark)
        return Added(known is None, (friend_id, user_id) in self._data.halves)

    async def halves(self, user_id: str, friend_id: str) -> tuple[bool, bool]:
        return (user_id, friend_id) in self._data.halves, (friend_id, user_id) in self._data.halves

    async def remove(self, user_id: str, friend_id: str) -> bool:
        mine = self._data.halves.pop((user_id, friend_id), None)
        theirs = self._data.halves.pop((friend_id, user_id), None)
        return bool(mine or theirs)

    async def set_remark(self, user_id: str, friend_id: str, remark: str) -> bool:
        known = self._data.halves.get((user_id, friend_id))
        if known:
            self._data.halves[user_id, friend_id] = known._replace(remark=remark)
        return known is not None

    async def friends(self, user_id: str, limit: int, offset: int) -> list[Friend]:
        halves = self._data.halves
        found = [
            Friend(user_id=friend_id, remark=mine.remark, since=max(mine.at, halves[friend_id, user_id].at))
            for (owner_id, friend_id), mine in halves.items()
            if owner_id == user_id and (friend_id, user_id) in halves
        ]
        return _earliest_first(found)[offset : offset + limit]

    async def requests(self, user_id: str, limit: int, offset: int) -> list[Friend]:
        halves = self._data.halves
        found = [
            Friend(user_id=owner_id, remark=theirs.remark, since=theirs.at)
            for (owner_id, friend_id), theirs in halves.items()
            if friend_id == user_id and (user_id, owner_id) not in halves
        ]
        return _earliest_first(found)[offset : offset + limit]

    async def friend_ids(self, user_id: str) -> list[str]:
        halves = self._data.halves
        return sorted(friend for owner, friend in halves if owner == user_id and (friend, owner) in halves)

    async def friend_ids_of(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        found = {user_id: await self.friend_ids(user_id) for user_id in user_ids}
        return {user_id: friends for user_id, friends in found.items() if friends}


class MemoryBlocks:
    """`Blocks` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def add(self, user_id: str, blocked_id: str, at: int) -> None:
        self._data.blocks.setdefault((user_id, blocked_id), at)

    async def remove(self, user_id: str, blocked_id: str) -> None:
        self._data.blocks.pop((user_id, blocked_id), None)

    async def page(self, user_id: str, limit: int, offset: int) -> list[Block]:
        found = [Block(user_id=other, since=at) for (owner, other), at in self._data.blocks.items() if owner == user_id]
        return sorted(found, key=lambda block: (block.since, block.user_id))[offset : offset + limit]

    async def is_between(self, one: str, other: str) -> bool:
        return (one, other) in self._data.blocks or (other, one) in self._data.blocks

    async def ids_around(self, user_id: str) -> set[str]:
        return {one if other == user_id else other for one, other in self._data.blocks if user_id in (one, other)}

    async def ids_around_each(self, user_ids: Collection[str]) -> dict[str, set[str]]:
        found = {user_id: await self.ids_around(user_id) for user_id in user_ids}
        return {user_id: others for user_id, others in found.items() if others}


def _earliest_first(friends: list[Friend]) -> list[Friend]:
    return sorted(friends, key=lambda friend: (friend.since, friend.user_id))
