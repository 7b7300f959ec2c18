"""Oneself, others, and one's devices."""

from __future__ import annotations

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from goim.model.users import Login
from goim.rest.paging import MAX_LIMIT, Limit
from goim.services.accounts import Profile, PublicUser, public_of
from goim.services.devices import DeviceView
from goim.services.registry import Services


class ProfileBody(Struct, frozen=True, rename="camel"):
    """What is left out stays as it is."""

    nickname: str | None = None
    avatar_url: str | None = None


class PasswordBody(Struct, frozen=True, rename="camel"):
    old_password: str
    new_password: str

    def __repr__(self) -> str:
        return "PasswordBody(…)"


class EraseBody(Struct, frozen=True):
    password: str

    def __repr__(self) -> str:
        return "EraseBody(…)"


class Users(Struct, frozen=True):
    users: list[PublicUser]


class Devices(Struct, frozen=True):
    devices: list[DeviceView]
    count: int


class UserController(Controller):
    """`/me` is whoever asks."""

    path = "/api/users"
    tags = ("users",)

    @get("/me")
    async def me(self, services: NamedDependency[Services], login: NamedDependency[Login]) -> Profile:
        """My profile."""
        return await services.accounts.me(login.user_id)

    @put("/me")
    async def update_me(
        self, data: JSONBody[ProfileBody], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> Profile:
        """Change nickname or picture."""
        return await services.accounts.update_profile(login.user_id, data.nickname, data.avatar_url)

    @put("/me/password", status_code=204)
    async def change_password(
        self,
        data: JSONBody[PasswordBody],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
        address: NamedDependency[str],
    ) -> None:
        """Change the password; all other sessions end."""
        await services.accounts.change_password(login, data.old_password, data.new_password, address)

    @delete("/me")
    async def erase_me(
        self,
        data: JSONBody[EraseBody],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
        address: NamedDependency[str],
    ) -> None:
        """Erase the account and everything of it; messages become tombstones."""
        await services.accounts.erase_own(login, data.password, address)

    @get("/search")
    async def search(self, q: FromQuery[str], services: NamedDependency[Services], limit: Limit = 50) -> Users:
        """Find people by username or nickname."""
        return Users(await services.accounts.search(q, min(limit, MAX_LIMIT)))

    @get("/{user_id:str}")
    async def user(self, user_id: FromPath[str], services: NamedDependency[Services]) -> PublicUser:
        """What everybody may know of somebody."""
        return public_of(await services.accounts.get(user_id))

    @get("/me/devices")
    async def devices(self, services: NamedDependency[Services], login: NamedDependency[Login]) -> Devices:
        """My devices, the connected ones first."""
        devices = await services.devices.of_user(login.user_id)
        return Devices(devices, len(devices))

    @delete("/me/devices/{device_id:str}")
    async def kick(
        self, device_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """End a device's session and forget the device."""
        await services.devices.kick(login, device_id)
