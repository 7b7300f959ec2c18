"""Moves groups up in their members' lists, in steps with a rest between: a group of a million keeps nobody waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from goim.clock import Clock
from goim.errors import StoreDown
from goim.events.base import GroupEvent, GroupEvents
from goim.metrics import Metrics
from goim.stores.base import Conversations
from goim.tasks import beside

_RETRY_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class GroupIndex(GroupEvents):
    """Works events off in this process: of each group the first step at once, the rest when nothing is due before it.

    What waits is lost when the process dies; the group's next message makes up for it.
    """

    def __init__(
        self, conversations: Conversations, clock: Clock, metrics: Metrics, *, batch_size: int, batch_sleep: float
    ) -> None:
        self._conversations = conversations
        self._clock = clock
        self._metrics = metrics
        self._size = batch_size
        self._rest = batch_sleep
        self._begun: dict[str, tuple[GroupEvent, str]] = {}
        self._again: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._first, self._in_turn = asyncio.Lock(), asyncio.Lock()  # those who wait for a lock get it in order

    async def put(self, events: Sequence[GroupEvent]) -> None:
        for event in events:
            last = await self._step(event, "")
            if last is None:
                continue
            group_id = event.group_id
            begun = self._begun.get(group_id)
            # A group that never rests still reaches its last members: what is under way goes on, then once more.
            if begun is not None:
                self._again[group_id] = last
            self._begun[group_id] = (event, last if begun is None else begun[1])
            self._wake.set()

    async def apply(self, event: GroupEvent) -> None:
        """Move a group up in the lists of all its members. Twice is once, and an older event moves nothing back.

        Of many at once the first steps go one after another, and the rest in turn with a rest before each: the
        database has no more to do, and no group waits for a huge one.
        """
        async with self._first:
            last = await self._step(event, "")
        while last is not None:
            async with self._in_turn:
                await self._clock.sleep(self._rest)
                last = await self._step(event, last)

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Go on with large groups while the context is open."""
        return beside(self._run())

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._begun:
                for group_id in list(self._begun):  # in turn: a huge group keeps no other waiting
                    await self._clock.sleep(self._rest)
                    await self._go_on(group_id)

    async def _go_on(self, group_id: str) -> None:
        begun = self._begun.get(group_id)
        if begun is None:
            return
        event, after = begun
        try:
            last = await self._step(event, after)
        except StoreDown as error:
            _log.warning("group_index_waits", error=str(error), groups=len(self._begun))
            return await self._clock.sleep(_RETRY_SECONDS)
        except Exception:  # noqa: BLE001 one group that cannot be moved must not keep all others
            _log.exception("group_index_failed", group_id=group_id)
            self._begun.pop(group_id, None)
            self._again.pop(group_id, None)
            return None
        newest, _ = self._begun.pop(group_id)  # to the end: the other groups are next
        if last is None:
            last = self._again.pop(group_id, None)
        if last is not None:
            self._begun[group_id] = (newest, last)

    async def _step(self, event: GroupEvent, after: str) -> str | None:
        """Move the next members; the last of them, or None when there are no more."""
        moved = await self._conversations.bump_members(event.conv_id, event.ts, after, self._size)
        self._metrics.group_members_moved += len(moved)
        return moved[-1] if len(moved) == self._size else None
