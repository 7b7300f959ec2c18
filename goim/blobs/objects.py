"""What the blobs have in common wherever they are: the port over one store of the obstore library."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from goim.blobs.base import Blob
from goim.errors import ErrorCode, GoimError, StoreDown

if TYPE_CHECKING:  # there are no such names when it runs
    from obstore import GetOptions, GetResult, ObjectMeta

_PART_BYTES = 5 * 1024 * 1024  # the least that S3 takes for a part
_PARTS_AT_ONCE = 2  # so an upload holds about 10 MiB
_CHUNK_BYTES = 256 * 1024
_LISTED_AT_ONCE = 500
_ATTEMPTS = re.compile(r"Error performing .* retry_timeout: \S+ +- ")  # what was asked how often, with its URL


@contextmanager
def told() -> Iterator[None]:
    """Tell trouble of the store as the rest of goim knows it. (Its own text goes on with pages of details.)"""
    try:
        yield
    except BaseError as error:
        raise StoreDown(f"files: {_ATTEMPTS.sub('', str(error).partition(chr(10))[0])}") from error


class ObjectBlobs:
    """`Blobs` over an object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(
        self,
        path: str,
        chunks: AsyncIterable[bytes],
        limit: int,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 only S3 keeps them
    ) -> int:
        return await self._put(path, chunks, limit, None)

    async def _put(
        self, path: str, chunks: AsyncIterable[bytes], limit: int, attributes: Mapping[str, str] | None
    ) -> int:
        counted = _Counted(chunks, limit)
        with told():
            await obstore.put_async(
                self._store,
                path,
                aiter(counted),
                attributes=dict(attributes) if attributes else None,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
        return counted.size

    async def create(self, path: str, data: bytes) -> bool:
        with told():
            try:
                await obstore.put_async(self._store, path, data, mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def get(self, path: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes] | None:
        options: GetOptions = {}
        if start or end is not None:
            options["range"] = {"offset": start} if end is None else (start, end)
        with told():
            try:
                found = await obstore.get_async(self._store, path, options=options)
            except FileNotFoundError:
                return None
        return _streamed(found)

    async def size(self, path: str) -> int | None:
        with told():
            try:
                return (await obstore.head_async(self._store, path))["size"]
            except FileNotFoundError:
                return None

    async def delete(self, paths: Sequence[str]) -> None:
        with told():
            for path in paths:
                try:
                    await obstore.delete_async(self._store, path)
                except FileNotFoundError:
                    continue

    async def list(self, folder: str) -> AsyncIterator[Sequence[Blob]]:
        with told():
            async for found in obstore.list(self._store, folder or None, chunk_size=_LISTED_AT_ONCE):
                yield [
                    Blob(
                        path=meta["path"], size=meta["size"], modified_at=int(meta["last_modified"].timestamp() * 1000)
                    )
                    for meta in found
                ]

    async def presigned(self, path: str, ttl: float) -> str | None:  # noqa: ARG002 only S3 has such URLs
        return None

    async def tidy(self, before_ms: int) -> int:  # noqa: ARG002 nothing is left behind in memory, nor seen in S3
        return 0


class _Counted:
    """Chunks on their way: counted, and refused when they are too many."""

    def __init__(self, chunks: AsyncIterable[bytes], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self.size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._limit:
                raise GoimError(ErrorCode.TOO_LARGE, f"a file has at most {self._limit} bytes")
            yield chunk


async def _streamed(found: GetResult) -> AsyncIterator[bytes]:
    with told():
        async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)


def _blob(meta: ObjectMeta) -> Blob:
    return Blob(path=meta["path"], size=meta["size"], modified_at=int(meta["last_modified"].timestamp() * 1000))
