"""Lets the members of a conversation read a file that is sent there by somebody who may read it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from msgspec import Struct

from goim.batching import Batcher
from goim.errors import GoimError, StoreDown, not_found
from goim.model.files import EVERYBODY, WITH_FILES, file_id_at, referenced_files
from goim.stores.base import Grants


class _Sharing(Struct):
    """Somebody wants to send files to a conversation."""

    user_id: str
    conv_id: str
    file_ids: set[str]
    done: asyncio.Future[None]

    @property
    def claims(self) -> set[tuple[str, str]]:
        return {(self.user_id, file_id) for file_id in self.file_ids}


class FileGrants:
    """Asked before a message is stored, so that nobody is ever shown a file that they then may not have.

    What is asked at the same time is looked up and written together.
    """

    def __init__(self, grants: Grants, *, public_url: str = "") -> None:
        self._grants = grants
        self._public_url = public_url.rstrip("/")
        self.batches: Batcher[_Sharing] = Batcher(self._share)

    def check(self, user_id: str, conv_id: str, kind: str, payload: str) -> Awaitable[None] | None:
        """None if a (checked) payload of this type refers to no file of ours; else what to await before it is stored.

        Afterwards the members may read the files; or it is `NOT_FOUND`, because the sender may not.
        """
        if kind not in WITH_FILES:
            return None
        file_ids = referenced_files(payload, self._public_url)
        return self.share(user_id, conv_id, file_ids) if file_ids else None

    async def show(self, user_id: str, address: str) -> None:
        """Let everybody see what somebody takes for a face: a picture of ours that they may see themselves."""
        file_id = file_id_at(address, self._public_url)
        if file_id is not None:
            await self.share(user_id, EVERYBODY, {file_id})

    def share(self, user_id: str, conv_id: str, file_ids: set[str]) -> Awaitable[None]:
        """Let the members (or `EVERYBODY`) read these files; `NOT_FOUND` if the user may not read all of them."""
        sharing = _Sharing(user_id, conv_id, file_ids, asyncio.get_running_loop().create_future())
        self.batches.put(sharing)
        return sharing.done

    async def _share(self, batch: list[_Sharing]) -> None:
        try:
            readable = await self._grants.readable(set().union(*(sharing.claims for sharing in batch)))
            allowed = [sharing for sharing in batch if sharing.claims <= readable]
            await self._grants.grant({(file_id, each.conv_id) for each in allowed for file_id in each.file_ids})
        except StoreDown as error:
            _refuse(batch, error)
            return
        except Exception:
            _refuse(batch, StoreDown("the files could not be looked up"))
            raise
        for sharing in allowed:
            if not sharing.done.done():  # else who asked has gone
                sharing.done.set_result(None)
        _refuse(batch, not_found("file"))


def _refuse(batch: list[_Sharing], error: GoimError | StoreDown) -> None:
    """Tell everybody who has no answer yet."""
    for sharing in batch:
        if not sharing.done.done():
            sharing.done.set_exception(error)
