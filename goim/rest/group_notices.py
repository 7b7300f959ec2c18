"""The notices of groups over HTTP."""

from __future__ import annotations

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from goim.model.users import Login
from goim.rest.paging import Page
from goim.services.group_views import NoticeView
from goim.services.registry import Services


class NewNotice(Struct):
    title: str
    content: str


class NoticeList(Struct):
    notices: list[NoticeView]


class GroupNoticeController(Controller):
    """What owner and admins want every member to know."""

    path = "/api/groups/{group_id:str}/notices"
    tags = ("groups",)

    @get()
    async def page(
        self,
        group_id: FromPath[str],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        page: NamedDependency[Page],
    ) -> NoticeList:
        """The notices of a group, latest first, for members."""
        return NoticeList(await services.group_notices.page(login.user_id, group_id, page.limit, page.offset))

    @post()
    async def post(
        self,
        group_id: FromPath[str],
        data: JSONBody[NewNotice],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> NoticeView:
        """Tell every member something: owner and admins."""
        return await services.group_notices.post(login.user_id, group_id, data.title, data.content)
