"""Blobs in a bucket of Amazon S3 or a service that speaks its protocol."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from msgspec import Struct
from obstore.store import S3Store

from goim.blobs.objects import ObjectBlobs, told

if TYPE_CHECKING:  # there is no such name when it runs
    from obstore.store import S3Config

_DELETED_AT_ONCE = 1000


class Bucket(Struct, frozen=True, kw_only=True):
    """Where the blobs are. Without `endpoint` it is Amazon's, without `key` what the machine's role may do."""

    name: str
    endpoint: str = ""
    region: str = "us-east-1"
    key: str = ""
    secret: str = ""
    prefix: str = ""


class S3Blobs(ObjectBlobs):
    """`Blobs` in a bucket. Uploads that were broken off are the bucket's to end: give it a lifecycle rule for that."""

    def __init__(self, bucket: Bucket) -> None:
        self._s3 = _store_of(bucket)
        super().__init__(self._s3)

    async def put(
        self, path: str, chunks: AsyncIterable[bytes], limit: int, headers: Mapping[str, str] | None = None
    ) -> int:
        return await self._put(path, chunks, limit, headers)

    async def delete(self, paths: Sequence[str]) -> None:
        with told():
            for start in range(0, len(paths), _DELETED_AT_ONCE):
                await obstore.delete_async(self._s3, paths[start : start + _DELETED_AT_ONCE])

    async def presigned(self, path: str, ttl: float) -> str | None:
        with told():
            return await obstore.sign_async(self._s3, "GET", path, timedelta(seconds=ttl))


def _store_of(bucket: Bucket) -> S3Store:
    config: S3Config = {"region": bucket.region}
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint
    if bucket.key:
        config["access_key_id"], config["secret_access_key"] = bucket.key, bucket.secret
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        config=config,
        client_options={
            "allow_http": bucket.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=30),
            "timeout": timedelta(days=1),  # of a whole answer: who reads slowly may do so
        },
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=15)},
    )
