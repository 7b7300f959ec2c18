"""Devices that want pushes in memory: the twin of `sql_push` for tests."""

from __future__ import annotations

from collections.abc import Collection

from goim.model.push import PushDevice
from goim.stores.memory_data import MemoryData


class MemoryPushDevices:
    """`PushDevices` in a dict. Nothing awaits, so each method is one step of the event loop."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def put(self, device: PushDevice, limit: int) -> bool:
        own = (device.user_id, device.device_id)
        devices = self._data.push_devices
        for key, each in list(devices.items()):
            if each.user_id == device.user_id and each.session_id not in self._data.sessions:
                del devices[key]
        if sum(key[0] == own[0] and key != own for key in devices) >= limit:
            return False
        for key in [key for key, each in devices.items() if each.address == device.address]:
            del devices[key]
        devices[own] = device
        return True

    async def remove(self, user_id: str, device_id: str, address: str | None = None) -> bool:
        device = self._data.push_devices.get((user_id, device_id))
        if device is None or address not in (None, device.address):
            return False
        del self._data.push_devices[user_id, device_id]
        return True

    async def erase(self, user_id: str) -> None:
        for key in [key for key in self._data.push_devices if key[0] == user_id]:
            del self._data.push_devices[key]

    async def get(self, user_id: str, device_id: str, now_ms: int) -> PushDevice | None:
        device = self._data.push_devices.get((user_id, device_id))
        return device if device is not None and self._is_good(device, now_ms) else None

    async def of_users(self, user_ids: Collection[str], now_ms: int) -> list[PushDevice]:
        found = [each for each in self._data.push_devices.values() if each.user_id in user_ids]
        good = [each for each in found if self._is_good(each, now_ms)]
        return sorted(good, key=lambda each: (each.user_id, each.device_id))

    async def of_groups(self, group_ids: Collection[str], now_ms: int) -> list[tuple[str, PushDevice]]:
        return [
            (group_id, device)
            for group_id in sorted(group_ids)
            for device in await self.of_users(self._data.members.get(group_id, {}), now_ms)
        ]

    async def muted(self, lines: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        return {
            (user_id, conv_id)
            for user_id, conv_id in lines
            if (entry := self._data.entries.get(conv_id, {}).get(user_id)) is None or entry.muted
        }

    def _is_good(self, device: PushDevice, now_ms: int) -> bool:
        session = self._data.sessions.get(device.session_id)
        return session is not None and session.expires_at > now_ms
