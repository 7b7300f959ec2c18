"""Devices that want to hear of messages while they are not connected."""

from __future__ import annotations

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from goim.model.users import Login
from goim.services.push_desk import PushView, Registration
from goim.services.registry import Services


class PushDevicesView(Struct, frozen=True):
    devices: list[PushView]


class PublicKey(Struct, frozen=True, rename="camel"):
    public_key: str


class PushController(Controller):
    """Pushes to one's own devices."""

    path = "/api/users/me/push"
    tags = ("push",)

    @post()
    async def register(
        self, data: JSONBody[Registration], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> PushView:
        """Register this device, or register it anew."""
        return await services.push.register(login, data)

    @get()
    async def mine(self, services: NamedDependency[Services], login: NamedDependency[Login]) -> PushDevicesView:
        """My registered devices."""
        return PushDevicesView(await services.push.mine(login))

    @get("/key")
    async def key(self, services: NamedDependency[Services], login: NamedDependency[Login]) -> PublicKey:
        """What a browser needs to subscribe."""
        del login
        return PublicKey(services.push.public_key())

    @delete("/{device_id:str}")
    async def remove(
        self, device_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """Send nothing more to a device."""
        await services.push.remove(login, device_id)
