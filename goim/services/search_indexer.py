"""Keeps the search index in step with the log: behind it, in its own time, and at once when somebody searches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from goim.clock import Clock
from goim.model.search import terms_of
from goim.stores.base_search import Doc, LogTail, SearchIndex, Written
from goim.tasks import beside, outlived

_AT_ONCE = 128
BEAT_SECONDS = 5.0
_REST = 9.0
"""While messages come in: so many seconds of rest for each of work. Sending has nine tenths of a core to itself."""
_SHORT_REST = 1.0
"""While none do."""
MOST_FOR_A_SEARCH = 20_000
"""Messages that one who searches waits for, which is about a second; what is beyond them is found later."""


class SearchIndexer:
    """Goes on where the index ends. Nothing tells it of a message: what is not indexed can be seen from the log."""

    def __init__(self, tail: LogTail, index: SearchIndex, clock: Clock) -> None:
        self._tail = tail
        self._index = index
        self._clock = clock
        self._turn = asyncio.Lock()

    async def catch_up(self, conv_ids: Sequence[str] = ()) -> None:  # noqa: ARG002 it knows no conversations
        """Index what has been written by now wherever, or as much of it as somebody may be kept waiting for."""
        for _ in range(MOST_FOR_A_SEARCH // _AT_ONCE):
            if not await self.step():
                return

    async def step(self) -> bool:
        """Index the next few messages, changed ones first; whether there may be more."""
        async with self._turn:
            position = await self._index.position()
            changed = await self._index_changed(position)
            return await self._index_new(position) or changed

    async def _index_changed(self, position: int) -> bool:
        """Read before the new ones: a message that is changed while it is new is indexed as it has become."""
        touched = await self._tail.touched(_AT_ONCE)
        if touched:
            known = {each.message.number: each.message for each in touched if each.message.number <= position}
            await self._index.write([_doc(each) for each in known.values()])
            await self._tail.seen(touched[-1].mark)
        return len(touched) == _AT_ONCE

    async def _index_new(self, position: int) -> bool:
        written = await self._tail.after(position, _AT_ONCE)
        if written:
            await self._index.write([_doc(each) for each in written], written[-1].number)
        return len(written) == _AT_ONCE

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Index while the context is open. What is left at its end, or after a crash, is found again by its number."""
        if await self._index.position() > await self._tail.last():
            await self._index.clear()  # it was made of another log
        async with beside(self._run()):
            yield

    async def _run(self) -> None:
        pause = BEAT_SECONDS
        last = 0
        while True:
            await self._clock.sleep(pause)
            started = self._clock.monotonic()
            pause = BEAT_SECONDS
            with outlived("search_index_waits"):
                before, last = last, await self._tail.last()
                if await self.step():
                    pause = (self._clock.monotonic() - started) * (_SHORT_REST if last == before else _REST)


def _doc(written: Written) -> Doc:
    return Doc(written.number, written.row.conv_id, written.row.seq, terms_of(written.row))
