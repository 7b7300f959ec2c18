"""The way into groups over HTTP."""

from __future__ import annotations

from typing import Literal

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from goim.model.users import Login
from goim.rest.paging import Page
from goim.services.group_views import InvitationView, JoinRequestView
from goim.services.registry import Services

_IN = ResponseSpec(None, description="One is in.", generate_examples=False)


class Asked(Struct):
    """One is not in yet: owner or an admin decides."""

    status: Literal["pending"] = "pending"


class Decision(Struct):
    accept: bool


class JoinRequestList(Struct):
    requests: list[JoinRequestView]


class InvitationList(Struct):
    invitations: list[InvitationView]


class GroupDoorController(Controller):
    """Joining, asking to join, deciding on that, invitations."""

    path = "/api/groups"
    tags = ("groups",)

    @post("/{group_id:str}/join", status_code=202, responses={204: _IN})
    async def join(
        self, group_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> Response[Asked | None]:
        """Come in, or ask to be let in where that takes an admin's consent and one is not invited (202)."""
        if await services.group_door.join(login.user_id, group_id):
            return Response(None, status_code=204)
        return Response(Asked(), status_code=202)

    @get("/{group_id:str}/requests")
    async def requests(
        self,
        group_id: FromPath[str],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        page: NamedDependency[Page],
    ) -> JoinRequestList:
        """Who asks to be let in, earliest first: for owner and admins."""
        return JoinRequestList(await services.group_door.requests(login.user_id, group_id, page.limit, page.offset))

    @post("/{group_id:str}/requests/{user_id:str}", status_code=204)
    async def decide(
        self,
        group_id: FromPath[str],
        user_id: FromPath[str],
        data: JSONBody[Decision],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> None:
        """Let somebody in who asked, or turn them away: owner and admins."""
        await services.group_door.decide(login.user_id, group_id, user_id, accept=data.accept)

    @get("/invitations")
    async def invitations(
        self, login: NamedDependency[Login], services: NamedDependency[Services], page: NamedDependency[Page]
    ) -> InvitationList:
        """Where I am invited, earliest first. Joining takes an invitation up."""
        return InvitationList(await services.group_door.invitations(login.user_id, page.limit, page.offset))

    @delete("/invitations/{group_id:str}")
    async def decline(
        self, group_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """Do without an invitation of mine."""
        await services.group_door.decline(login.user_id, group_id)
