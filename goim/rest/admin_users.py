"""Accounts, for administrators."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from goim.model.overview import UserFilter
from goim.model.users import Login
from goim.rest.accounts import RegisterBody, Registered
from goim.rest.paging import Window, decode_cursor, encode_cursor
from goim.rest.users import Devices
from goim.services.admin_views import AdminSession, AdminUser, AdminUserDetails
from goim.services.registry import Services

Query = Annotated[str, QueryParameter(description="an id, or a part of a name")]
OnlyAdmins = Annotated[bool, QueryParameter(description="only administrators")]
OnlyDisabled = Annotated[bool, QueryParameter(description="only disabled accounts")]


class NewPassword(Struct, frozen=True):
    password: str

    def __repr__(self) -> str:
        return "NewPassword(…)"


class AdminUserList(Struct, frozen=True, rename="camel"):
    users: list[AdminUser]
    next_cursor: str | None


class AdminSessionList(Struct, frozen=True):
    sessions: list[AdminSession]


class AdminUserController(Controller):
    """Everything under `/api/admin/users`."""

    path = "/users"

    @get()
    async def page(
        self,
        services: NamedDependency[Services],
        window: NamedDependency[Window],
        *,
        q: Query = "",
        admins: OnlyAdmins = False,
        disabled: OnlyDisabled = False,
    ) -> AdminUserList:
        """All accounts, or those that are looked for; the oldest first."""
        wanted = UserFilter(query=q.strip(), admins=admins, disabled=disabled)
        after = decode_cursor(window.cursor, str) or ""
        page = await services.administration.users.page(wanted, after, window.limit)
        return AdminUserList(page.users, None if page.after is None else encode_cursor(page.after))

    @post()
    async def create(
        self, data: JSONBody[RegisterBody], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> Registered:
        """Make an account."""
        users = services.administration.users
        return Registered(await users.create(login.user_id, data.username, data.password, data.nickname))

    @get("/{user_id:str}")
    async def show(self, user_id: FromPath[str], services: NamedDependency[Services]) -> AdminUserDetails:
        """One account, with the number of its sessions and groups."""
        return await services.administration.users.show(user_id)

    @delete("/{user_id:str}")
    async def erase(
        self, user_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """Erase an account and everything of it, for ever."""
        await services.administration.users.erase(login.user_id, user_id)

    @post("/{user_id:str}/disable", status_code=204)
    async def disable(
        self, user_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """Close an account: all sessions end, nobody can log in. Nothing is erased."""
        await services.administration.users.disable(login.user_id, user_id)

    @post("/{user_id:str}/enable", status_code=204)
    async def enable(
        self, user_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """Open a disabled account again."""
        await services.administration.users.enable(login.user_id, user_id)

    @put("/{user_id:str}/password", status_code=204)
    async def set_password(
        self,
        user_id: FromPath[str],
        data: JSONBody[NewPassword],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
    ) -> None:
        """Give somebody a new password; all their sessions end."""
        await services.administration.users.set_password(login.user_id, user_id, data.password)

    @get("/{user_id:str}/sessions")
    async def sessions(self, user_id: FromPath[str], services: NamedDependency[Services]) -> AdminSessionList:
        """Somebody's sessions, the earliest first."""
        return AdminSessionList(await services.administration.users.sessions(user_id))

    @delete("/{user_id:str}/sessions")
    async def end_sessions(
        self, user_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """End all of somebody's sessions."""
        await services.administration.users.end_sessions(login.user_id, user_id)

    @delete("/{user_id:str}/sessions/{session_id:str}")
    async def end_session(
        self,
        user_id: FromPath[str],
        session_id: FromPath[str],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
    ) -> None:
        """End one session: its tokens stop working and its sockets close."""
        await services.administration.users.end_session(login.user_id, user_id, session_id)

    @get("/{user_id:str}/devices")
    async def devices(self, user_id: FromPath[str], services: NamedDependency[Services]) -> Devices:
        """Somebody's devices, the connected ones first."""
        devices = await services.administration.users.devices(user_id)
        return Devices(devices, len(devices))

    @delete("/{user_id:str}/devices/{device_id:str}")
    async def end_device(
        self,
        user_id: FromPath[str],
        device_id: FromPath[str],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
    ) -> None:
        """End the sessions that a device was connected with, and forget the device."""
        await services.administration.users.end_device(login.user_id, user_id, device_id)
