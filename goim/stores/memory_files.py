"""Uploaded files in memory: the twin of `sql_files` for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection

from goim.model.files import EVERYBODY, FileStats, Grant, StoredFile, kept_by
from goim.model.messages import SentKey
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
        self._data.grants = {key: grant for key, grant in self._data.grants.items() if grant.file_id not in gone}

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
    """`Grants` in a dict."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def readable(self, claims: Collection[tuple[str, str]], now_ms: int) -> set[tuple[str, str]]:
        return {(user_id, file_id) for user_id, file_id in claims if self._may_read(user_id, file_id, now_ms)}

    async def grant(self, grants: Collection[Grant]) -> None:
        for grant in grants:
            if grant.file_id in self._data.files:
                self._data.grants.setdefault(grant.key, grant)

    async def withdraw(self, keys: Collection[SentKey]) -> None:
        self._keep(lambda grant: grant.key[1:] not in keys)

    async def withdraw_of(self, user_id: str) -> None:
        self._keep(lambda grant: grant.from_user_id != user_id)

    def _keep(self, stays: Callable[[Grant], bool]) -> None:
        self._data.grants = {key: grant for key, grant in self._data.grants.items() if stays(grant)}

    def _may_read(self, user_id: str, file_id: str, now_ms: int) -> bool:
        file = self._data.files.get(file_id)
        if file is None:
            return False
        sent_in = {
            grant.conv_id
            for grant in self._data.grants.values()
            if grant.file_id == file_id and (grant.ends_at is None or grant.ends_at > now_ms)
        }
        return (
            file.owner_id == user_id
            or not sent_in.isdisjoint((EVERYBODY, kept_by(user_id)))
            or any(user_id in self._data.entries[conv_id] for conv_id in sent_in)
        )
