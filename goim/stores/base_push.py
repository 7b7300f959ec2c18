"""The port of devices that want pushes. As in `base.py`: a method is atomic and raises `StoreDown`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from goim.model.push import PushDevice


class PushDevices(Protocol):
    """Registered devices. Only those count whose session is there and has not expired at `now_ms`."""

    async def put(self, device: PushDevice, limit: int) -> bool:
        """Register a device, instead of what was registered for it before; False if its user has `limit` others.

        Whoever else had the same address has it no longer: it is one browser or app.
        """
        ...

    async def remove(self, user_id: str, device_id: str, address: str | None = None) -> bool:
        """Forget a device (if that is still its address); False if there was none."""
        ...

    async def erase(self, user_id: str) -> None:
        """Forget all devices of somebody."""
        ...

    async def get(self, user_id: str, device_id: str, now_ms: int) -> PushDevice | None: ...

    async def of_users(self, user_ids: Collection[str], now_ms: int) -> list[PushDevice]:
        """The devices of these people, by user and device id."""
        ...

    async def of_groups(self, group_ids: Collection[str], now_ms: int) -> list[tuple[str, PushDevice]]:
        """The devices of the members of these groups, with the group."""
        ...

    async def muted(self, lines: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (user_id, conv_id) have muted the conversation, or do not have it in their list at all."""
        ...
