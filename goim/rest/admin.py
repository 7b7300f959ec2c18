"""Everything under `/api/admin`, and the guard before it: only administrators get further."""

from __future__ import annotations

from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from goim.rest.admin_groups import AdminGroupController
from goim.rest.admin_stats import stats
from goim.rest.admin_users import AdminUserController
from goim.rest.auth import ADMINS, login_in
from goim.services.administrators import Administrators

ADMIN = Router(
    "/api/admin", route_handlers=[AdminUserController, AdminGroupController, stats], opt={ADMINS: True}, tags=["admin"]
)


def require_admin(admins: Administrators) -> Guard:
    """The guard of the whole app that looks only at these routes; it comes after the one that knows who asks."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if handler.opt.get(ADMINS):
            await admins.check(login_in(connection).user_id)

    return guard
