"""The port of the bytes of files: what it promises, wherever they are."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Blob(Struct, frozen=True, kw_only=True):
    """Bytes under a path; `modified_at` is unix milliseconds."""

    path: str
    size: int
    modified_at: int


class Blobs(Protocol):
    """Bytes under paths. A path is made by the server: some segments of a-z, 0-9 and dots, with slashes between.

    May be called from many tasks at once. Raises `StoreDown` when the bytes cannot be reached or have no room.
    """

    async def put(
        self, path: str, chunks: AsyncIterable[bytes], limit: int, headers: Mapping[str, str] | None = None
    ) -> int:
        """Store all chunks under a path, instead of what was there, and return how many bytes they were.

        It is there as a whole or not at all: `TOO_LARGE` above `limit` bytes; what `chunks` raises goes through; after
        either, after a crash, and for as long as it runs, readers find what was there before. `headers` (Content-Type,
        Content-Disposition) are what a presigned URL answers with.
        """
        ...

    async def create(self, path: str, data: bytes) -> bool:
        """Store `data` under a path where nothing is; of two at once only one does. False if there was something."""
        ...

    async def get(self, path: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes] | None:
        """The bytes from `start` up to, not including, `end` (there must be some), in chunks; None: nothing there."""
        ...

    async def size(self, path: str) -> int | None:
        """How many bytes there are, or None."""
        ...

    async def delete(self, paths: Sequence[str]) -> None:
        """Remove what is there; where nothing is, nothing happens."""
        ...

    def list(self, folder: str) -> AsyncIterator[Sequence[Blob]]:
        """Everything in a folder and below it ("": everything), some at a time, in no order."""
        ...

    async def presigned(self, path: str, ttl: float) -> str | None:
        """A URL where anybody may read it for `ttl` seconds without asking this server; None if there is none."""
        ...

    async def tidy(self, before_ms: int) -> int:
        """Remove what a `put` that was killed before this time has left behind unseen, and say how much that was."""
        ...
