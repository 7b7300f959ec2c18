"""Who asks: every route wants a bearer token, except those marked `public=True` one by one."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from goim.errors import ErrorCode, GoimError
from goim.model.users import Login
from goim.services.sessions import SessionDesk

PUBLIC = "public"
"""The handler option that opens a route: `@get("/healthz", public=True)`."""

ADMINS = "admins"
"""The option of everything under `/api/admin`: only administrators get further."""

_KEY = "goim_login"


def require_login(sessions: SessionDesk) -> Guard:
    """The guard of the whole app."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if handler.opt.get(PUBLIC):
            return
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise GoimError(ErrorCode.UNAUTHORIZED, "say who you are: Authorization: Bearer <token>")
        connection.state[_KEY] = await sessions.verify(token.strip())

    return guard


async def login_of(request: Request[Any, Any, Any]) -> Login:
    """Whose token came with the request; handlers take it as `login: NamedDependency[Login]`."""
    return login_in(request)


def login_in(connection: ASGIConnection[Any, Any, Any, Any]) -> Login:
    """The same for guards."""
    login: Login = connection.state[_KEY]
    return login
