"""Accounts as administrators handle them: anybody's, but not so that one locks oneself out."""

from __future__ import annotations

from msgspec.structs import asdict

from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.model.overview import UserFilter
from goim.services.access import AccessBook
from goim.services.accounts import MAX_SEARCH, Accounts
from goim.services.admin_views import (
    AdminSession,
    AdminUserDetails,
    AdminUserPage,
    admin_session,
    admin_user,
)
from goim.services.administrators import Administrators, not_an_admin
from goim.services.devices import DeviceBook, DeviceView
from goim.services.sessions import SessionDesk
from goim.stores.base_overview import Overview


class AdminUsers:
    """What is done names the administrator who does it. Reading is for `goimctl` as well."""

    def __init__(
        self,
        admins: Administrators,
        overview: Overview,
        accounts: Accounts,
        sessions: SessionDesk,
        devices: DeviceBook,
        access: AccessBook,
    ) -> None:
        self._admins = admins
        self._overview = overview
        self._accounts = accounts
        self._sessions = sessions
        self._devices = devices
        self._access = access

    # looking

    async def page(self, wanted: UserFilter, after: str, limit: int) -> AdminUserPage:
        """Accounts that the filter lets through, the oldest first."""
        if len(wanted.query) > MAX_SEARCH:
            raise invalid(f"q has at most {MAX_SEARCH} characters")
        found = await self._overview.users(wanted, after, limit + 1)
        page = found[:limit]
        return AdminUserPage([admin_user(user) for user in page], page[-1].user_id if len(found) > limit else None)

    async def show(self, user_id: str) -> AdminUserDetails:
        """One account and what there is of it."""
        user = await self._accounts.get(user_id)
        sessions = await self._sessions.of_user(user_id)
        groups = await self._access.groups_of(user_id)
        devices = await self._devices.of_user(user_id)
        return AdminUserDetails(
            **asdict(admin_user(user)),
            sessions=len(sessions),
            groups=len(groups),
            last_seen=max((device.last_seen for device in devices), default=0),
        )

    async def sessions(self, user_id: str) -> list[AdminSession]:
        """Somebody's sessions, the earliest first."""
        await self._accounts.get(user_id)
        return [admin_session(session) for session in await self._sessions.of_user(user_id)]

    async def devices(self, user_id: str) -> list[DeviceView]:
        """Somebody's devices, the connected ones first."""
        await self._accounts.get(user_id)
        return await self._devices.of_user(user_id)

    # doing

    async def create(self, admin_id: str, username: str, password: str, nickname: str | None) -> str:
        """Make an account and say its id."""
        with self._admins.act(admin_id, "create_user", username=username):
            return (await self._accounts.create(username, password, nickname)).user_id

    async def disable(self, admin_id: str, user_id: str) -> None:
        """Close an account without erasing it, but not one's own: no login, no session."""
        with self._admins.act(admin_id, "disable_user", user_id=user_id):
            _not_oneself(admin_id, user_id, "another administrator, or goimctl, can disable you")
            await self._claim(admin_id, user_id)
            await self._accounts.disable(user_id)

    async def enable(self, admin_id: str, user_id: str) -> None:
        """Open a disabled account again."""
        with self._admins.act(admin_id, "enable_user", user_id=user_id):
            await self._accounts.enable(user_id)

    async def set_password(self, admin_id: str, user_id: str, password: str) -> None:
        """Give somebody else a new password; all their sessions end. One's own is changed by whoever knows the old."""
        with self._admins.act(admin_id, "set_password", user_id=user_id):
            _not_oneself(admin_id, user_id, "change your own password at /api/users/me/password")
            await self._accounts.set_password(user_id, password)

    async def erase(self, admin_id: str, user_id: str) -> None:
        """Erase somebody else's account and everything of it. If it fails half-way, it is disabled, to try again."""
        with self._admins.act(admin_id, "erase_user", user_id=user_id):
            _not_oneself(admin_id, user_id, "erase your own account at /api/users/me")
            await self._claim(admin_id, user_id)
            await self._accounts.erase(user_id)

    async def end_session(self, admin_id: str, user_id: str, session_id: str) -> None:
        """End one session: its tokens stop working and its sockets close."""
        with self._admins.act(admin_id, "end_session", user_id=user_id, session_id=session_id):
            if session_id not in {session.session_id for session in await self.sessions(user_id)}:
                raise not_found("session")
            await self._sessions.end([session_id])

    async def end_sessions(self, admin_id: str, user_id: str) -> None:
        """End all sessions of somebody."""
        with self._admins.act(admin_id, "end_sessions", user_id=user_id):
            await self._accounts.get(user_id)
            await self._sessions.end_all(user_id)

    async def end_device(self, admin_id: str, user_id: str, device_id: str) -> None:
        """End the sessions that a device was connected with, and forget the device."""
        with self._admins.act(admin_id, "end_device", user_id=user_id, device_id=device_id):
            await self._accounts.get(user_id)
            await self._devices.put_out(user_id, device_id)

    async def _claim(self, admin_id: str, user_id: str) -> None:
        """Disable an account: of two administrators who do this to each other only one gets beyond it."""
        if not await self._overview.disable(admin_id, user_id):
            await self._accounts.get(user_id)
            raise not_an_admin()  # was one when the request came, and is no longer


def _not_oneself(admin_id: str, user_id: str, way_out: str) -> None:
    """There is always an administrator left: whoever acts."""
    if admin_id == user_id:
        raise GoimError(ErrorCode.FORBIDDEN, f"not with yourself: {way_out}")
