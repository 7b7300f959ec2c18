"""Who is online, over HTTP."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct

from goim.model.users import Login
from goim.protocol.pushes import PresenceData
from goim.services.registry import Services

_UserIds = Annotated[str, QueryParameter(name="userIds", description="user ids with commas between them")]


class PresenceList(Struct):
    presence: list[PresenceData]


@get("/api/presence", tags=["presence"])
async def presence(
    user_ids: _UserIds, login: NamedDependency[Login], services: NamedDependency[Services]
) -> PresenceList:
    """Presence of those among these who are friends or fellow group members; others are left out."""
    wanted = [user_id for user_id in user_ids.split(",") if user_id]
    return PresenceList(await services.presence.of(login.user_id, wanted))
