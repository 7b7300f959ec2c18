"""My list of conversations over HTTP."""

from __future__ import annotations

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from goim.model.users import Login
from goim.rest.paging import Window, decode_cursor, encode_cursor
from goim.services.conversations import ConversationView
from goim.services.lines import Place
from goim.services.registry import Services


class Pin(Struct):
    pinned: bool


class Mute(Struct):
    muted: bool


class Draft(Struct):
    draft: str


class Deletion(Struct, rename="camel"):
    conv_id: str


class ConversationParts(Struct, rename="camel"):
    conversations: list[ConversationView]
    next_cursor: str | None


class ConversationController(Controller):
    """Everything under `/api/conversations`; what changes here is pushed to all devices of the caller."""

    path = "/api/conversations"
    tags = ("conversations",)

    @get()
    async def page(
        self, login: NamedDependency[Login], services: NamedDependency[Services], window: NamedDependency[Window]
    ) -> ConversationParts:
        """Pinned first, then the latest."""
        before = decode_cursor(window.cursor, Place)
        page = await services.conversations.page(login.user_id, before, window.limit)
        return ConversationParts(page.conversations, None if page.before is None else encode_cursor(page.before))

    @post("/{conv_id:str}/pin", status_code=204)
    async def pin(
        self,
        conv_id: FromPath[str],
        data: JSONBody[Pin],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> None:
        """Keep it at the top, or not."""
        await services.conversations.pin(login.user_id, conv_id, pinned=data.pinned)

    @post("/{conv_id:str}/mute", status_code=204)
    async def mute(
        self,
        conv_id: FromPath[str],
        data: JSONBody[Mute],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> None:
        """Count its unread messages apart, or not."""
        await services.conversations.mute(login.user_id, conv_id, muted=data.muted)

    @post("/{conv_id:str}/draft", status_code=204)
    async def draft(
        self,
        conv_id: FromPath[str],
        data: JSONBody[Draft],
        login: NamedDependency[Login],
        services: NamedDependency[Services],
    ) -> None:
        """Keep what was begun to write, for all devices."""
        await services.conversations.draft(login.user_id, conv_id, data.draft)

    @post("/delete", status_code=204)
    async def delete(
        self, data: JSONBody[Deletion], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """Hide everything up to now from me; the next message brings the conversation back, without the old ones."""
        await services.conversations.delete(login.user_id, data.conv_id)
