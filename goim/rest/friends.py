"""Friends, requests to become one, and blocks."""

from __future__ import annotations

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from goim.model.users import Login
from goim.rest.paging import Page
from goim.services.friends import FriendStatus, FriendView
from goim.services.registry import Services


class FriendBody(Struct, frozen=True, rename="camel"):
    friend_id: str
    remark: str | None = None


class RemarkBody(Struct, frozen=True):
    remark: str


class Befriended(Struct, frozen=True):
    status: FriendStatus


class FriendList(Struct, frozen=True):
    friends: list[FriendView]


class RequestList(Struct, frozen=True):
    requests: list[FriendView]


class BlockView(Struct, frozen=True, rename="camel"):
    user_id: str
    since: int


class BlockList(Struct, frozen=True):
    blocks: list[BlockView]


class FriendController(Controller):
    """Both halves make a friendship: mine and theirs."""

    path = "/api/friends"
    tags = ("friends",)

    @post("/", status_code=200)
    async def befriend(
        self, data: JSONBody[FriendBody], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> Befriended:
        """Add my half of a friendship."""
        return Befriended(await services.friends.befriend(login.user_id, data.friend_id, data.remark))

    @get("/")
    async def friends(
        self, services: NamedDependency[Services], login: NamedDependency[Login], page: NamedDependency[Page]
    ) -> FriendList:
        """My friends, earliest first."""
        return FriendList(await services.friends.friends(login.user_id, page.limit, page.offset))

    @get("/requests")
    async def requests(
        self, services: NamedDependency[Services], login: NamedDependency[Login], page: NamedDependency[Page]
    ) -> RequestList:
        """Who waits for my half, with their remark."""
        return RequestList(await services.friends.requests(login.user_id, page.limit, page.offset))

    @put("/{friend_id:str}", status_code=204)
    async def set_remark(
        self,
        friend_id: FromPath[str],
        data: JSONBody[RemarkBody],
        services: NamedDependency[Services],
        login: NamedDependency[Login],
    ) -> None:
        """What I call a friend."""
        await services.friends.set_remark(login.user_id, friend_id, data.remark)

    @delete("/{friend_id:str}")
    async def remove(
        self, friend_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """End a friendship, or decline or take back a request."""
        await services.friends.remove(login.user_id, friend_id)


class BlockController(Controller):
    """Who blocks somebody is left alone by them, and leaves them alone."""

    path = "/api/blocks"
    tags = ("friends",)

    @get("/")
    async def blocks(
        self, services: NamedDependency[Services], login: NamedDependency[Login], page: NamedDependency[Page]
    ) -> BlockList:
        """Whom I block, earliest first."""
        blocks = await services.friends.blocked(login.user_id, page.limit, page.offset)
        return BlockList([BlockView(block.user_id, block.since) for block in blocks])

    @post("/{user_id:str}", status_code=204)
    async def block(
        self, user_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """Neither of us can befriend, message, call or see the other."""
        await services.friends.block(login.user_id, user_id)

    @delete("/{user_id:str}")
    async def unblock(
        self, user_id: FromPath[str], services: NamedDependency[Services], login: NamedDependency[Login]
    ) -> None:
        """Take a block back."""
        await services.friends.unblock(login.user_id, user_id)
