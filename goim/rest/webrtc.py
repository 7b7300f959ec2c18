"""Calls over HTTP: how to find each other, and which call I am in."""

from __future__ import annotations

from litestar import Controller, get
from litestar.di import NamedDependency
from msgspec import Struct

from goim.model.calls import Call
from goim.model.users import Login
from goim.services.ice import IceServer
from goim.services.registry import Services


class IceServerList(Struct, rename="camel"):
    ice_servers: list[IceServer]


class WebrtcController(Controller):
    """Everything under `/api/webrtc`."""

    path = "/api/webrtc"
    tags = ("calls",)

    @get("/ice-servers")
    async def ice_servers(self, login: NamedDependency[Login], services: NamedDependency[Services]) -> IceServerList:
        """STUN and TURN servers; with a secret configured, the TURN password is good for an hour."""
        return IceServerList(services.ice.of(login.user_id))

    @get("/current-call")
    async def current_call(self, login: NamedDependency[Login], services: NamedDependency[Services]) -> Call:
        """The call I am in, ringing or answered; 404 when there is none."""
        return await services.calls.current(login.user_id)
