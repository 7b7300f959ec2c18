"""Sends to conversations that several nodes write to at once: in batches of their own, beside those of all others.

Who loses races waits for a turn with the conversation, and meanwhile its sends pile up into one batch. A hot group
delays nobody else by that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from goim.batching import Batcher
from goim.model.messages import Draft, Sent
from goim.stores.log import Log

D = TypeVar("D", bound=Draft)
Append = Callable[[Sequence[Draft]], Awaitable[Sequence[Sent | None]]]
"""How a batch is stored."""


class Contested(Generic[D]):
    """Takes sends out of batches; a conversation's come to `store` in the order in which they were taken out."""

    def __init__(self, log: Log, store: Callable[[list[D]], Awaitable[None]]) -> None:
        self._log = log
        self._store = store
        self._waiting: Counter[str] = Counter()
        self.batches: Batcher[D] = Batcher(self._work)

    def take_out(self, drafts: list[D]) -> list[D]:
        """What is left of a batch for all others."""
        if not self._waiting and not self._log.has_contested:
            return drafts
        left: list[D] = []
        for draft in drafts:
            conv_id = draft.conv.conv_id
            if conv_id in self._waiting or self._log.is_contested(conv_id):  # none overtakes those that wait already
                self._waiting[conv_id] += 1
                self.batches.put(draft)
            else:
                left.append(draft)
        return left

    async def _work(self, batch: list[D]) -> None:
        """Each conversation of the batch by itself."""
        groups: dict[str, list[D]] = {}
        for draft in batch:
            groups.setdefault(draft.conv.conv_id, []).append(draft)
        await asyncio.gather(*(self._store_group(conv_id, group) for conv_id, group in groups.items()))

    async def _store_group(self, conv_id: str, group: list[D]) -> None:
        try:
            await self._store(group)
        finally:
            self._waiting[conv_id] -= len(group)
            if not self._waiting[conv_id]:
                del self._waiting[conv_id]
