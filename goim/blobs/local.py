"""Blobs in a local folder, on the disk before they count as stored."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterable, Mapping
from pathlib import Path

from obstore.store import LocalStore

from goim.blobs.objects import ObjectBlobs
from goim.errors import StoreDown

_STAGED = re.compile(
    r".+#\d+"
)  # the library writes `name#1` and renames it at the end; it neither lists nor deletes it


class LocalBlobs(ObjectBlobs):
    """`Blobs` as files under a folder, which is made if need be, for this user alone."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreDown(f"files: {folder} cannot be made: {error}") from error
        super().__init__(LocalStore(folder))
        self._folder = folder

    async def put(
        self, path: str, chunks: AsyncIterable[bytes], limit: int, headers: Mapping[str, str] | None = None
    ) -> int:
        size = await super().put(path, chunks, limit, headers)
        await asyncio.to_thread(self._sync, path)
        return size

    async def create(self, path: str, data: bytes) -> bool:
        is_new = await super().create(path, data)
        await asyncio.to_thread(self._sync, path)
        return is_new

    def _sync(self, path: str) -> None:
        """The library leaves it to the system when bytes and names reach the disk; a power cut would take them."""
        place = self._folder / path
        try:
            for each in (place, *place.parents[: len(Path(path).parts)]):
                _sync_one(each)
        except OSError as error:
            raise StoreDown(f"files: {error}") from error

    async def tidy(self, before_ms: int) -> int:
        return await asyncio.to_thread(self._tidy, before_ms)

    def _tidy(self, before_ms: int) -> int:
        removed = 0
        for path in self._folder.rglob("*#*"):
            if _STAGED.fullmatch(path.name) and path.stat().st_mtime * 1000 < before_ms:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
