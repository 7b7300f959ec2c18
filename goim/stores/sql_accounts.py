"""Accounts, sessions and devices in an SQL database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import convert
from msgspec.structs import asdict, astuple

from goim.model.users import Device, Session, User
from goim.stores.engine import SqlEngine, atomic, run
from goim.stores.sql_admissions import forget_user
from goim.stores.tables import BlockTable, DeviceTable, FriendTable, SessionTable, UserTable

USER = """
SELECT user_id, username, nickname, avatar_url, password_hash, is_admin, is_disabled, created_at
FROM im_users WHERE user_id = ?"""
USER_BY_NAME = """
SELECT user_id, username, nickname, avatar_url, password_hash, is_admin, is_disabled, created_at
FROM im_users WHERE username_key = ?"""

# Compare and set in one statement: whoever proved an older password changes no row.
REPLACE_HASH = "UPDATE im_users SET password_hash = ? WHERE user_id = ? AND password_hash = ?"

# Changes nothing, but holds an account's row until the transaction ends (as LOCK_GROUP does for groups): of several at
# once that count what somebody has before they add to it, none counts before the one ahead of it has added.
LOCK_USER = "UPDATE im_users SET is_admin = is_admin WHERE user_id = ?"

# Beginnings are walked to in the indexes; the keys make it blind to case.
USERS_NAMED = """
SELECT user_id, username, nickname, avatar_url, password_hash, is_admin, is_disabled, created_at
FROM im_users WHERE username_key >= ? AND username_key < ? AND is_disabled = 0 ORDER BY username_key LIMIT ?"""
USERS_NICKNAMED = """
SELECT user_id, username, nickname, avatar_url, password_hash, is_admin, is_disabled, created_at
FROM im_users WHERE nickname_key >= ? AND nickname_key < ? AND is_disabled = 0 ORDER BY nickname_key LIMIT ?"""
_LAST_CHARACTER = "\U0010ffff"

# Reads as many accounts as it is told, from the last one back: ids begin with the time. INSTR, not LIKE: nothing in
# what is searched for means anything but itself.
USERS_AMONG_LATEST = """
SELECT user_id, username, nickname, avatar_url, password_hash, is_admin, is_disabled, created_at
FROM (SELECT * FROM im_users ORDER BY user_id DESC LIMIT ?) latest
WHERE is_disabled = 0 AND (INSTR(username_key, ?) > 0 OR INSTR(nickname_key, ?) > 0)
ORDER BY username_key LIMIT ?"""

SESSION = """
SELECT session_id, user_id, device_id, refresh_hash, created_at, expires_at FROM im_sessions WHERE session_id = ?"""
SESSIONS_OF_USER = """
SELECT session_id, user_id, device_id, refresh_hash, created_at, expires_at FROM im_sessions
WHERE user_id = ? ORDER BY created_at, session_id"""

# Compare and set in one statement: of two that spend the same token the second finds another hash and changes no row.
ROTATE = "UPDATE im_sessions SET refresh_hash = ?, expires_at = ? WHERE session_id = ? AND refresh_hash = ?"

LIVING = """
SELECT s.session_id, s.user_id, s.device_id, s.refresh_hash, s.created_at, s.expires_at FROM im_sessions s
JOIN im_users u ON u.user_id = s.user_id WHERE s.session_id = ? AND u.is_disabled = 0"""

END_SESSION = "DELETE FROM im_sessions WHERE session_id = ?"

# One statement per device, so that two nodes that see the same device at once end with one row.
SEEN = """
INSERT INTO im_devices (user_id, device_id, session_id, transport, connected_at, last_seen) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (user_id, device_id) DO UPDATE SET session_id = EXCLUDED.session_id, transport = EXCLUDED.transport,
connected_at = EXCLUDED.connected_at, last_seen = EXCLUDED.last_seen"""

DEVICES = "SELECT user_id, device_id, session_id, transport, connected_at, last_seen FROM im_devices WHERE user_id = ?"

FORGET_DEVICE = "DELETE FROM im_devices WHERE user_id = ? AND device_id = ?"


class SqlUsers:
    """`Users` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def add(self, user: User) -> None:
        await run(self._engine, UserTable.insert(UserTable(**_with_keys(asdict(user)))))

    async def get(self, user_id: str) -> User | None:
        return next(iter(_users(await self._engine.fetch(USER, (user_id,)))), None)

    async def by_username(self, username: str) -> User | None:
        return next(iter(_users(await self._engine.fetch(USER_BY_NAME, (username.lower(),)))), None)

    async def by_ids(self, user_ids: Collection[str]) -> dict[str, User]:
        rows = await self._engine.fetch_each(USER, [(user_id,) for user_id in user_ids])
        users = _users([dict(zip(User.__struct_fields__, row, strict=True)) for row in rows])
        return {user.user_id: user for user in users}

    async def update(self, user_id: str, changes: Mapping[str, Any]) -> User | None:
        if changes:
            await run(self._engine, UserTable.update(**_with_keys(changes)).where(UserTable.user_id == user_id))
        return await self.get(user_id)

    async def change_password(self, user_id: str, was: str, becomes: str) -> bool:
        return await self._engine.execute(REPLACE_HASH, (becomes, user_id, was)) > 0

    async def search(self, query: str, limit: int, among: int) -> list[User]:
        part = query.lower()
        beginning = (part, part + _LAST_CHARACTER, limit)
        found: dict[str, User] = {}
        for text, args in (
            (USERS_NAMED, beginning),
            (USERS_NICKNAMED, beginning),
            (USERS_AMONG_LATEST, (among, part, part, limit)),
        ):
            if len(found) < limit:
                for user in _users(await self._engine.fetch(text, args)):
                    found.setdefault(user.user_id, user)
        return list(found.values())[:limit]

    @atomic
    async def erase(self, user_id: str) -> None:
        for query in (
            UserTable.delete().where(UserTable.user_id == user_id),
            SessionTable.delete().where(SessionTable.user_id == user_id),
            DeviceTable.delete().where(DeviceTable.user_id == user_id),
            FriendTable.delete().where((FriendTable.user_id == user_id) | (FriendTable.friend_id == user_id)),
            BlockTable.delete().where((BlockTable.user_id == user_id) | (BlockTable.blocked_id == user_id)),
        ):
            await run(self._engine, query)
        await forget_user(self._engine, user_id)


class SqlSessions:
    """`Sessions` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def add(self, session: Session) -> None:
        await run(self._engine, SessionTable.insert(SessionTable(**asdict(session))))

    async def get(self, session_id: str) -> Session | None:
        rows = await self._engine.fetch(SESSION, (session_id,))
        return convert(rows[0], Session) if rows else None

    async def rotate(self, session_id: str, spent_hash: str, new_hash: str, expires_at: int) -> bool:
        return await self._engine.execute(ROTATE, (new_hash, expires_at, session_id, spent_hash)) > 0

    async def of_user(self, user_id: str) -> list[Session]:
        return convert(await self._engine.fetch(SESSIONS_OF_USER, (user_id,)), list[Session])

    async def end(self, session_ids: Collection[str]) -> None:
        await self._engine.execute_many(END_SESSION, [(session_id,) for session_id in sorted(session_ids)])

    async def living(self, session_ids: Collection[str]) -> dict[str, Session]:
        rows = await self._engine.fetch_each(LIVING, [(session_id,) for session_id in session_ids])
        return {row[0]: Session(**dict(zip(Session.__struct_fields__, row, strict=True))) for row in rows}

    async def seen(self, devices: Sequence[Device]) -> None:
        in_order = sorted(
            devices, key=lambda device: (device.user_id, device.device_id)
        )  # so that nodes never deadlock
        await self._engine.execute_many(SEEN, [astuple(device) for device in in_order])

    async def devices(self, user_ids: Collection[str]) -> list[Device]:
        rows = await self._engine.fetch_each(DEVICES, [(user_id,) for user_id in user_ids])
        devices = [Device(**dict(zip(Device.__struct_fields__, row, strict=True))) for row in rows]
        return sorted(devices, key=lambda device: (-device.last_seen, device.user_id, device.device_id))

    async def forget_device(self, user_id: str, device_id: str) -> None:
        await self._engine.execute(FORGET_DEVICE, (user_id, device_id))


def _with_keys(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Columns for fields of a user: names get their lower-case twins."""
    keys = {f"{name}_key": fields[name].lower() for name in ("username", "nickname") if name in fields}
    return {**fields, **keys}


def _users(rows: list[dict[str, Any]]) -> list[User]:
    """Not strict: databases without booleans answer 0 and 1."""
    return convert(rows, list[User], strict=False)
