"""Devices that want pushes in an SQL database."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from goim.model.push import PushDevice, PushKind
from goim.stores.base import Taken
from goim.stores.engine import Row, SqlEngine, atomic
from goim.stores.sql_accounts import LOCK_USER

FORGET_OVER = """
DELETE FROM push_devices WHERE user_id = ? AND session_id NOT IN (SELECT session_id FROM im_sessions WHERE user_id = ?)
"""
FORGET_ADDRESS = "DELETE FROM push_devices WHERE address_key = ? AND (user_id <> ? OR device_id <> ?)"
OTHER_DEVICES = "SELECT COUNT(*) FROM push_devices WHERE user_id = ? AND device_id <> ?"
FORGET_DEVICE = "DELETE FROM push_devices WHERE user_id = ? AND device_id = ?"
FORGET_USER = "DELETE FROM push_devices WHERE user_id = ?"
FORGET_DEVICE_AT = "DELETE FROM push_devices WHERE user_id = ? AND device_id = ? AND address_key = ?"
ADD_DEVICE = """
INSERT INTO push_devices
(user_id, device_id, session_id, kind, address, address_key, p256dh, auth, provider, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

ONE_DEVICE = """
SELECT p.user_id, p.device_id, p.session_id, p.kind, p.address, p.p256dh, p.auth, p.provider, p.created_at
FROM push_devices p JOIN im_sessions s ON s.session_id = p.session_id
WHERE p.user_id = ? AND p.device_id = ? AND s.expires_at > ?"""

DEVICES_OF_USER = """
SELECT p.user_id, p.device_id, p.session_id, p.kind, p.address, p.p256dh, p.auth, p.provider, p.created_at
FROM push_devices p JOIN im_sessions s ON s.session_id = p.session_id
WHERE p.user_id = ? AND s.expires_at > ? ORDER BY p.device_id"""

DEVICES_OF_GROUP = """
SELECT m.group_id, p.user_id, p.device_id, p.session_id, p.kind, p.address, p.p256dh, p.auth, p.provider, p.created_at
FROM im_group_members m JOIN push_devices p ON p.user_id = m.user_id JOIN im_sessions s ON s.session_id = p.session_id
WHERE m.group_id = ? AND s.expires_at > ? ORDER BY m.user_id, p.device_id"""

LISTENING = "SELECT user_id, conv_id, muted FROM user_conversations WHERE user_id = ? AND conv_id = ?"


class SqlPushDevices:
    """`PushDevices` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def put(self, device: PushDevice, limit: int) -> bool:
        while True:
            try:
                return await self._put(device, limit)
            except Taken:  # of two at once that found nothing to replace the other was faster: now there is something
                continue

    @atomic
    async def _put(self, device: PushDevice, limit: int) -> bool:
        own = (device.user_id, device.device_id)
        key = _key(device.address)
        await self._engine.execute(LOCK_USER, (device.user_id,))
        await self._engine.execute(FORGET_OVER, (device.user_id, device.user_id))
        [(others,)] = await self._engine.fetch_rows(OTHER_DEVICES, own)
        if others >= limit:
            return False
        await self._engine.execute(FORGET_ADDRESS, (key, *own))
        await self._engine.execute(FORGET_DEVICE, own)
        keys = (device.p256dh, device.auth, device.provider, device.created_at)
        await self._engine.execute(ADD_DEVICE, (*own, device.session_id, device.kind.value, device.address, key, *keys))
        return True

    async def remove(self, user_id: str, device_id: str, address: str | None = None) -> bool:
        if address is None:
            return bool(await self._engine.execute(FORGET_DEVICE, (user_id, device_id)))
        return bool(await self._engine.execute(FORGET_DEVICE_AT, (user_id, device_id, _key(address))))

    async def erase(self, user_id: str) -> None:
        await self._engine.execute(FORGET_USER, (user_id,))

    async def get(self, user_id: str, device_id: str, now_ms: int) -> PushDevice | None:
        rows = await self._engine.fetch_rows(ONE_DEVICE, (user_id, device_id, now_ms))
        return _device(rows[0]) if rows else None

    async def of_users(self, user_ids: Collection[str], now_ms: int) -> list[PushDevice]:
        each = [(user_id, now_ms) for user_id in sorted(user_ids)]
        return [_device(row) for row in await self._engine.fetch_each(DEVICES_OF_USER, each)]

    async def of_groups(self, group_ids: Collection[str], now_ms: int) -> list[tuple[str, PushDevice]]:
        each = [(group_id, now_ms) for group_id in sorted(group_ids)]
        return [(row[0], _device(row[1:])) for row in await self._engine.fetch_each(DEVICES_OF_GROUP, each)]

    async def muted(self, lines: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        rows = await self._engine.fetch_each(LISTENING, list(lines))
        return set(lines) - {(user_id, conv_id) for user_id, conv_id, muted in rows if not muted}


def _key(address: str) -> str:
    """By it an address is found: too long for an index as it is."""
    return hashlib.sha256(address.encode()).hexdigest()


def _device(row: Row) -> PushDevice:
    user_id, device_id, session_id, kind, address, p256dh, auth, provider, created_at = row
    fields: dict[str, Any] = {"p256dh": p256dh, "auth": auth, "provider": provider, "created_at": created_at}
    return PushDevice(
        user_id=user_id, device_id=device_id, session_id=session_id, kind=PushKind(kind), address=address, **fields
    )
