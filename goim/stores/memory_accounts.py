"""Accounts, sessions and devices in memory: the twin of `sql_accounts` for tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

from msgspec.structs import replace

from goim.model.users import Device, Session, User
from goim.stores.base import Taken
from goim.stores.memory_data import MemoryData


def _username(user: User) -> str:
    return user.username.lower()


def _nickname(user: User) -> str:
    return user.nickname.lower()


def _has(part: str, user: User) -> bool:
    return part in _username(user) or part in _nickname(user)


class MemoryUsers:
    """`Users` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def add(self, user: User) -> None:
        if user.user_id in self._data.users or self._named(user.username):
            raise Taken(user.username)
        self._data.users[user.user_id] = user

    async def get(self, user_id: str) -> User | None:
        return self._data.users.get(user_id)

    async def by_username(self, username: str) -> User | None:
        return self._named(username)

    async def by_ids(self, user_ids: Collection[str]) -> dict[str, User]:
        users = self._data.users
        return {user_id: users[user_id] for user_id in user_ids if user_id in users}

    async def update(self, user_id: str, changes: Mapping[str, Any]) -> User | None:
        user = self._data.users.get(user_id)
        if user is None:
            return None
        changed = replace(user, **changes)
        if (self._named(changed.username) or user) is not user:
            raise Taken(changed.username)
        self._data.users[user_id] = changed
        return changed

    async def change_password(self, user_id: str, was: str, becomes: str) -> bool:
        user = self._data.users.get(user_id)
        if user is None or user.password_hash != was:
            return False
        self._data.users[user_id] = replace(user, password_hash=becomes)
        return True

    async def search(self, query: str, limit: int, among: int) -> list[User]:
        part = query.lower()
        users = [user for user in self._data.users.values() if not user.is_disabled]
        latest = set(sorted(self._data.users, reverse=True)[:among])
        named = [user for user in users if _username(user).startswith(part)]
        nicknamed = [user for user in users if _nickname(user).startswith(part)]
        others = [user for user in users if user.user_id in latest and _has(part, user)]
        by_name = sorted(named, key=_username), sorted(nicknamed, key=_nickname), sorted(others, key=_username)
        return list(dict.fromkeys(chain(*by_name)))[:limit]

    async def erase(self, user_id: str) -> None:
        data = self._data
        data.users.pop(user_id, None)
        data.sessions = {key: session for key, session in data.sessions.items() if session.user_id != user_id}
        data.devices = {key: device for key, device in data.devices.items() if device.user_id != user_id}
        data.halves = {pair: half for pair, half in data.halves.items() if user_id not in pair}
        data.blocks = {pair: at for pair, at in data.blocks.items() if user_id not in pair}
        data.forget_admissions(user_id=user_id)

    def _named(self, username: str) -> User | None:
        key = username.lower()
        return next((user for user in self._data.users.values() if user.username.lower() == key), None)


class MemorySessions:
    """`Sessions` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def add(self, session: Session) -> None:
        if session.session_id in self._data.sessions:
            raise Taken(session.session_id)
        self._data.sessions[session.session_id] = session

    async def get(self, session_id: str) -> Session | None:
        return self._data.sessions.get(session_id)

    async def rotate(self, session_id: str, spent_hash: str, new_hash: str, expires_at: int) -> bool:
        session = self._data.sessions.get(session_id)
        if session is None or session.refresh_hash != spent_hash:
            return False
        self._data.sessions[session_id] = replace(session, refresh_hash=new_hash, expires_at=expires_at)
        return True

    async def of_user(self, user_id: str) -> list[Session]:
        mine = [session for session in self._data.sessions.values() if session.user_id == user_id]
        return sorted(mine, key=lambda session: (session.created_at, session.session_id))

    async def end(self, session_ids: Collection[str]) -> None:
        for session_id in session_ids:
            self._data.sessions.pop(session_id, None)

    async def living(self, session_ids: Collection[str]) -> dict[str, Session]:
        found = [self._data.sessions[session_id] for session_id in session_ids if session_id in self._data.sessions]
        return {session.session_id: session for session in found if self._may_log_in(session.user_id)}

    def _may_log_in(self, user_id: str) -> bool:
        user = self._data.users.get(user_id)
        return user is not None and not user.is_disabled

    async def seen(self, devices: Sequence[Device]) -> None:
        self._data.devices.update({(device.user_id, device.device_id): device for device in devices})

    async def devices(self, user_ids: Collection[str]) -> list[Device]:
        found = [device for device in self._data.devices.values() if device.user_id in user_ids]
        return sorted(found, key=lambda device: (-device.last_seen, device.user_id, device.device_id))

    async def forget_device(self, user_id: str, device_id: str) -> None:
        self._data.devices.pop((user_id, device_id), None)
