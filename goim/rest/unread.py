"""Unread messages over HTTP."""

from __future__ import annotations

from litestar import Controller, get, post
from litestar.di import NamedDependency

from goim.model.users import Login
from goim.services.registry import Services
from goim.services.unread import AllRead, UnreadSummary


class UnreadController(Controller):
    """Everything under `/api/unread`."""

    path = "/api/unread"
    tags = ("unread",)

    @get("/summary")
    async def summary(self, login: NamedDependency[Login], services: NamedDependency[Services]) -> UnreadSummary:
        """How much waits in all my conversations; muted ones are counted apart."""
        return await services.unread.summary(login.user_id)

    @post("/mark_all_read", status_code=200)
    async def mark_all_read(self, login: NamedDependency[Login], services: NamedDependency[Services]) -> AllRead:
        """Read everything that is there now."""
        return await services.unread.mark_all_read(login.user_id)
