"""The index of words in an SQL database: a row for each term of a message, and what marks how far a conversation is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from goim.ids import conversation_key
from goim.model.search import Term
from goim.stores.base_search import Doc, Hit
from goim.stores.base_words import Mark
from goim.stores.engine import Args, SqlEngine, atomic

WORD_MARK = "SELECT conv_id, seq, change_no FROM word_marks WHERE conv_id = ?"
BEGIN_MARK = """
INSERT INTO word_marks (conv_id, seq, change_no) VALUES (?, 0, 0) ON CONFLICT (conv_id) DO NOTHING"""
# Compares and sets: of two nodes that index the same only one goes on, and its lock keeps the other waiting till then.
MOVE_MARK = "UPDATE word_marks SET seq = ?, change_no = ? WHERE conv_id = ? AND seq = ? AND change_no = ?"

FORGET_WORDS = "DELETE FROM word_index WHERE conv_key = ? AND seq = ?"
ADD_WORD = "INSERT INTO word_index (conv_key, term, seq, number) VALUES (?, ?, ?, ?)"

# One conversation's messages with a term, and with others: the key (conv_key, term, seq) is walked for the first and
# asked for the others. A beginning may stand in a message several times, so hits are made one by GROUP BY.
WITH_TERM = """
SELECT MAX(w.number) AS number, w.conv_key, w.seq FROM word_index w WHERE w.conv_key = ? AND w.number < ?"""
IS_TERM = " AND w.term = ?"
IS_BEGINNING = " AND w.term >= ? AND w.term < ?"
HAS_TERM = " AND EXISTS (SELECT 1 FROM word_index x WHERE x.conv_key = w.conv_key AND x.seq = w.seq AND x.term = ?)"
HAS_BEGINNING = """ AND EXISTS (
SELECT 1 FROM word_index x WHERE x.conv_key = w.conv_key AND x.seq = w.seq AND x.term >= ? AND x.term < ?)"""
LATEST = " GROUP BY w.conv_key, w.seq ORDER BY number DESC LIMIT ?"

_BEFORE_ALL = 2**63 - 1
_LAST_CHARACTER = "\U0010ffff"


class SqlWordIndex:
    """`WordIndex` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def marks(self, conv_ids: Collection[str]) -> dict[str, Mark]:
        rows = await self._engine.fetch_each(WORD_MARK, [(conv_id,) for conv_id in conv_ids])
        return {conv_id: Mark(seq, change) for conv_id, seq, change in rows}

    @atomic
    async def advance(self, conv_id: str, seen: Mark, mark: Mark, docs: Sequence[Doc]) -> bool:
        await self._engine.execute(BEGIN_MARK, (conv_id,))
        if not await self._engine.execute(MOVE_MARK, (*mark, conv_id, *seen)):
            return False
        key = _key(conv_id)
        await self._engine.execute_many(FORGET_WORDS, [(key, doc.seq) for doc in docs])
        words = [(key, term, doc.seq, doc.number) for doc in docs for term in doc.terms]
        await self._engine.execute_many(ADD_WORD, words)
        return True

    async def remove(self, conv_id: str, seq: int) -> None:
        await self._engine.execute(FORGET_WORDS, (_key(conv_id), seq))

    async def find(self, conv_ids: Collection[str], terms: Sequence[Term], before: int | None, limit: int) -> list[Hit]:
        first, *others = sorted(terms, key=lambda term: (term.is_prefix, -len(term.text)))  # few have a long word
        text = WITH_TERM + (IS_BEGINNING if first.is_prefix else IS_TERM)
        text += "".join(HAS_BEGINNING if term.is_prefix else HAS_TERM for term in others) + LATEST
        asked = [value for term in (first, *others) for value in _asked(term)]
        keys = {_key(conv_id): conv_id for conv_id in conv_ids}
        below = _BEFORE_ALL if before is None else before
        rows = await self._engine.fetch_each(text, [(key, below, *asked, limit) for key in keys])
        hits = [Hit(number, keys[key], seq) for number, key, seq in rows]
        return sorted(hits, reverse=True)[:limit]


def _asked(term: Term) -> Args:
    return (term.text, term.text + _LAST_CHARACTER) if term.is_prefix else (term.text,)


_key = lru_cache(maxsize=65_536)(conversation_key)
