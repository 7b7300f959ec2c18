"""Groups over HTTP."""

from __future__ import annotations

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from goim.model.groups import JoinPolicy, Role
from goim.model.users import Login
from goim.rest.paging import Page, Window, decode_cursor, encode_cursor
from goim.services.group_views import Added, Created, GroupView, MemberView
from goim.services.registry import Services


class NewGroup(Struct, rename="camel"):
    name: str
    member_ids: list[str] | None = None
    join_policy: JoinPolicy | None = None


class GroupChanges(Struct, rename="camel"):
    """What is to change; the rest stays."""

    name: str | None = None
    avatar_url: str | None = None
    join_policy: JoinPolicy | None = None


class NewMembers(Struct, rename="camel"):
    user_ids: list[str]


class MemberChanges(Struct, rename="camel"):
    """`mute_until` in unix milliseconds, 0 to let them speak again."""

    role: Role | None = None
    mute_until: int | None = None


class GroupMute(Struct):
    muted: bool


class GroupList(Struct):
    groups: list[GroupView]


class MemberList(Struct, rename="camel"):
    members: list[MemberView]
    next_cursor: str | None


class GroupController(Controller):
    """Everything under `/api/groups`."""

    path = "/api/groups"
    tags = ("groups",)

    @post()
    async def create(
        self, data: JSONBody[NewGroup], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> Created:
        """Make a group: friends are in at once, others get an invitation."""
        policy = data.join_policy or JoinPolicy.OPEN
        return await services.groups.create(login.user_id, data.name, data.member_ids or (), policy)

    @get()
    async def mine(
        self, login: NamedDependency[Login], services: NamedDependency[Services], page: NamedDependency[Page]
    ) -> GroupList:
        """The groups I am in."""
        return GroupList(await services.groups.mine(login.user_id, page.limit, page.offset))

    @get("/{group_id:str}")
    async def one(
        self, group_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> GroupView:
        """A group of mine, or one that anybody may join."""
        return await services.groups.get(login.user_id, group_id)

    @put("/{group_id:str}")
    async def update(
        self,
        group_id: FromPath[str],
        data: JSONBody[GroupChanges],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> GroupView:
        """Change name, avatar or policy: owner and admins. Answers with the group as it is now."""
        return await services.groups.update(
            login.user_id, group_id, name=data.name, avatar_url=data.avatar_url, join_policy=data.join_policy
        )

    @delete("/{group_id:str}")
    async def disband(
        self, group_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """End the group for everybody: its owner."""
        await services.groups.disband(login.user_id, group_id)

    @post("/{group_id:str}/leave", status_code=204)
    async def leave(
        self, group_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """Go. The owner hands over first; with the last one the group ends."""
        await services.groups.leave(login.user_id, group_id)

    @post("/{group_id:str}/mute", status_code=204)
    async def mute(
        self,
        group_id: FromPath[str],
        data: JSONBody[GroupMute],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> None:
        """Silence everybody but owner and admins, or let them speak again."""
        await services.groups.mute(login.user_id, group_id, muted=data.muted)

    @get("/{group_id:str}/members")
    async def members(
        self,
        group_id: FromPath[str],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        window: NamedDependency[Window],
    ) -> MemberList:
        """The members, for members, by user id."""
        after = decode_cursor(window.cursor, str) or ""
        page = await services.groups.members(login.user_id, group_id, after, window.limit)
        return MemberList(page.members, None if page.after is None else encode_cursor(page.after))

    @post("/{group_id:str}/members", status_code=200)
    async def add_members(
        self,
        group_id: FromPath[str],
        data: JSONBody[NewMembers],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> Added:
        """Let friends of mine in, and those who ask for it; invite others."""
        return await services.groups.add(login.user_id, group_id, data.user_ids)

    @put("/{group_id:str}/members/{user_id:str}", status_code=204)
    async def set_member(
        self,
        group_id: FromPath[str],
        user_id: FromPath[str],
        data: JSONBody[MemberChanges],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> None:
        """Give a member another role (the owner; `owner` hands over) or mute them."""
        await services.groups.set_member(login.user_id, group_id, user_id, role=data.role, mute_until=data.mute_until)

    @delete("/{group_id:str}/members/{user_id:str}")
    async def kick(
        self,
        group_id: FromPath[str],
        user_id: FromPath[str],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> None:
        """Put somebody of a lower rank out."""
        await services.groups.kick(login.user_id, group_id, user_id)
