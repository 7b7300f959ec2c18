"""Friends, who are two halves, and blocks, which one side is enough for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.model.users import Block, Friend
from goim.protocol.pushes import FriendAccepted, FriendRemoved, FriendRequest, FriendRequestData, UserData
from goim.services.access import AccessBook
from goim.services.accounts import PublicUser
from goim.stores.base import Blocks, Friends, Users

MAX_REMARK = 64


class FriendStatus(StrEnum):
    """Whether the other half is there."""

    PENDING = "pending"
    ACCEPTED = "accepted"


class FriendView(PublicUser, frozen=True, kw_only=True, rename="camel"):
    """A friend, or somebody who would like to be one: then the remark is theirs."""

    remark: str
    since: int


class FriendBook:
    """Makes and ends friendships, and keeps people apart who do not want to hear from each other."""

    def __init__(
        self, users: Users, friends: Friends, blocks: Blocks, access: AccessBook, delivery: Delivery, clock: Clock
    ) -> None:
        self._users = users
        self._friends = friends
        self._blocks = blocks
        self._access = access
        self._delivery = delivery
        self._clock = clock

    # friends

    async def befriend(self, user_id: str, friend_id: str, remark: str | None) -> FriendStatus:
        """Add my half. Again is once: it changes no more than the remark, and nobody is told twice."""
        _check_remark(remark)
        await self._check_other(user_id, friend_id)
        await self._check_not_blocked(user_id, friend_id)
        # Of two who befriend each other at once, one sees both halves and tells both.
        is_new, is_mutual = await self._friends.add_half(user_id, friend_id, remark, self._clock.now_ms())
        if is_new:
            await self._take_back_if_blocked(user_id, friend_id)
        if is_new and is_mutual:
            await self._access.relation_changed(user_id, friend_id)
            self._delivery.to_user(friend_id, FriendAccepted(UserData(user_id)))
            self._delivery.to_user(user_id, FriendAccepted(UserData(friend_id)))
        elif is_new:
            self._delivery.to_user(friend_id, FriendRequest(FriendRequestData(user_id, remark or "")))
        return FriendStatus.ACCEPTED if is_mutual else FriendStatus.PENDING

    async def _check_not_blocked(self, user_id: str, other_id: str) -> None:
        if await self._blocks.is_between(user_id, other_id):
            raise GoimError(ErrorCode.BLOCKED, "one of you has blocked the other")

    async def _take_back_if_blocked(self, user_id: str, friend_id: str) -> None:
        """Of a half and a block at once, whichever is stored later sees the other, and the half goes."""
        try:
            await self._check_not_blocked(user_id, friend_id)
        except GoimError:
            await self._friends.remove(user_id, friend_id)
            raise

    async def remove(self, user_id: str, friend_id: str) -> None:
        """Remove both halves, be it a friend or a request of either side; `NOT_FOUND` if there is nothing."""
        if not await self._friends.remove(user_id, friend_id):
            raise not_found("friend")
        await self._access.relation_changed(user_id, friend_id)
        self._delivery.to_user(friend_id, FriendRemoved(UserData(user_id)))
        self._delivery.to_user(user_id, FriendRemoved(UserData(friend_id)))

    async def set_remark(self, user_id: str, friend_id: str, remark: str) -> None:
        """What I call a friend, for nobody but me."""
        _check_remark(remark)
        if not await self._friends.set_remark(user_id, friend_id, remark):
            raise not_found("friend")

    async def friends(self, user_id: str, limit: int, offset: int) -> list[FriendView]:
        """My friends, earliest first."""
        return await self._views(await self._friends.friends(user_id, limit, offset))

    async def requests(self, user_id: str, limit: int, offset: int) -> list[FriendView]:
        """Who waits for my half, earliest first."""
        return await self._views(await self._friends.requests(user_id, limit, offset))

    async def _views(self, friends: Sequence[Friend]) -> list[FriendView]:
        users = await self._users.by_ids(_ids(friends))
        return [
            FriendView(
                user_id=friend.user_id,
                username=user.username,
                nickname=user.nickname,
                avatar_url=user.avatar_url,
                remark=friend.remark,
                since=friend.since,
            )
            for friend in friends
            if (user := users.get(friend.user_id)) is not None  # else erased a moment ago
        ]

    # blocks

    async def block(self, user_id: str, other_id: str) -> None:
        """Neither can befriend, message, call or see the other. A request between them is off; friends stay friends."""
        await self._check_other(user_id, other_id)
        await self._blocks.add(user_id, other_id, self._clock.now_ms())
        mine, theirs = await self._friends.halves(user_id, other_id)
        if mine is not theirs:
            await self._friends.remove(user_id, other_id)
        await self._access.relation_changed(user_id, other_id)

    async def unblock(self, user_id: str, other_id: str) -> None:
        """Take a block back; without one nothing happens."""
        await self._blocks.remove(user_id, other_id)
        await self._access.relation_changed(user_id, other_id)

    async def blocked(self, user_id: str, limit: int, offset: int) -> list[Block]:
        """Whom I block, earliest first."""
        return await self._blocks.page(user_id, limit, offset)

    async def _check_other(self, user_id: str, other_id: str) -> None:
        if other_id == user_id:
            raise invalid("that is yourself")
        if len(other_id) > 64 or await self._users.get(other_id) is None:
            raise not_found("user")


def _ids(friends: Iterable[Friend]) -> list[str]:
    return [friend.user_id for friend in friends]


def _check_remark(remark: str | None) -> None:
    if remark is not None and len(remark) > MAX_REMARK:
        raise invalid(f"a remark has at most {MAX_REMARK} characters")
