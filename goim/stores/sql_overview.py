"""Everybody and every group in an SQL database, for administrators."""

from __future__ import annotations

from msgspec import convert

from goim.model.groups import Group
from goim.model.overview import Counts, UserFilter
from goim.model.users import User
from goim.stores.engine import SqlEngine, atomic
from goim.stores.sql_accounts import LOCK_USER

# INSTR, not LIKE: nothing in what is searched for means anything but itself, and every text contains the empty one.
FIND_USERS = """
SELECT user_id, username, nickname, avatar_url, password_hash, is_admin, is_disabled, created_at
FROM im_users WHERE user_id > ? AND (user_id = ? OR INSTR(username_key, ?) > 0 OR INSTR(nickname_key, ?) > 0)
AND (is_disabled = 1 OR ? = 0) ORDER BY user_id LIMIT ?"""

# The same among the few administrators, by the index of the flags: not by reading everybody to find them.
FIND_ADMINS = """
SELECT user_id, username, nickname, avatar_url, password_hash, is_admin, is_disabled, created_at
FROM im_users WHERE user_id > ? AND (user_id = ? OR INSTR(username_key, ?) > 0 OR INSTR(nickname_key, ?) > 0)
AND is_admin = 1 AND (is_disabled = 1 OR ? = 0) ORDER BY user_id LIMIT ?"""

FIND_GROUPS = """
SELECT group_id, name, avatar_url, owner_id, join_policy, muted, member_count, created_at
FROM im_groups WHERE group_id > ? AND (group_id = ? OR INSTR(LOWER(name), LOWER(?)) > 0) ORDER BY group_id LIMIT ?"""

COUNTS = """
SELECT COUNT(*) AS users, COALESCE(SUM(is_admin), 0) AS admins, COALESCE(SUM(is_disabled), 0) AS disabled,
(SELECT COUNT(*) FROM im_groups) AS groups_there FROM im_users"""

ENABLED_ADMIN = "SELECT user_id FROM im_users WHERE user_id = ? AND is_admin = 1 AND is_disabled = 0"
DISABLE = "UPDATE im_users SET is_disabled = 1 WHERE user_id = ?"


class SqlOverview:
    """`Overview` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def users(self, wanted: UserFilter, after: str, limit: int) -> list[User]:
        part = wanted.query.lower()
        args = (after, wanted.query, part, part, int(wanted.disabled), limit)
        rows = await self._engine.fetch(FIND_ADMINS if wanted.admins else FIND_USERS, args)
        return convert(rows, list[User], strict=False)  # 0 and 1 are booleans

    async def groups(self, query: str, after: str, limit: int) -> list[Group]:
        rows = await self._engine.fetch(FIND_GROUPS, (after, query, query, limit))
        return convert(rows, list[Group], strict=False)

    async def counts(self) -> Counts:
        ((users, admins, disabled, groups),) = await self._engine.fetch_rows(COUNTS)
        return Counts(users=int(users), admins=int(admins), disabled=int(disabled), groups=int(groups))

    @atomic
    async def disable(self, admin_id: str, user_id: str) -> bool:
        for locked in sorted({admin_id, user_id}):  # in order: two who do this to each other never deadlock
            await self._engine.execute(LOCK_USER, (locked,))
        if not await self._engine.fetch_rows(ENABLED_ADMIN, (admin_id,)):
            return False
        return await self._engine.execute(DISABLE, (user_id,)) > 0
