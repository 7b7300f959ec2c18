"""Lets the members of a conversation read a file that is sent there by somebody who may read it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Collection

from msgspec import Struct

from goim.batching import Batcher
from goim.clock import LATEST_MS, Clock
from goim.errors import ErrorCode, GoimError, StoreDown, not_found
from goim.model.files import EVERYBODY, WITH_FILES, Grant, file_id_at, kept_by, referenced_files
from goim.model.messages import SentKey
from goim.stores.base import Grants


class _Sharing(Struct):
    """Somebody wants to let others read files."""

    user_id: str
    grants: set[Grant]
    done: asyncio.Future[None]

    @property
    def claims(self) -> set[tuple[str, str]]:
        return {(self.user_id, grant.file_id) for grant in self.grants}


class FileGrants:
    """Asked before a message is stored, so that nobody is ever shown a file that they then may not have.

    What is asked at the same time is looked up and written together. What a message gives is taken away when it is
    gone, after that was stored: so whoever sends it once more finds it gone, or what is granted for that goes, too.
    """

    def __init__(self, grants: Grants, clock: Clock, *, public_url: str = "") -> None:
        self._grants = grants
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self.batches: Batcher[_Sharing] = Batcher(self._share)

    def check(self, key: SentKey, kind: str, payload: str, ends_at: int | None = None) -> Awaitable[None] | None:
        """None if a (checked) payload of this type refers to no file of ours; else what to await before it is stored.

        Afterwards the members may read the files until the message is gone; or it is refused as `share` says.
        """
        if kind not in WITH_FILES:
            return None
        grants = {Grant(file_id, *key, ends_at) for file_id in referenced_files(payload, self._public_url)}
        return self.share(key[1], grants) if grants else None

    async def show(self, user_id: str, address: str) -> None:
        """Let everybody see what somebody takes for a face: a picture of ours that they may see themselves."""
        file_id = file_id_at(address, self._public_url)
        if file_id is not None:
            await self.share(user_id, {Grant(file_id, EVERYBODY)})

    async def keep(self, user_id: str, favourite_id: str, kind: str, payload: str) -> None:
        """Let somebody read the files of a message that they keep, whatever becomes of it, until `drop`: those that
        they may read now."""
        files = referenced_files(payload, self._public_url) if kind in WITH_FILES else ()
        for file_id in files:
            with contextlib.suppress(GoimError):  # it is gone already
                await self.share(user_id, {Grant(file_id, kept_by(user_id), user_id, favourite_id)})

    async def drop(self, user_id: str, favourite_id: str) -> None:
        """It is no favourite any more, or has become none."""
        await self.withdraw([(kept_by(user_id), user_id, favourite_id)])

    def share(self, user_id: str, grants: set[Grant]) -> Awaitable[None]:
        """Grant all this; `NOT_FOUND` if the user may not read all these files, `FORBIDDEN` if not for good: what was
        shown to them to vanish is not theirs to show."""
        sharing = _Sharing(user_id, grants, asyncio.get_running_loop().create_future())
        self.batches.put(sharing)
        return sharing.done

    async def withdraw(self, keys: Collection[SentKey]) -> None:
        """These messages are gone: what they alone gave, nobody but its owner may read. Twice is once."""
        if keys:
            await self._grants.withdraw(keys)

    async def withdraw_of(self, user_id: str) -> None:
        """The same of all that somebody sent."""
        await self._grants.withdraw_of(user_id)

    async def _share(self, batch: list[_Sharing]) -> None:
        try:
            claims = set().union(*(sharing.claims for sharing in batch))
            lasting = await self._grants.readable(claims, LATEST_MS)
            allowed = [sharing for sharing in batch if sharing.claims <= lasting]
            await self._grants.grant(set().union(*(sharing.grants for sharing in allowed)))
            missing = claims - lasting
            fleeting = await self._grants.readable(missing, self._clock.now_ms()) if missing else set()
        except StoreDown as error:
            _refuse(batch, error)
            return
        except Exception:
            _refuse(batch, StoreDown("the files could not be looked up"))
            raise
        for sharing in allowed:
            if not sharing.done.done():  # else who asked has gone
                sharing.done.set_result(None)
        _refuse([sharing for sharing in batch if sharing.claims <= lasting | fleeting], _fleeting())
        _refuse(batch, not_found("file"))


def _fleeting() -> GoimError:
    return GoimError(ErrorCode.FORBIDDEN, "this file was shown to you to vanish; it is not passed on")


def _refuse(batch: list[_Sharing], error: GoimError | StoreDown) -> None:
    """Tell everybody who has no answer yet."""
    for sharing in batch:
        if not sharing.done.done():
            sharing.done.set_exception(error)
