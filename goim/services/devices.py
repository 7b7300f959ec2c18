"""A user's devices: which are connected, when the others were last seen, and how to be rid of one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from msgspec import Struct

from goim.clock import Clock
from goim.delivery import Delivery, Sink
from goim.elsewhere.base import Connected, Elsewhere
from goim.errors import StoreDown, not_found
from goim.model.users import Device, Login
from goim.notices import DeviceKicked, Notices
from goim.protocol.close_codes import CloseCode
from goim.services.sessions import SessionDesk
from goim.stores.base import Sessions
from goim.tasks import beside, repeat

FLUSH_SECONDS = 1.0
MOST_KEPT = 200
"""So many devices of a user are remembered, the latest: who connects without a name is a new one each time."""
_MOST_FORGOTTEN = 500
"""At once: whoever has more is found again soon, and the others do not wait so long."""
_LOOK_EVERY = 100
"""One in so many connections is looked at for that: whoever makes many devices is found soon, and the others pay
nothing."""


class DeviceView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A device as its owner sees it; `lastSeen` of one that is online is now."""

    device_id: str
    online: bool
    connected_at: int
    last_seen: int
    transport: str


class DeviceBook:
    """Notes who connects and goes, and writes it a moment later: a storm of reconnects is one write a second."""

    def __init__(
        self,
        sessions: Sessions,
        desk: SessionDesk,
        delivery: Delivery,
        notices: Notices,
        elsewhere: Elsewhere,
        clock: Clock,
    ) -> None:
        self._elsewhere = elsewhere
        self._sessions = sessions
        self._desk = desk
        self._delivery = delivery
        self._notices = notices
        self._clock = clock
        self._waiting: dict[tuple[str, str], Device] = {}
        self._writing = asyncio.Lock()
        self._connections = 0
        self._crowded: set[str] = set()
        delivery.watchers.append(self._note)
        notices.on(DeviceKicked, lambda notice: self._drop(notice.user_id, notice.device_id))

    async def of_user(self, user_id: str) -> list[DeviceView]:
        """Connected ones first, then the latest seen."""
        devices = {device.device_id: device for device in await self._sessions.devices([user_id])}
        devices |= {device_id: device for (owner, device_id), device in self._waiting.items() if owner == user_id}
        live = {each.device_id: each for each in await self._elsewhere.devices(user_id)}
        live |= {sink.device_id: connected(sink) for sink in self._delivery.connections_of(user_id)}
        now = self._clock.now_ms()
        views = [_online(device, now) for device in live.values()]
        views += [_offline(device) for device_id, device in devices.items() if device_id not in live]
        return sorted(views, key=lambda view: (not view.online, -view.last_seen, view.device_id))

    async def kick(self, login: Login, device_id: str) -> None:
        """End a device's session and forget the device; `NOT_FOUND` if the caller has none of that name.

        A session made for no device may serve several: if it is the caller's own, only the device's sockets close.
        """
        await self._end(login.user_id, device_id, spared=login.session_id if login.device_id is None else None)

    async def put_out(self, user_id: str, device_id: str) -> None:
        """The same by somebody else: whatever session it was connected with ends."""
        await self._end(user_id, device_id, spared=None)

    async def _end(self, user_id: str, device_id: str, *, spared: str | None) -> None:
        sessions = await self._desk.of_user(user_id)
        session_ids = {session.session_id for session in sessions if session.device_id == device_id}
        seen_in = await self._sessions_seen_in(user_id, device_id)
        if not session_ids and not seen_in:
            raise not_found("device")
        await self._desk.end((session_ids | seen_in) - {spared}, CloseCode.KICKED)
        self._notices.emit(DeviceKicked(user_id, device_id, self._clock.now_ms() + self._notices.ahead_ms))
        async with self._writing:  # a write under way would bring it back
            await self._sessions.forget_device(user_id, device_id)

    def forget_user(self, user_id: str) -> None:
        """Nothing more is written about the devices of somebody who is gone."""
        for owner, device_id in [key for key in self._waiting if key[0] == user_id]:
            self._drop(owner, device_id)

    async def _sessions_seen_in(self, user_id: str, device_id: str) -> set[str]:
        """The sessions that the device is or was last connected with."""
        connections = [*map(connected, self._delivery.connections_of(user_id)), *await self._elsewhere.devices(user_id)]
        live = {each.session_id for each in connections if each.device_id == device_id}
        waiting = self._waiting.get((user_id, device_id))
        known = [waiting] if waiting is not None else await self._sessions.devices([user_id])
        return live | {device.session_id for device in known if device.device_id == device_id}

    # written behind

    def _note(self, sink: Sink, is_connected: bool) -> None:  # noqa: FBT001 - the shape of a watcher
        """A connection came or went: either way this is when its device was last seen."""
        (self._elsewhere.came if is_connected else self._elsewhere.went)(connected(sink))
        self._connections += is_connected
        if is_connected and self._connections % _LOOK_EVERY == 0:
            self._crowded.add(sink.user_id)
        self._waiting[sink.user_id, sink.device_id] = Device(
            user_id=sink.user_id,
            device_id=sink.device_id,
            session_id=sink.session_id,
            transport=sink.transport_name,
            connected_at=sink.connected_at,
            last_seen=self._clock.now_ms(),
        )

    def _drop(self, user_id: str, device_id: str) -> None:
        self._waiting.pop((user_id, device_id), None)

    async def flush(self) -> None:
        """Write everything that waits."""
        async with self._writing:
            waiting, self._waiting = self._waiting, {}
            try:
                if waiting:
                    await self._sessions.seen(list(waiting.values()))
                while self._crowded:
                    await self._forget_oldest(self._crowded.pop())
            except StoreDown:
                self._waiting = waiting | self._waiting
                raise

    async def _forget_oldest(self, user_id: str) -> None:
        for device in (await self._sessions.devices([user_id]))[MOST_KEPT:][:_MOST_FORGOTTEN]:
            await self._sessions.forget_device(user_id, device.device_id)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Flush once a second while the context is open, and at its end."""
        async with beside(repeat(self._clock, FLUSH_SECONDS, self.flush, "devices_wait")):
            yield
        await self.flush()


def connected(sink: Sink) -> Connected:
    """A connection as other nodes know it."""
    return Connected(sink.user_id, sink.device_id, sink.session_id, sink.transport_name, sink.connected_at)


def _online(device: Connected, now_ms: int) -> DeviceView:
    return DeviceView(
        device_id=device.device_id,
        online=True,
        connected_at=device.connected_at,
        last_seen=now_ms,
        transport=device.transport,
    )


def _offline(device: Device) -> DeviceView:
    return DeviceView(
        device_id=device.device_id,
        online=False,
        connected_at=device.connected_at,
        last_seen=device.last_seen,
        transport=device.transport,
    )
