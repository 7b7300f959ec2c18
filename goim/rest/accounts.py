"""Register, log in, stay logged in, log out."""

from __future__ import annotations

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from goim.model.users import Login
from goim.services.registry import Services
from goim.services.sessions import Tokens


class RegisterBody(Struct, frozen=True, rename="camel"):
    username: str
    password: str
    nickname: str | None = None

    def __repr__(self) -> str:
        return "RegisterBody(…)"


class LoginBody(Struct, frozen=True, rename="camel"):
    username: str
    password: str
    device_id: str | None = None

    def __repr__(self) -> str:
        return "LoginBody(…)"


class RefreshBody(Struct, frozen=True, rename="camel"):
    refresh_token: str

    def __repr__(self) -> str:
        return "RefreshBody(…)"


class Registered(Struct, frozen=True, rename="camel"):
    user_id: str


class AccountController(Controller):
    """What comes before everything else."""

    path = "/api"
    tags = ("accounts",)

    @post("/register", public=True)
    async def register(
        self, data: JSONBody[RegisterBody], services: NamedDependency[Services], address: NamedDependency[str]
    ) -> Registered:
        """Make an account."""
        user = await services.accounts.register(data.username, data.password, data.nickname, address)
        return Registered(user.user_id)

    @post("/login", public=True, status_code=200)
    async def login(
        self, data: JSONBody[LoginBody], services: NamedDependency[Services], address: NamedDependency[str]
    ) -> Tokens:
        """Open a session. With `deviceId` it is that device's; a second login on it ends the first."""
        return await services.accounts.login(data.username, data.password, data.device_id, address)

    @post("/token/refresh", public=True, status_code=200)
    async def refresh(self, data: JSONBody[RefreshBody], services: NamedDependency[Services]) -> Tokens:
        """New tokens for a refresh token, which is spent by that; reuse ends the whole session."""
        return await services.sessions.refresh(data.refresh_token)

    @post("/logout", status_code=204)
    async def logout(self, services: NamedDependency[Services], login: NamedDependency[Login]) -> None:
        """End this session: its tokens stop working and its sockets close."""
        await services.sessions.logout(login)
