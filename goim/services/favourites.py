"""Favourites: what somebody keeps for themselves, whatever becomes of it elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Raw, Struct, UnsetType, field

from goim.clock import Clock
from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.ids import new_id
from goim.model.favourites import (
    MAX_FAVOURITES,
    Favourite,
    FavouriteStats,
    FavouriteType,
    checked_content,
    checked_tags,
    checked_title,
)
from goim.model.messages import Message
from goim.model.words import folded, words_of
from goim.protocol.frames import encode_json
from goim.services.access import AccessBook
from goim.services.file_grants import FileGrants
from goim.services.one_message import OneMessage
from goim.stores.base import Taken, Users
from goim.stores.base_favourites import Favourites

MAX_LIMIT = 100
MAX_KEYWORD = 64


class FavouriteView(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A favourite as its owner sees it; `message` is there only for a message that was kept."""

    favourite_id: str = field(name="favoriteId")
    type: FavouriteType
    conv_id: str
    title: str
    content: str
    message: Raw | UnsetType = UNSET
    tags: Sequence[str]
    created_at: int


class FavouriteBook:
    """Everybody's own."""

    def __init__(
        self,
        favourites: Favourites,
        users: Users,
        access: AccessBook,
        one_message: OneMessage,
        grants: FileGrants,
        clock: Clock,
    ) -> None:
        self._favourites = favourites
        self._grants = grants
        self._users = users
        self._access = access
        self._one_message = one_message
        self._clock = clock

    async def keep_message(
        self, user_id: str, conv_id: str, message_id: str, tags: Sequence[str] = ()
    ) -> FavouriteView:
        """Keep a message as it is now, with its files: it outlives recall and erasure. Its title is who said it."""
        clean = checked_tags(tags)
        message = await self._one_message.of(user_id, conv_id, message_id)
        if message.recalled or message.payload is None:
            raise not_found("message")
        _check_lasting(message)
        sender = (await self._users.by_ids([message.from_])).get(message.from_)
        kept = Favourite(
            favourite_id=message.server_msg_id,
            user_id=user_id,
            type=FavouriteType.MESSAGE,
            conv_id=conv_id,
            title="" if sender is None else sender.nickname,
            content=words_of(message.type, bytes(message.payload)),
            message=encode_json(message).decode(),
            tags=clean,
            created_at=self._clock.now_ms(),
        )
        await self._grants.keep(user_id, kept.favourite_id, message.type, bytes(message.payload).decode())
        return await self._keep(kept)

    async def keep_custom(
        self, user_id: str, title: str, content: str, tags: Sequence[str] = (), conv_id: str | None = None
    ) -> FavouriteView:
        """Keep something of one's own, which may belong to one of one's conversations."""
        kept = Favourite(
            favourite_id=new_id(),
            user_id=user_id,
            type=FavouriteType.CUSTOM,
            conv_id=conv_id or "",
            title=checked_title(title),
            content=checked_content(content),
            tags=checked_tags(tags),
            created_at=self._clock.now_ms(),
        )
        if conv_id:
            await self._access.of(user_id, conv_id)
        return await self._keep(kept)

    async def _keep(self, favourite: Favourite) -> FavouriteView:
        try:
            if not await self._favourites.add(favourite, MAX_FAVOURITES):
                await self._grants.drop(favourite.user_id, favourite.favourite_id)
                raise invalid(f"you have {MAX_FAVOURITES} favourites; delete some first")
        except Taken:
            raise GoimError(ErrorCode.ALREADY_EXISTS, "this message is among your favourites already") from None
        return _view(favourite)

    async def page(
        self, user_id: str, kind: FavouriteType | None, tags: Sequence[str], limit: int, offset: int
    ) -> list[FavouriteView]:
        """My favourites, latest first: of a type, with any of some tags."""
        wanted = checked_tags(tags)
        found = await self._favourites.page(user_id, kind, wanted, min(limit, MAX_LIMIT), offset)
        return [_view(favourite) for favourite in found]

    async def search(self, user_id: str, keyword: str, limit: int, offset: int) -> list[FavouriteView]:
        """My favourites with a keyword in title, text or tags, whatever the case, latest first."""
        key = folded(keyword)
        if not 1 <= len(key) <= MAX_KEYWORD:
            raise invalid(f"keyword has 1 to {MAX_KEYWORD} characters")
        found = await self._favourites.search(user_id, key, min(limit, MAX_LIMIT), offset)
        return [_view(favourite) for favourite in found]

    async def delete(self, user_id: str, favourite_id: str) -> None:
        if not await self._favourites.delete(user_id, favourite_id):
            raise not_found("favourite")
        await self._grants.drop(user_id, favourite_id)

    async def stats(self, user_id: str) -> FavouriteStats:
        """How many I have."""
        return await self._favourites.stats(user_id)

    async def erase(self, user_id: str) -> None:
        """Forget what somebody kept whose account is erased."""
        await self._favourites.erase(user_id)


def _check_lasting(message: Message) -> None:
    """What its sender wants to vanish is not kept behind their back, and what is not yet said cannot be."""
    if message.burn_after_read is True or message.expire_at is not UNSET:
        raise GoimError(ErrorCode.FORBIDDEN, "this message is to vanish; it is not kept")
    if message.stream_status == "streaming":
        raise GoimError(ErrorCode.STREAM_STATE, "this message is still being written")


def _view(favourite: Favourite) -> FavouriteView:
    return FavouriteView(
        favourite_id=favourite.favourite_id,
        type=favourite.type,
        conv_id=favourite.conv_id,
        title=favourite.title,
        content=favourite.content,
        message=UNSET if favourite.message is None else Raw(favourite.message.encode()),
        tags=favourite.tags,
        created_at=favourite.created_at,
    )
