"""Search in SQLite: the tail of the log by row numbers and a trigger, the index in FTS5, in a file of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from functools import lru_cache

from goim.ids import conversation_key
from goim.model.messages import MessageRow
from goim.model.search import Term
from goim.stores.base_search import Doc, Hit, Touched, Written
from goim.stores.engine import SqlEngine
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_worker import insert_statements, run_all

# A row's number is one more than the greatest there is, and rows are never deleted from the end: it only rises.
WRITTEN_AFTER = "SELECT rowid, * FROM messages WHERE rowid > ? ORDER BY rowid LIMIT ?"
LAST_WRITTEN = "SELECT MAX(rowid) FROM messages"
TOUCHED = """
SELECT t.mark, m.rowid, m.* FROM touched_messages t CROSS JOIN messages m ON m.rowid = t.message_no
ORDER BY t.mark LIMIT ?"""
SEEN = "DELETE FROM touched_messages WHERE mark <= ?"

POSITION = "SELECT position FROM search_position"
RAISE_POSITION = "UPDATE search_position SET position = MAX(position, ?)"
RESET_POSITION = "UPDATE search_position SET position = 0"
DELETE_DOC = "DELETE FROM search_docs WHERE doc_no = ?"
DELETE_DOCS = "DELETE FROM search_docs"
FIND = """
SELECT d.doc_no, d.conv_id, d.seq FROM search_terms t CROSS JOIN search_docs d ON d.doc_no = t.rowid
WHERE search_terms MATCH ? AND t.rowid < ? ORDER BY t.rowid DESC LIMIT ?"""
_BEFORE_ALL = 2**63 - 1

_CONV = "¤"  # begins no word: the term of a conversation is nobody's text


class SqliteLogTail:
    """`LogTail` over the log in SQLite."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def after(self, number: int, limit: int) -> list[Written]:
        rows = await self._engine.fetch_rows(WRITTEN_AFTER, (number, limit))
        return [Written(row[0], MessageRow(*row[1:])) for row in rows]

    async def last(self) -> int:
        rows = await self._engine.fetch_rows(LAST_WRITTEN)
        return int(rows[0][0] or 0)

    async def touched(self, limit: int) -> list[Touched]:
        rows = await self._engine.fetch_rows(TOUCHED, (limit,))
        return [Touched(row[0], Written(row[1], MessageRow(*row[2:]))) for row in rows]

    async def seen(self, mark: int) -> None:
        await self._engine.execute(SEEN, (mark,))


class SqliteSearchIndex:
    """`SearchIndex` in FTS5. Its `ascii` tokenizer splits at nothing that a term may have in it: terms stay whole."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = engine

    async def position(self) -> int:
        return int((await self._engine.fetch_rows(POSITION))[0][0])

    async def write(self, docs: Sequence[Doc], position: int | None = None) -> None:
        gone = [(doc.number,) for doc in docs]
        rows = [
            (doc.number, doc.conv_id, doc.seq, " ".join((_conv_term(doc.conv_id), *doc.terms)))
            for doc in docs
            if doc.terms
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(DELETE_DOC, gone)
            run_all(connection, insert_statements("search_docs", rows))
            if position is not None:
                connection.execute(RAISE_POSITION, (position,))

        await self._engine.write(work)

    async def find(self, conv_ids: Collection[str], terms: Sequence[Term], before: int | None, limit: int) -> list[Hit]:
        scope = " OR ".join(f'"{_conv_term(conv_id)}"' for conv_id in conv_ids)
        wanted = " AND ".join([f"({scope})", *(f'"{term.text}"{" *" if term.is_prefix else ""}' for term in terms)])
        below = _BEFORE_ALL if before is None else before
        return [Hit(*row) for row in await self._engine.fetch_rows(FIND, (wanted, below, limit))]

    async def clear(self) -> None:
        await self._engine.write(lambda connection: [connection.execute(sql) for sql in (DELETE_DOCS, RESET_POSITION)])


@lru_cache(maxsize=65_536)
def _conv_term(conv_id: str) -> str:
    """What every message of a conversation is found by."""
    return _CONV + conversation_key(conv_id)
