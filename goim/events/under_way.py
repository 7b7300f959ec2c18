"""What a consumer has read and not applied yet: groups side by side, each in order; and how far all of it is done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from aiokafka import ConsumerRecord, TopicPartition
from msgspec import Struct

from goim.events.base import GroupEvent

Apply = Callable[[GroupEvent], Awaitable[str | None]]
"""Works off one event, in the end: what is wrong with it if it cannot be. Twice must be once, and an older event must
do nothing after a newer one."""
Read = tuple[GroupEvent, ConsumerRecord]


class _Partition(Struct):
    """The offsets that were read and are not done, in order; where those end that were read; and what is committed."""

    open: dict[int, None]
    end: int
    committed: int

    @property
    def reached(self) -> int:
        return next(iter(self.open), self.end)


class UnderWay:
    """One worker a group, while there are events of it: of those that wait it applies the latest.

    A record is reached when it and all before it in its partition are done: a huge group holds up what is committed,
    and no other group. `failed` are those that could not be applied: they are not done before somebody says so.
    """

    def __init__(self, apply: Apply) -> None:
        self.failed: list[tuple[ConsumerRecord, str]] = []
        self._apply = apply
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._waiting: dict[str, list[Read]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return sum(len(partition.open) for partition in self._partitions.values())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end of the context what is half done is left to whoever reads it next."""
        try:
            yield
        finally:
            workers = list(self._workers.values())
            for worker in workers:
                worker.cancel()
            if workers:
                await asyncio.wait(workers)

    def read(self, record: ConsumerRecord) -> None:
        """A record was read: until it is done, nothing after it is reached."""
        offset = record.offset
        partition = self._partitions.setdefault(_partition_of(record), _Partition({}, offset, offset))
        partition.open[offset] = None
        partition.end = offset + 1

    def done(self, record: ConsumerRecord) -> None:
        """There is nothing more to do about a record."""
        partition = self._partitions.get(_partition_of(record))
        if partition is not None:
            partition.open.pop(record.offset, None)

    def begin(self, event: GroupEvent, record: ConsumerRecord) -> None:
        """Have an event applied after the earlier ones of its group, and beside those of all others."""
        group_id = event.group_id
        self._waiting.setdefault(group_id, []).append((event, record))
        if group_id not in self._workers:
            self._workers[group_id] = asyncio.get_running_loop().create_task(self._work(group_id))

    async def _work(self, group_id: str) -> None:
        try:
            while group_id in self._waiting:
                waiting = self._waiting.pop(group_id)
                event, latest = max(reversed(waiting), key=lambda each: each[0].ts)  # the last of equals
                error = await self._apply(event)
                if error is not None:
                    self.failed.append((latest, error))
                for _, record in waiting:
                    if error is None or record is not latest:
                        self.done(record)
        finally:
            del self._workers[group_id]

    def reached(self) -> dict[TopicPartition, int]:
        """How far each partition is done, where that is further than what is committed."""
        return {name: each.reached for name, each in self._partitions.items() if each.reached > each.committed}

    def committed(self, offsets: dict[TopicPartition, int]) -> int:
        """So far it is committed now; how many records that are more than before."""
        more = 0
        for name, offset in offsets.items():
            if (partition := self._partitions.get(name)) is not None:
                more += offset - partition.committed
                partition.committed = offset
        return more

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """These are given out anew: whoever gets them reads on from what is committed."""
        for name in partitions:
            self._partitions.pop(name, None)


def _partition_of(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
