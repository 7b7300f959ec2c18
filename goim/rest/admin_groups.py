"""Groups, for administrators."""

from __future__ import annotations

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct, field

from goim.model.groups import Role
from goim.model.users import Login
from goim.rest.admin_users import Query
from goim.rest.groups import NewMembers
from goim.rest.paging import Window, decode_cursor, encode_cursor
from goim.services.admin_views import AdminGroup, AdminMember
from goim.services.registry import Services


class AdminNewGroup(Struct, frozen=True, rename="camel"):
    name: str
    owner_id: str
    member_ids: list[str] = field(default_factory=list)


class NewRole(Struct, frozen=True):
    role: Role


class AdminAdded(Struct, frozen=True):
    """Who is new; the others were in already."""

    added: list[str]


class AdminGroupList(Struct, frozen=True, rename="camel"):
    groups: list[AdminGroup]
    next_cursor: str | None


class AdminMemberList(Struct, frozen=True, rename="camel"):
    members: list[AdminMember]
    next_cursor: str | None


class AdminGroupController(Controller):
    """Everything under `/api/admin/groups`."""

    path = "/groups"

    @get()
    async def page(
        self, services: NamedDependency[Services], window: NamedDependency[Window], q: Query = ""
    ) -> AdminGroupList:
        """All groups, or those that are looked for; the oldest first."""
        after = decode_cursor(window.cursor, str) or ""
        page = await services.administration.groups.page(q.strip(), after, window.limit)
        return AdminGroupList(page.groups, None if page.after is None else encode_cursor(page.after))

    @post()
    async def create(
        self, data: JSONBody[AdminNewGroup], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> AdminGroup:
        """Make a group of these people, whoever they are to each other."""
        groups = services.administration.groups
        return await groups.create(login.user_id, data.name, data.owner_id, data.member_ids)

    @get("/{group_id:str}")
    async def show(self, group_id: FromPath[str], services: NamedDependency[Services]) -> AdminGroup:
        """One group."""
        return await services.administration.groups.show(group_id)

    @delete("/{group_id:str}")
    async def disband(
        self, group_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """End a group for everybody."""
        await services.administration.groups.disband(login.user_id, group_id)

    @get("/{group_id:str}/members")
    async def members(
        self, group_id: FromPath[str], services: NamedDependency[Services], window: NamedDependency[Window]
    ) -> AdminMemberList:
        """Who is in a group, by user id."""
        after = decode_cursor(window.cursor, str) or ""
        page = await services.administration.groups.members(group_id, after, window.limit)
        return AdminMemberList(page.members, None if page.after is None else encode_cursor(page.after))

    @post("/{group_id:str}/members", status_code=200)
    async def add(
        self,
        group_id: FromPath[str],
        data: JSONBody[NewMembers],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
    ) -> AdminAdded:
        """Let people in, whatever the group's policy."""
        return AdminAdded(await services.administration.groups.add(login.user_id, group_id, data.user_ids))

    @put("/{group_id:str}/members/{user_id:str}", status_code=204)
    async def set_role(
        self,
        group_id: FromPath[str],
        user_id: FromPath[str],
        data: JSONBody[NewRole],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
    ) -> None:
        """Give a member another role; `owner` hands the group over."""
        await services.administration.groups.set_role(login.user_id, group_id, user_id, data.role)

    @delete("/{group_id:str}/members/{user_id:str}")
    async def remove(
        self,
        group_id: FromPath[str],
        user_id: FromPath[str],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
    ) -> None:
        """Put somebody out, but not the owner."""
        await services.administration.groups.remove(login.user_id, group_id, user_id)
