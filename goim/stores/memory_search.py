"""Search in memory: the twin of `sqlite_search` for tests."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from goim.model.search import Term
from goim.stores.base_search import Doc, Hit, Touched, Written
from goim.stores.memory_log import MemoryMessages


class MemoryLogTail:
    """`LogTail` over the log in memory: numbers and marks are places in its lists, from 1."""

    def __init__(self, messages: MemoryMessages) -> None:
        self._messages = messages
        self._seen = 0

    async def after(self, number: int, limit: int) -> list[Written]:
        places = self._messages.written[number : number + limit]
        return [self._written(number + at, *place) for at, place in enumerate(places, 1)]

    async def last(self) -> int:
        return len(self._messages.written)

    async def touched(self, limit: int) -> list[Touched]:
        places = self._messages.touched[self._seen : self._seen + limit]
        return [
            Touched(self._seen + at, self._written(self._messages.written.index(place) + 1, *place))
            for at, place in enumerate(places, 1)
        ]

    async def seen(self, mark: int) -> None:
        self._seen = max(self._seen, mark)

    def _written(self, number: int, conv_id: str, seq: int) -> Written:
        row = self._messages.find(conv_id, seq)
        assert row is not None, "rows are never deleted"
        return Written(number, row)


class MemorySearchIndex:
    """`SearchIndex` in a dict."""

    def __init__(self) -> None:
        self._docs: dict[int, Doc] = {}
        self._position = 0

    async def position(self) -> int:
        return self._position

    async def write(self, docs: Sequence[Doc], position: int | None = None) -> None:
        for doc in docs:
            self._docs.pop(doc.number, None)
            if doc.terms:
                self._docs[doc.number] = doc
        self._position = max(self._position, position or 0)

    async def find(self, conv_ids: Collection[str], terms: Sequence[Term], before: int | None, limit: int) -> list[Hit]:
        found = [
            Hit(doc.number, doc.conv_id, doc.seq)
            for doc in self._docs.values()
            if doc.conv_id in conv_ids and (before is None or doc.number < before) and _has_all(doc, terms)
        ]
        return sorted(found, reverse=True)[:limit]

    async def clear(self) -> None:
        self._docs.clear()
        self._position = 0


def _has_all(doc: Doc, terms: Sequence[Term]) -> bool:
    return all(
        any(each.startswith(term.text) if term.is_prefix else each == term.text for each in doc.terms) for term in terms
    )
