"""Sweeps away files whose time is over, and bytes that belong to no file."""

from __future__ import annotations

import contextlib

import structlog
from msgspec import Struct
from msgspec.structs import asdict

from goim.blobs.base import Blobs
from goim.clock import Clock
from goim.config.settings import Files as Rules
from goim.model.files import PARTIAL, FileStats, StoredFile, file_id_of
from goim.stores.base import Files
from goim.tasks import beside, repeat

_AT_ONCE = 200
# Bytes come before their row, and S3 dates them from the beginning of the upload. So nothing younger is an orphan.
_ORPHAN_SECONDS = 24 * 3600.0
_log = structlog.get_logger(__name__)


class Swept(Struct, frozen=True, kw_only=True):
    """What was removed: expired files, bytes without a file, parts of uploads never finished, broken-off writes."""

    expired: int
    orphans: int
    partial: int
    broken: int


class FileSweeper:
    """May run on every node at once, and be killed at any time: what is not done is done the next time."""

    def __init__(self, files: Files, blobs: Blobs, clock: Clock, rules: Rules) -> None:
        self._files = files
        self._blobs = blobs
        self._clock = clock
        self._rules = rules

    async def page(self, owner_id: str | None, limit: int, offset: int) -> list[StoredFile]:
        """Somebody's files, or everybody's, latest first: for those who look after the server."""
        return await self._files.page(owner_id, limit, offset)

    async def stats(self) -> FileStats:
        """How much there is."""
        return await self._files.stats()

    async def sweep(self) -> Swept:
        """Remove all that is to go by now."""
        expired = await self._sweep_expired()
        orphans, partial = await self._sweep_blobs()
        broken = await self._blobs.tidy(self._before(_ORPHAN_SECONDS))
        return Swept(expired=expired, orphans=orphans, partial=partial, broken=broken)

    async def _sweep_expired(self) -> int:
        now, removed = self._clock.now_ms(), 0
        created_before = self._before(self._rules.retention) if self._rules.retention else 0
        while found := await self._files.expired(now, created_before, _AT_ONCE):
            await self._files.delete([file.file_id for file in found])
            await self._blobs.delete([path for file in found for path in file.blobs])
            removed += len(found)
        return removed

    async def _sweep_blobs(self) -> tuple[int, int]:
        orphans = partial = 0
        old, given_up = self._before(_ORPHAN_SECONDS), self._before(self._rules.upload_ttl)
        async for some in self._blobs.list(""):
            parts = [blob.path for blob in some if blob.path.startswith(PARTIAL) and blob.modified_at < given_up]
            blobs = [blob.path for blob in some if not blob.path.startswith(PARTIAL) and blob.modified_at < old]
            known = await self._files.known({file_id_of(path) for path in blobs})
            lost = [path for path in blobs if file_id_of(path) not in known]
            await self._blobs.delete(parts + lost)
            orphans, partial = orphans + len(lost), partial + len(parts)
        return orphans, partial

    def _before(self, seconds: float) -> int:
        return self._clock.now_ms() - int(seconds * 1000)

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Sweep from time to time while the context is open."""
        return beside(repeat(self._clock, self._rules.sweep_interval, self._sweep_and_tell, "files_not_swept"))

    async def _sweep_and_tell(self) -> None:
        swept = asdict(await self.sweep())
        if any(swept.values()):
            _log.info("files_swept", **swept)
