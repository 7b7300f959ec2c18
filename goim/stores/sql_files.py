"""Uploaded files in an SQL database."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import convert
from msgspec.structs import asdict

from goim.model.files import EVERYBODY, FileStats, Grant, StoredFile, kept_by
from goim.model.messages import SentKey
from goim.stores.engine import SqlEngine, atomic, run
from goim.stores.tables import FileTable

FILE = """
SELECT file_id, owner_id, path, name, size, mime_type, width, height, thumbnail, created_at, expires_at
FROM im_files WHERE file_id = ?"""

FILE_ID = "SELECT file_id FROM im_files WHERE file_id = ?"

FORGET_GRANTS = "DELETE FROM file_grants WHERE file_id = ?"
DELETE_FILE = "DELETE FROM im_files WHERE file_id = ?"

EXPIRED = """
SELECT file_id, owner_id, path, name, size, mime_type, width, height, thumbnail, created_at, expires_at
FROM im_files WHERE expires_at <= ? OR created_at < ? LIMIT ?"""

STATS = """
SELECT COUNT(*) AS files, COALESCE(SUM(size), 0) AS bytes, COUNT(DISTINCT owner_id) AS owners FROM im_files"""

# Every member of a conversation has a line of it in their list, and nobody else has. The file is named in each part: if
# the parts took it from the first one, TiDB would read all grants there are.
READABLE = """
SELECT ?, f.file_id FROM im_files f WHERE f.file_id = ? AND (f.owner_id = ? OR EXISTS (
SELECT 1 FROM file_grants g JOIN user_conversations e ON e.conv_id = g.conv_id AND e.user_id = ?
WHERE g.file_id = ? AND (g.ends_at IS NULL OR g.ends_at > ?)) OR EXISTS (
SELECT 1 FROM file_grants g WHERE g.file_id = ? AND g.conv_id IN (?, ?)))"""

# Changes nothing, but holds the file's row: of one that is deleted at the same moment no grant is left behind.
LOCK_FILE = "UPDATE im_files SET size = size WHERE file_id = ?"
GRANT = """
INSERT INTO file_grants (file_id, conv_id, from_user_id, client_msg_id, ends_at)
SELECT file_id, ?, ?, ?, ? FROM im_files WHERE file_id = ?
ON CONFLICT (file_id, conv_id, from_user_id, client_msg_id) DO NOTHING"""

WITHDRAW = "DELETE FROM file_grants WHERE from_user_id = ? AND conv_id = ? AND client_msg_id = ?"
WITHDRAW_OF = "DELETE FROM file_grants WHERE from_user_id = ?"


class SqlFiles:
    """`Files` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def add(self, file: StoredFile) -> None:
        await run(self._engine, FileTable.insert(FileTable(**asdict(file))))

    async def get(self, file_id: str) -> StoredFile | None:
        return next(iter(_files(await self._engine.fetch(FILE, (file_id,)))), None)

    async def known(self, file_ids: Collection[str]) -> set[str]:
        rows = await self._engine.fetch_each(FILE_ID, [(file_id,) for file_id in file_ids])
        return {file_id for (file_id,) in rows}

    async def page(self, owner_id: str | None, limit: int, offset: int) -> list[StoredFile]:
        files = FileTable.select()
        if owner_id is not None:
            files = files.where(FileTable.owner_id == owner_id)
        latest = files.order_by(FileTable.created_at, FileTable.file_id, ascending=False)
        return _files(await run(self._engine, latest.limit(limit).offset(offset)))

    @atomic
    async def delete(self, file_ids: Collection[str]) -> None:
        each = [(file_id,) for file_id in sorted(file_ids)]  # sorted, so that nodes never deadlock
        await self._engine.execute_many(DELETE_FILE, each)  # first: what is granted at this moment waits for it
        await self._engine.execute_many(FORGET_GRANTS, each)

    async def expired(self, now_ms: int, created_before: int, limit: int) -> list[StoredFile]:
        return _files(await self._engine.fetch(EXPIRED, (now_ms, created_before, limit)))

    async def stats(self) -> FileStats:
        (row,) = await self._engine.fetch(STATS)
        return FileStats(**{name: int(value) for name, value in row.items()})  # MySQL's SUM is a Decimal


class SqlGrants:
    """`Grants` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def readable(self, claims: Collection[tuple[str, str]], now_ms: int) -> set[tuple[str, str]]:
        rows = await self._engine.fetch_each(
            READABLE,
            [
                (user_id, file_id, user_id, user_id, file_id, now_ms, file_id, EVERYBODY, kept_by(user_id))
                for user_id, file_id in claims
            ],
        )
        return {(user_id, file_id) for user_id, file_id in rows}

    @atomic
    async def grant(self, grants: Collection[Grant]) -> None:
        each = sorted(grants, key=lambda grant: grant.key)
        await self._engine.execute_many(
            LOCK_FILE, [(file_id,) for file_id in sorted({grant.file_id for grant in each})]
        )
        await self._engine.execute_many(GRANT, [(*grant[1:], grant.file_id) for grant in each])

    async def withdraw(self, keys: Collection[SentKey]) -> None:
        await self._engine.execute_many(WITHDRAW, sorted((sender, conv_id, sent) for conv_id, sender, sent in keys))

    async def withdraw_of(self, user_id: str) -> None:
        await self._engine.execute(WITHDRAW_OF, (user_id,))


def _files(rows: list[dict[str, Any]]) -> list[StoredFile]:
    return convert(rows, list[StoredFile])
