"""The message log in an SQL database, by plain statements: building one with Piccolo costs more than running it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Raw

from goim.model.messages import (
    TELLING,
    Change,
    MessageRow,
    Reaction,
    Reactions,
    RowEdit,
    Sent,
    SentKey,
    Span,
    wordless,
)
from goim.stores.engine import Row, SqlEngine

# `SELECT *` is in the order of MessageRow, which a test holds it to. All statements walk one of the two unique indexes.
LAST_SEQ = "SELECT conv_id, seq FROM messages WHERE conv_id = ? ORDER BY seq DESC LIMIT 1"

SENT = """
SELECT conv_id, from_user_id, client_msg_id, seq, timestamp FROM messages
WHERE conv_id = ? AND from_user_id = ? AND client_msg_id = ?"""

AFTER = """
SELECT * FROM messages WHERE conv_id = ? AND seq > ? AND (expire_at IS NULL OR expire_at > ?)
ORDER BY seq LIMIT ?"""

BEFORE = """
SELECT * FROM messages WHERE conv_id = ? AND seq > ? AND seq < ? AND (expire_at IS NULL OR expire_at > ?)
ORDER BY seq DESC LIMIT ?"""
_BEFORE_ALL = 2**63 - 1

ONE = "SELECT * FROM messages WHERE conv_id = ? AND seq = ?"

GONE = "SELECT seq FROM messages WHERE conv_id = ? AND seq = ? AND (recalled = 1 OR expire_at <= ?)"

NEWEST = """
SELECT * FROM messages WHERE conv_id = ? AND seq > ? AND (expire_at IS NULL OR expire_at > ?)
ORDER BY seq DESC LIMIT 1"""

# Walk the whole log, each page from where the last one ended: only the erasing of an account asks. The rest of a
# conversation, and the others: as one condition it would begin at the beginning of the conversation again, every time.
SENT_BY_HERE = """
SELECT conv_id, seq FROM messages
WHERE conv_id = ? AND seq > ? AND from_user_id = ? AND recalled = 0 ORDER BY seq LIMIT ?"""
SENT_BY_BEYOND = """
SELECT conv_id, seq FROM messages
WHERE conv_id > ? AND from_user_id = ? AND recalled = 0 ORDER BY conv_id, seq LIMIT ?"""

# Of two recalls at once only one finds `recalled = 0`; the row stays, or its seq would be given again.
EDIT = "UPDATE messages SET payload = ?, extras = ?, recalled = ? WHERE conv_id = ? AND seq = ? AND recalled = 0"

# What a stream has said so far: one that did not come in time may be done after the end of the stream. By the columns
# of the row: so it is asked when nobody else is at that row any more, not before.
SAVE = """
UPDATE messages SET payload = ?, extras = ?, recalled = ? WHERE conv_id = ? AND seq = ? AND recalled = 0 AND NOT EXISTS
(SELECT 1 FROM changes c WHERE c.conv_id = messages.conv_id AND c.seq = messages.seq AND c.action = 'stream_end')"""

# Later than those that are there, whatever the clock says: the number of the change that goes with it keeps any other
# one of the conversation out between the look and the insert.
ADD_REACTION = """
INSERT INTO reactions (conv_id, seq, user_id, emoji, created_at)
SELECT ?, ?, ?, ?, CASE WHEN MAX(r.created_at) >= ? THEN MAX(r.created_at) + 1 ELSE ? END
FROM reactions r WHERE r.conv_id = ? AND r.seq = ?
ON CONFLICT (conv_id, seq, user_id, emoji) DO NOTHING"""
REMOVE_REACTION = "DELETE FROM reactions WHERE conv_id = ? AND seq = ? AND user_id = ? AND emoji = ?"
REACTIONS = """
SELECT conv_id, seq, user_id, emoji, created_at FROM reactions WHERE conv_id = ? AND seq >= ? AND seq <= ?"""

PUT_PENDING = """
INSERT INTO pending (kind, conv_id, from_user_id, client_msg_id, due_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, conv_id, from_user_id, client_msg_id) DO UPDATE SET
due_at = CASE WHEN EXCLUDED.due_at > pending.due_at THEN EXCLUDED.due_at ELSE pending.due_at END"""
REMOVE_PENDING = "DELETE FROM pending WHERE kind = ? AND conv_id = ? AND from_user_id = ? AND client_msg_id = ?"
DUE = """
SELECT conv_id, from_user_id, client_msg_id FROM pending WHERE kind = ? AND due_at <= ? ORDER BY due_at LIMIT ?"""
PENDING_OF = """
SELECT conv_id, from_user_id, client_msg_id, due_at FROM pending WHERE kind = ? AND conv_id = ? AND from_user_id = ?"""
IS_ANY_PENDING = "SELECT 1 FROM pending WHERE kind = ? AND conv_id = ? LIMIT 1"

ADD_CHANGE = "INSERT INTO changes (conv_id, change_no, seq, action, data, created_at) VALUES (?, ?, ?, ?, ?, ?)"

LAST_CHANGE = "SELECT conv_id, change_no FROM changes WHERE conv_id = ? ORDER BY change_no DESC LIMIT 1"

CHANGES_AFTER = """
SELECT change_no, action, data FROM changes WHERE conv_id = ? AND change_no > ? ORDER BY change_no LIMIT ?"""

CHANGES_TELLING = """
SELECT change_no, action, data FROM changes INDEXED BY idx_changes_message
WHERE conv_id = ? AND seq = ? AND action IN (?, ?)"""
REWORD_CHANGE = "UPDATE changes SET data = ? WHERE conv_id = ? AND change_no = ?"
# In two steps, or SQLite prefers to walk all changes of the conversation backwards.
CHANGE_OF_MESSAGE = """
SELECT change_no, action, data FROM changes WHERE conv_id = ? AND change_no =
(SELECT MAX(change_no) FROM changes WHERE conv_id = ? AND seq = ? AND action = ?)"""

# Compares and sets in one statement. MySQL assigns from left to right: deleted_at first, while seq is the old one.
PUT_DELETE = """
INSERT INTO conv_deletes (owner_id, conv_id, seq, deleted_at) VALUES (?, ?, ?, ?)
ON CONFLICT (owner_id, conv_id) DO UPDATE SET
deleted_at = CASE WHEN EXCLUDED.seq > conv_deletes.seq THEN EXCLUDED.deleted_at ELSE conv_deletes.deleted_at END,
seq = CASE WHEN EXCLUDED.seq > conv_deletes.seq THEN EXCLUDED.seq ELSE conv_deletes.seq END"""

DELETED = "SELECT conv_id, seq FROM conv_deletes WHERE owner_id = ? AND conv_id = ?"


class SqlMessages:
    """`MessageTable` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        if rows:
            await self._engine.insert_rows("messages", rows)

    async def last_seqs(self, conv_ids: Collection[str]) -> dict[str, int]:
        return dict(await self._engine.fetch_each(LAST_SEQ, [(conv_id,) for conv_id in conv_ids]))

    async def find_sent(self, keys: Collection[SentKey]) -> dict[SentKey, Sent]:
        found = await self._engine.fetch_each(SENT, list(keys))
        return {
            (conv_id, user_id, client_msg_id): Sent(seq, timestamp, is_duplicate=False)
            for conv_id, user_id, client_msg_id, seq, timestamp in found
        }

    async def after(self, conv_id: str, seq: int, limit: int, now_ms: int) -> list[MessageRow]:
        rows = await self._engine.fetch_rows(AFTER, (conv_id, seq, now_ms, limit))
        return [MessageRow(*row) for row in rows]

    async def before(self, conv_id: str, seq: int | None, floor: int, limit: int, now_ms: int) -> list[MessageRow]:
        below = _BEFORE_ALL if seq is None else seq
        rows = await self._engine.fetch_rows(BEFORE, (conv_id, floor, below, now_ms, limit))
        return [MessageRow(*row) for row in reversed(rows)]

    async def get(self, conv_id: str, seq: int) -> MessageRow | None:
        rows = await self._engine.fetch_rows(ONE, (conv_id, seq))
        return MessageRow(*rows[0]) if rows else None

    async def gone(self, conv_id: str, seqs: Collection[int], now_ms: int) -> set[int]:
        return {row[0] for row in await self._engine.fetch_each(GONE, [(conv_id, seq, now_ms) for seq in seqs])}

    async def newest(self, floors: Mapping[str, int], now_ms: int) -> dict[str, MessageRow]:
        each = [(conv_id, floor, now_ms) for conv_id, floor in floors.items()]
        return {row[0]: MessageRow(*row) for row in await self._engine.fetch_each(NEWEST, each)}

    async def sent_by(self, user_id: str, after: tuple[str, int], limit: int) -> list[tuple[str, int]]:
        rows = await walk(self._engine, (SENT_BY_HERE, SENT_BY_BEYOND), after, user_id, limit)
        return [(conv_id, seq) for conv_id, seq in rows]

    async def overwrite(self, conv_id: str, seq: int, edit: RowEdit) -> bool:
        return bool(await self._engine.execute(EDIT if edit.recalled else SAVE, (*edit, conv_id, seq)))


class SqlChanges:
    """`Changes` in an SQL database, the one that has the messages."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def edit(self, conv_id: str, seq: int, edit: RowEdit, change: Change, at: int) -> bool:
        noted = [(EDIT, (*edit, conv_id, seq)), (ADD_CHANGE, _row(conv_id, seq, change, at))]
        bare = await self._bare(conv_id, [seq]) if edit.recalled else []
        return await self._engine.execute_all([*noted, *[(REWORD_CHANGE, args) for args in bare]])

    async def edit_all(self, conv_id: str, edit: RowEdit, changes: Sequence[tuple[int, Change]], at: int) -> int:
        edits = [(EDIT, (*edit, conv_id, seq)) for seq, _ in changes]
        notes = [(ADD_CHANGE, _row(conv_id, seq, change, at)) for seq, change in changes]
        bare = await self._bare(conv_id, [seq for seq, _ in changes]) if edit.recalled else []
        forgets = [(REWORD_CHANGE, args) for args in bare]
        return len(changes) if await self._engine.execute_all([*edits, *notes, *forgets]) else 0

    async def react(self, conv_id: str, seq: int, reaction: Reaction, change: Change, at: int, *, remove: bool) -> bool:
        args = (conv_id, seq, reaction.user_id, reaction.emoji)
        row = _row(conv_id, seq, change, at)
        if remove:
            return await self._change(REMOVE_REACTION, args, row)
        return await self._change(ADD_REACTION, (*args, at, at, conv_id, seq), row)

    async def _change(self, sql: str, args: tuple[Any, ...], row: tuple[Any, ...]) -> bool:
        """Do it and note it; neither if there was nothing to do."""
        return await self._engine.execute_all([(sql, args), (ADD_CHANGE, row)])

    async def forget_words(self, conv_id: str, seqs: Collection[int]) -> None:
        if bare := await self._bare(conv_id, seqs):
            await self._engine.execute_many(REWORD_CHANGE, bare)

    async def _bare(self, conv_id: str, seqs: Collection[int]) -> list[tuple[str, str, int]]:
        """Which changes of these messages tell what they say, and are to be without that (`REWORD_CHANGE`).

        Whoever adds another takes a number: so this may be read before a change is stored that must have the next one.
        """
        rows = await self._engine.fetch_each(CHANGES_TELLING, [(conv_id, seq, *TELLING) for seq in seqs])
        told = {number: data for number, _, data in rows}
        bare = [(bytes(each.data).decode(), each.change) for each in wordless([_change(*row) for row in rows])]
        return [(data, conv_id, number) for data, number in bare if data != told[number]]

    async def reactions(self, spans: Sequence[Span]) -> Reactions:
        """They are put in order here: MySQL forgets the order of each part of a UNION."""
        found: dict[tuple[str, int], list[Reaction]] = {}
        rows = await self._engine.fetch_each(REACTIONS, spans)
        for conv_id, seq, user_id, emoji, _ in sorted(rows, key=itemgetter(4, 2, 3)):
            found.setdefault((conv_id, seq), []).append(Reaction(user_id, emoji))
        return found

    async def last_changes(self, conv_ids: Collection[str]) -> dict[str, int]:
        return dict(await self._engine.fetch_each(LAST_CHANGE, [(conv_id,) for conv_id in conv_ids]))

    async def after(self, conv_id: str, change: int, limit: int) -> list[Change]:
        return [_change(*row) for row in await self._engine.fetch_rows(CHANGES_AFTER, (conv_id, change, limit))]

    async def of_message(self, conv_id: str, seq: int, action: str) -> Change | None:
        rows = await self._engine.fetch_rows(CHANGE_OF_MESSAGE, (conv_id, conv_id, seq, action))
        return _change(*rows[0]) if rows else None


class SqlPending:
    """`Pending` in an SQL database, the one that has the messages."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def put(self, kind: str, key: SentKey, at: int) -> None:
        await self._engine.execute(PUT_PENDING, (kind, *key, at))

    async def remove(self, kind: str, keys: Collection[SentKey]) -> None:
        if keys:
            await self._engine.execute_many(REMOVE_PENDING, [(kind, *key) for key in keys])

    async def due(self, kind: str, now_ms: int, limit: int) -> list[SentKey]:
        return [(row[0], row[1], row[2]) for row in await self._engine.fetch_rows(DUE, (kind, now_ms, limit))]

    async def of_sender(self, kind: str, conv_id: str, user_id: str) -> dict[SentKey, int]:
        rows = await self._engine.fetch_rows(PENDING_OF, (kind, conv_id, user_id))
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    async def is_any(self, kind: str, conv_id: str) -> bool:
        return bool(await self._engine.fetch_rows(IS_ANY_PENDING, (kind, conv_id)))


class SqlConvDeletes:
    """`ConvDeletes` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def put(self, user_id: str, conv_id: str, seq: int, at: int) -> None:
        await self._engine.execute(PUT_DELETE, (user_id, conv_id, seq, at))

    async def of_user(self, user_id: str, conv_ids: Collection[str]) -> dict[str, int]:
        return dict(await self._engine.fetch_each(DELETED, [(user_id, conv_id) for conv_id in conv_ids]))


async def walk(engine: SqlEngine, texts: tuple[str, str], after: tuple[str, int], wanted: Any, limit: int) -> list[Row]:
    """Rows of the log after a place, in order: those of its conversation by the first text, then the others."""
    conv_id, seq = after
    rows = await engine.scan_rows(texts[0], (conv_id, seq, wanted, limit))
    if len(rows) < limit:
        rows += await engine.scan_rows(texts[1], (conv_id, wanted, limit - len(rows)))
    return rows


def _change(change_no: int, action: str, data: Any) -> Change:
    return Change(change=change_no, action=action, data=Raw(data.encode()))


def _row(conv_id: str, seq: int, change: Change, at: int) -> tuple[Any, ...]:
    return (conv_id, change.change, seq, change.action, bytes(change.data).decode(), at)
