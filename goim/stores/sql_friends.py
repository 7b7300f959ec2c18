"""Friendships and blocks in an SQL database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from msgspec import convert

from goim.model.users import Block, Friend
from goim.stores.base import Added
from goim.stores.engine import Row, SqlEngine, affected, atomic, run
from goim.stores.sql_accounts import LOCK_USER
from goim.stores.tables import BlockTable, FriendTable

# One statement sees both halves at one moment.
HALVES = """
SELECT user_id FROM im_friends WHERE user_id = ? AND friend_id = ?
UNION ALL SELECT user_id FROM im_friends WHERE user_id = ? AND friend_id = ?"""

# One statement: nobody ever sees one half gone and the other still there.
REMOVE_HALVES = "DELETE FROM im_friends WHERE (user_id = ? AND friend_id = ?) OR (user_id = ? AND friend_id = ?)"

SET_REMARK = "UPDATE im_friends SET remark = ? WHERE user_id = ? AND friend_id = ?"

FRIENDS = """
SELECT mine.friend_id AS user_id, mine.remark AS remark,
CASE WHEN mine.created_at > theirs.created_at THEN mine.created_at ELSE theirs.created_at END AS since
FROM im_friends mine JOIN im_friends theirs ON theirs.user_id = mine.friend_id AND theirs.friend_id = mine.user_id
WHERE mine.user_id = ? ORDER BY since, user_id LIMIT ? OFFSET ?"""

FRIEND_IDS = """
SELECT mine.user_id, mine.friend_id
FROM im_friends mine JOIN im_friends theirs ON theirs.user_id = mine.friend_id AND theirs.friend_id = mine.user_id
WHERE mine.user_id = ? ORDER BY mine.friend_id"""

REQUESTS = """
SELECT theirs.user_id AS user_id, theirs.remark AS remark, theirs.created_at AS since
FROM im_friends theirs LEFT JOIN im_friends mine ON mine.user_id = theirs.friend_id AND mine.friend_id = theirs.user_id
WHERE theirs.friend_id = ? AND mine.user_id IS NULL ORDER BY since, user_id LIMIT ? OFFSET ?"""

BLOCK_BETWEEN = """
SELECT user_id FROM im_blocks WHERE user_id = ? AND blocked_id = ?
UNION ALL SELECT user_id FROM im_blocks WHERE user_id = ? AND blocked_id = ?"""

UNBLOCK = "DELETE FROM im_blocks WHERE user_id = ? AND blocked_id = ?"

BLOCKS = """
SELECT blocked_id AS user_id, created_at AS since FROM im_blocks
WHERE user_id = ? ORDER BY created_at, blocked_id LIMIT ? OFFSET ?"""

BLOCKS_AROUND = """
SELECT user_id, blocked_id FROM im_blocks WHERE user_id = ?
UNION ALL SELECT blocked_id, user_id FROM im_blocks WHERE blocked_id = ?"""


class SqlFriends:
    """`Friends` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    @atomic
    async def add_half(self, user_id: str, friend_id: str, remark: str | None, at: int) -> Added:
        await self._engine.execute(LOCK_USER, (min(user_id, friend_id),))  # or neither of two would see the other's
        half = FriendTable(user_id=user_id, friend_id=friend_id, remark=remark or "", created_at=at)
        is_new = await affected(
            self._engine,
            # The key decides which of two at once is the new one.
            FriendTable.insert(half).on_conflict((FriendTable.user_id, FriendTable.friend_id), "DO NOTHING"),
        )
        if not is_new and remark is not None:
            await self.set_remark(user_id, friend_id, remark)
        return Added(is_new > 0, (await self.halves(user_id, friend_id))[1])

    async def halves(self, user_id: str, friend_id: str) -> tuple[bool, bool]:
        rows = await self._engine.fetch_rows(HALVES, (user_id, friend_id, friend_id, user_id))
        return (user_id,) in rows, (friend_id,) in rows

    async def remove(self, user_id: str, friend_id: str) -> bool:
        return await self._engine.execute(REMOVE_HALVES, (user_id, friend_id, friend_id, user_id)) > 0

    async def set_remark(self, user_id: str, friend_id: str, remark: str) -> bool:
        return await self._engine.execute(SET_REMARK, (remark, user_id, friend_id)) > 0

    async def friends(self, user_id: str, limit: int, offset: int) -> list[Friend]:
        return convert(await self._engine.fetch(FRIENDS, (user_id, limit, offset)), list[Friend])

    async def requests(self, user_id: str, limit: int, offset: int) -> list[Friend]:
        return convert(await self._engine.fetch(REQUESTS, (user_id, limit, offset)), list[Friend])

    async def friend_ids(self, user_id: str) -> list[str]:
        return [friend_id for _, friend_id in await self._engine.fetch_rows(FRIEND_IDS, (user_id,))]

    async def friend_ids_of(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        return _by_first(await self._engine.fetch_each(FRIEND_IDS, [(user_id,) for user_id in set(user_ids)]))


class SqlBlocks:
    """`Blocks` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def add(self, user_id: str, blocked_id: str, at: int) -> None:
        block = BlockTable(user_id=user_id, blocked_id=blocked_id, created_at=at)
        key = (BlockTable.user_id, BlockTable.blocked_id)
        await run(self._engine, BlockTable.insert(block).on_conflict(key, "DO NOTHING"))

    async def remove(self, user_id: str, blocked_id: str) -> None:
        await self._engine.execute(UNBLOCK, (user_id, blocked_id))

    async def page(self, user_id: str, limit: int, offset: int) -> list[Block]:
        return convert(await self._engine.fetch(BLOCKS, (user_id, limit, offset)), list[Block])

    async def is_between(self, one: str, other: str) -> bool:
        return bool(await self._engine.fetch_rows(BLOCK_BETWEEN, (one, other, other, one)))

    async def ids_around(self, user_id: str) -> set[str]:
        return {other for _, other in await self._engine.fetch_rows(BLOCKS_AROUND, (user_id, user_id))}

    async def ids_around_each(self, user_ids: Collection[str]) -> dict[str, set[str]]:
        rows = await self._engine.fetch_each(BLOCKS_AROUND, [(user_id, user_id) for user_id in set(user_ids)])
        return {user_id: set(others) for user_id, others in _by_first(rows).items()}


def _by_first(pairs: Iterable[Row]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one, other in pairs:
        found[one].append(other)
    return dict(found)
