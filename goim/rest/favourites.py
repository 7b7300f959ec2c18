"""Favourites over HTTP. On the wire they are spelled `favorites`."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from goim.errors import invalid
from goim.model.favourites import FavouriteStats, FavouriteType
from goim.model.users import Login
from goim.services.favourites import MAX_LIMIT, FavouriteView
from goim.services.registry import Services

_MOST = 1 << 31
_Limit = Annotated[int, QueryParameter(ge=1, le=_MOST, description=f"how many; more than {MAX_LIMIT} is {MAX_LIMIT}")]
_Offset = Annotated[int, QueryParameter(ge=0, le=_MOST, description="how many to leave out")]
_Type = Annotated[str, QueryParameter(name="type", description="`message` or `custom`; both if left out")]
_Tags = Annotated[str, QueryParameter(description="tags with commas between: favourites with any of them")]
_Keyword = Annotated[str, QueryParameter(description="what to look for in title, text and tags")]


class KeptMessage(Struct, rename="camel"):
    message_id: str
    conv_id: str
    tags: list[str] | None = None


class KeptText(Struct, rename="camel"):
    title: str
    content: str
    tags: list[str] | None = None
    conv_id: str | None = None


class FavouriteList(Struct):
    favorites: list[FavouriteView]


class FavouriteController(Controller):
    """Everything under `/api/favorites`."""

    path = "/api/favorites"
    tags = ("favorites",)

    @post("/message")
    async def keep_message(
        self, data: JSONBody[KeptMessage], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> FavouriteView:
        """Keep a message as it is now."""
        return await services.favourites.keep_message(login.user_id, data.conv_id, data.message_id, data.tags or ())

    @post("/custom")
    async def keep_custom(
        self, data: JSONBody[KeptText], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> FavouriteView:
        """Keep something of my own."""
        book = services.favourites
        return await book.keep_custom(login.user_id, data.title, data.content, data.tags or (), data.conv_id)

    @get()
    async def page(
        self,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        kind: _Type = "",
        tags: _Tags = "",
        limit: _Limit = 20,
        offset: _Offset = 0,
    ) -> FavouriteList:
        """My favourites, latest first."""
        wanted = [tag for tag in tags.split(",") if tag.strip()]
        return FavouriteList(await services.favourites.page(login.user_id, _type_of(kind), wanted, limit, offset))

    @get("/search")
    async def search(
        self,
        keyword: _Keyword,
        login: NamedDependency[Login],
        services: NamedDependency[Services],
        limit: _Limit = 20,
        offset: _Offset = 0,
    ) -> FavouriteList:
        """My favourites with a keyword in title, text or tags, latest first."""
        return FavouriteList(await services.favourites.search(login.user_id, keyword, limit, offset))

    @get("/stats")
    async def stats(self, login: NamedDependency[Login], services: NamedDependency[Services]) -> FavouriteStats:
        """How many I have."""
        return await services.favourites.stats(login.user_id)

    @delete("/{favourite_id:str}")
    async def delete(
        self, favourite_id: FromPath[str], login: NamedDependency[Login], services: NamedDependency[Services]
    ) -> None:
        """Delete one of mine."""
        await services.favourites.delete(login.user_id, favourite_id)


def _type_of(kind: str) -> FavouriteType | None:
    """An empty `type=` is none, as if it were left out."""
    if not kind:
        return None
    if kind not in list(FavouriteType):
        raise invalid("type is message or custom")
    return FavouriteType(kind)
