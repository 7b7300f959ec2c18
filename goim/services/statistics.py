"""Figures for those who run goim: what there is, and what this node does just now."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import deque
from pathlib import Path

from msgspec import Struct, structs

from goim.clock import Clock
from goim.delivery import Delivery
from goim.metrics import Metrics
from goim.model.files import FileStats
from goim.stores.base import Files
from goim.stores.base_overview import Overview
from goim.tasks import beside

SAMPLE_SECONDS = 5.0
COUNTED_SECONDS = 10.0
_SAMPLES = 12
"""So many samples reach back a minute."""


class StorageStats(Struct, frozen=True, kw_only=True, rename="camel"):
    """Bytes in the data folder: of each database there, with what it has not folded in yet, and free on its disk."""

    databases: dict[str, int]
    free_bytes: int


class UserTotals(Struct, frozen=True, kw_only=True):
    """Accounts; administrators and disabled ones are among them."""

    total: int
    admins: int
    disabled: int


class GroupTotals(Struct, frozen=True, kw_only=True):
    total: int


class Totals(Struct, frozen=True, kw_only=True, rename="camel"):
    """What there is, counted at `countedAt` (unix milliseconds)."""

    counted_at: int
    users: UserTotals
    groups: GroupTotals
    files: FileStats
    storage: StorageStats


class NodeStats(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the answering node does.

    `connections` are the live ones by transport, `usersOnline` the people they belong to. Messages are those that it
    stored: in the last minute (to within five seconds), and since it started.
    """

    started_at: int
    connections: dict[str, int]
    users_online: int
    messages_last_minute: int
    messages_since_start: int


class Stats(Totals, frozen=True, kw_only=True, rename="camel"):
    """What there is, and what the answering node does."""

    node: NodeStats


class Statistics:
    """Counts what the database has at most every ten seconds, and keeps samples of what this node has done."""

    def __init__(
        self, overview: Overview, files: Files, delivery: Delivery, metrics: Metrics, folder: Path, clock: Clock
    ) -> None:
        self._overview = overview
        self._files = files
        self._delivery = delivery
        self._metrics = metrics
        self._folder = folder
        self._clock = clock
        self._started_at = clock.now_ms()
        self._samples: deque[int] = deque([0], maxlen=_SAMPLES)
        self._counted: tuple[float, Totals] | None = None

    async def totals(self) -> Totals:
        """What there is, or was a few seconds ago: counting reads an index of the accounts, the groups and files."""
        now = self._clock.monotonic()
        if self._counted is not None and now - self._counted[0] < COUNTED_SECONDS:
            return self._counted[1]
        counts = await self._overview.counts()
        totals = Totals(
            counted_at=self._clock.now_ms(),
            users=UserTotals(total=counts.users, admins=counts.admins, disabled=counts.disabled),
            groups=GroupTotals(total=counts.groups),
            files=await self._files.stats(),
            storage=await asyncio.to_thread(_storage, self._folder),
        )
        self._counted = now, totals
        return totals

    async def all(self) -> Stats:
        """What there is, and what this node does."""
        totals = await self.totals()
        return Stats(**structs.asdict(totals), node=self.node())

    def node(self) -> NodeStats:
        """What this node does; asks no database."""
        return NodeStats(
            started_at=self._started_at,
            connections={name: number for name, number in sorted(self._metrics.connections.items()) if number},
            users_online=len({sink.user_id for sink in self._delivery.everybody()}),
            messages_last_minute=self._stored() - self._samples[0],
            messages_since_start=self._stored(),
        )

    def _stored(self) -> int:
        return int(self._metrics.commit_batch_size.total)

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Take a sample every five seconds while the context is open."""
        return beside(self._run())

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(SAMPLE_SECONDS)
            self._samples.append(self._stored())


def _storage(folder: Path) -> StorageStats:
    databases = {database.stem: _bytes_of(database) for database in sorted(folder.glob("*.db"))}
    return StorageStats(databases=databases, free_bytes=shutil.disk_usage(folder).free)


def _bytes_of(database: Path) -> int:
    """A database's file and its write-ahead log. Whatever is removed meanwhile takes nothing."""
    total = 0
    for path in (database, database.with_name(f"{database.name}-wal")):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
