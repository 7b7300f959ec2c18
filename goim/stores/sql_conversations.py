"""Conversations, their lines in everybody's list and read receipts in an SQL database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from goim.model.conversations import Activity, Conversation, ConvType, Entry, Receipt
from goim.stores.base import Taken
from goim.stores.engine import Row, SqlEngine, atomic, run
from goim.stores.tables import ConversationTable, EntryTable

CONVERSATION = """
SELECT conv_id, conv_type, user_a, user_b, group_id, conv_key, created_at FROM im_conversations WHERE conv_id = ?"""

CONVERSATION_BY_SUBJECT = """
SELECT conv_id, conv_type, user_a, user_b, group_id, conv_key, created_at FROM im_conversations WHERE subject = ?"""

# The key decides: who is listed already keeps their line as it is.
ADD_ENTRY = """
INSERT INTO user_conversations (user_id, conv_id, pinned, muted, draft, updated_at) VALUES (?, ?, 0, 0, '', ?)
ON CONFLICT (user_id, conv_id) DO NOTHING"""

ENTRY = """
SELECT c.conv_id, c.conv_type, c.user_a, c.user_b, c.group_id, c.conv_key, c.created_at,
e.pinned, e.muted, e.draft, e.updated_at, r.seq
FROM user_conversations e
JOIN im_conversations c ON c.conv_id = e.conv_id
LEFT JOIN read_receipts r ON r.conv_id = e.conv_id AND r.user_id = e.user_id
WHERE e.user_id = ? AND e.conv_id = ?"""

# The pinned lines or the others: both are a range of the index (user_id, pinned, updated_at, conv_id), walked backwards
# from where the last page ended. The MySQL family would walk there from the top if this was one comparison of three
# columns, and where it guesses wrong how many lines lie before: so it is told which index to use.
ENTRIES = """
SELECT c.conv_id, c.conv_type, c.user_a, c.user_b, c.group_id, c.conv_key, c.created_at,
e.pinned, e.muted, e.draft, e.updated_at, r.seq
FROM user_conversations e INDEXED BY idx_user_conversations_page
JOIN im_conversations c ON c.conv_id = e.conv_id
LEFT JOIN read_receipts r ON r.conv_id = e.conv_id AND r.user_id = e.user_id
WHERE e.user_id = ? AND e.pinned = ? AND e.updated_at > 0 AND e.updated_at <= ? AND (e.updated_at < ? OR e.conv_id < ?)
ORDER BY e.updated_at DESC, e.conv_id DESC LIMIT ?"""
_LATEST = 2**63 - 1
_BEFORE_ALL = (True, _LATEST, "")

# Naming both values of `pinned` lets the index (user_id, pinned, updated_at, conv_id) find the few that are newer.
ACTIVE = """
SELECT c.conv_id, c.conv_type, c.user_a, c.user_b, c.group_id, c.conv_key, c.created_at
FROM user_conversations e JOIN im_conversations c ON c.conv_id = e.conv_id
WHERE e.user_id = ? AND e.pinned IN (0, 1) AND e.updated_at >= ?"""

# Each is one statement that compares and sets, so a late activity never takes back a newer one.
BUMP_ONE = "UPDATE user_conversations SET updated_at = ? WHERE user_id = ? AND conv_id = ? AND updated_at < ?"

# The index is named, or MariaDB reads a group from its beginning at each step, and all conversations of its members.
MEMBERS = """
SELECT user_id FROM user_conversations INDEXED BY idx_user_conversations_conv
WHERE conv_id = ? AND user_id > ? ORDER BY user_id LIMIT ?"""
BUMP_MEMBERS = """
UPDATE user_conversations INDEXED BY idx_user_conversations_conv SET updated_at = ?
WHERE conv_id = ? AND user_id > ? AND user_id <= ? AND updated_at < ?"""

# Compares and sets in one statement. MySQL assigns from left to right: read_at first, while seq is still the old one.
ADVANCE = """
INSERT INTO read_receipts (conv_id, user_id, seq, read_at) VALUES (?, ?, ?, ?)
ON CONFLICT (conv_id, user_id) DO UPDATE SET
read_at = CASE WHEN EXCLUDED.seq > read_receipts.seq THEN EXCLUDED.read_at ELSE read_receipts.read_at END,
seq = CASE WHEN EXCLUDED.seq > read_receipts.seq THEN EXCLUDED.seq ELSE read_receipts.seq END"""

RECEIPT = "SELECT conv_id, user_id, seq FROM read_receipts WHERE conv_id = ? AND user_id = ?"
RECEIPTS = "SELECT user_id, seq, read_at FROM read_receipts WHERE conv_id = ? ORDER BY user_id"


class SqlConversations:
    """`Conversations` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def get(self, conv_id: str) -> Conversation | None:
        return _first(await self._engine.fetch_rows(CONVERSATION, (conv_id,)))

    async def by_subject(self, subject: str) -> Conversation | None:
        return _first(await self._engine.fetch_rows(CONVERSATION_BY_SUBJECT, (subject,)))

    async def create(self, conv: Conversation) -> Conversation:
        try:
            await self._create(conv)
        except Taken:
            first = await self.by_subject(conv.subject)  # conversations are never deleted: what was there still is
            if first is None:
                raise
            return first
        return conv

    @atomic
    async def _create(self, conv: Conversation) -> None:
        await insert_conversation(self._engine, conv)
        await add_entries(self._engine, conv.conv_id, dict.fromkeys((conv.user_a, conv.user_b), conv.created_at))

    async def entries(self, user_id: str, before: tuple[bool, int, str] | None, limit: int) -> list[Entry]:
        pinned, updated_at, conv_id = before or _BEFORE_ALL
        parts = [(user_id, int(pinned), updated_at, updated_at, conv_id, limit)]
        if pinned:
            parts.append((user_id, 0, _LATEST, _LATEST, "", limit))
        rows = await self._engine.fetch_each(ENTRIES, parts)
        return [_entry(row) for row in rows[:limit]]

    async def entry(self, user_id: str, conv_id: str) -> Entry | None:
        rows = await self._engine.fetch_rows(ENTRY, (user_id, conv_id))
        return _entry(rows[0]) if rows else None

    async def set_entry(self, user_id: str, conv_id: str, changes: Mapping[str, Any]) -> None:
        mine = (EntryTable.user_id == user_id) & (EntryTable.conv_id == conv_id)
        if changes:
            await run(self._engine, EntryTable.update(**changes).where(mine))

    async def bump(self, activities: Sequence[Activity]) -> None:
        # In order of the keys, so that nodes that bump the same lines never deadlock.
        ones = sorted((each.conv_id, user_id, each.at) for each in activities for user_id in each.user_ids)
        await self._engine.execute_many(BUMP_ONE, [(at, user_id, conv_id, at) for conv_id, user_id, at in ones])

    async def active_since(self, user_ids: Collection[str], at: int) -> list[Conversation]:
        rows = await self._engine.fetch_each(ACTIVE, [(user_id, at) for user_id in user_ids])
        return [_conversation(row) for row in dict.fromkeys(rows)]

    async def bump_members(self, conv_id: str, at: int, after: str, limit: int) -> list[str]:
        members = [user_id for (user_id,) in await self._engine.fetch_rows(MEMBERS, (conv_id, after, limit))]
        if members:
            await self._engine.execute(BUMP_MEMBERS, (at, conv_id, after, members[-1], at))
        return members


class SqlReceipts:
    """`Receipts` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def advance(self, receipts: Sequence[Receipt]) -> None:
        await advance_receipts(self._engine, receipts)

    async def of(self, readers: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        rows = await self._engine.fetch_each(RECEIPT, list(readers))
        return {(conv_id, user_id): seq for conv_id, user_id, seq in rows}

    async def of_conversation(self, conv_id: str) -> list[Receipt]:
        rows = await self._engine.fetch_rows(RECEIPTS, (conv_id,))
        return [Receipt(conv_id=conv_id, user_id=user_id, seq=seq, read_at=read_at) for user_id, seq, read_at in rows]


async def insert_conversation(engine: SqlEngine, conv: Conversation) -> None:
    """Store the conversation itself; `Taken` if its id or its subject is."""
    row = ConversationTable(
        conv_id=conv.conv_id,
        subject=conv.subject,
        conv_type=conv.conv_type,
        user_a=conv.user_a,
        user_b=conv.user_b,
        group_id=conv.group_id,
        conv_key=conv.key,
        created_at=conv.created_at,
    )
    await run(engine, ConversationTable.insert(row))


async def add_entries(engine: SqlEngine, conv_id: str, updated_at: Mapping[str, int]) -> None:
    """List a conversation for people (user_id → updated_at) who have no line of it yet."""
    await engine.execute_many(ADD_ENTRY, [(user_id, conv_id, at) for user_id, at in sorted(updated_at.items())])


async def advance_receipts(engine: SqlEngine, receipts: Sequence[Receipt]) -> None:
    """Raise watermarks, in order of the keys so that nodes never deadlock; 0 is what everybody has anyway."""
    rows = sorted((each.conv_id, each.user_id, each.seq, each.read_at) for each in receipts if each.seq > 0)
    await engine.execute_many(ADVANCE, rows)


def _conversation(row: Row) -> Conversation:
    conv_id, conv_type, user_a, user_b, group_id, key, created_at = row
    return Conversation(
        conv_id=conv_id,
        conv_type=ConvType(conv_type),
        user_a=user_a,
        user_b=user_b,
        group_id=group_id,
        key=key,
        created_at=created_at,
    )


def _first(rows: list[Row]) -> Conversation | None:
    return _conversation(rows[0]) if rows else None


def _entry(row: Row) -> Entry:
    *conv, pinned, muted, draft, updated_at, seq = row
    return Entry(
        conv=_conversation(tuple(conv)),
        pinned=bool(pinned),
        muted=bool(muted),
        draft=draft,
        updated_at=updated_at,
        read_seq=seq or 0,
    )
