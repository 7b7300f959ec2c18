"""Uploaded files in memory: the twin of `sql_files` for tests."""

from __future__ import annotations

from collections.abc import Collection

from goim.model.files import EVERYBODY, FileStats, StoredFile
from goim.stores.base import Taken
from goim.stores.memory_data import MemoryData


class MemoryFiles:
    """`Files` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def add(self, file: StoredFile) -> None:
        if file.file_id in self._data.files:
            raise Taken(file.file_id)
        self._data.files[file.file_id] = file

    async def get(self, file_id: str) -> StoredFile | None:
        return self._data.files.get(file_id)

    async def known(self, file_ids: Collection[str]) -> set[str]:
        return self._data.files.keys() & set(file_ids)

    async def page(self, owner_id: str | None, limit: int, offset: int) -> list[StoredFile]:
        found = [file for file in self._data.files.values() if owner_id in (None, file.owner_id)]
        found.sort(key=lambda file: (file.created_at, file.file_id), reverse=True)
        return found[offset : offset + limit]

    async def delete(self, file_ids: Collection[str]) -> None:
        gone = set(file_ids)
        self._data.files = {file_id: file for file_id, file in self._data.files.items() if file_id not in gone}
        self._data.grants = {grant for grant in self._data.grants if grant[0] not in gone}

    async def expired(self, now_ms: int, created_before: int, limit: int) -> list[StoredFile]:
        return [
            file
            for file in self._data.files.values()
            if file.created_at < created_before or (file.expires_at is not None and file.expires_at <= now_ms)
        ][:limit]

    async def stats(self) -> FileStats:
        files = self._data.files.values()
        return FileStats(
            files=len(files), bytes=sum(file.size for file in files), owners=len({file.owner_id for file in files})
        )


class MemoryGrants:
    """`Grants` in a set."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def readable(self, claims: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        return {(user_id, file_id) for user_id, file_id in claims if self._may_read(user_id, file_id)}

    async def grant(self, grants: Collection[tuple[str, str]]) -> None:
        self._data.grants |= {(file_id, conv_id) for file_id, conv_id in grants if file_id in self._data.files}

    def _may_read(self, user_id: str, file_id: str) -> bool:
        file = self._data.files.get(file_id)
        if file is None:
            return False
        sent_in = {conv_id for granted_id, conv_id in self._data.grants if granted_id == file_id}
        return (
            file.owner_id == user_id
            or EVERYBODY in sent_in
            or any(user_id in self._data.entries[conv_id] for conv_id in sent_in)
        )
