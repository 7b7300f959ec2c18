"""Conversations, their lines in everybody's list and receipts in memory: the twin of `sql_conversations` for tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from goim.model.conversations import Activity, Conversation, Entry, Receipt
from goim.stores.base import Taken
from goim.stores.memory_data import MemoryData


class MemoryConversations:
    """`Conversations` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def get(self, conv_id: str) -> Conversation | None:
        return self._data.conversations.get(conv_id)

    async def by_subject(self, subject: str) -> Conversation | None:
        return self._data.by_subject.get(subject)

    async def create(self, conv: Conversation) -> Conversation:
        first = self._data.by_subject.get(conv.subject)
        if first:
            return first
        if conv.conv_id in self._data.conversations:
            raise Taken(conv.conv_id)
        self._data.put_conversation(conv)
        for user_id in (conv.user_a, conv.user_b):
            self._data.put_entry(user_id, conv, conv.created_at)
        return conv

    async def entries(self, user_id: str, before: tuple[bool, int, str] | None, limit: int) -> list[Entry]:
        mine = [lines[user_id] for lines in self._data.entries.values() if user_id in lines]
        listed = [entry for entry in mine if entry.updated_at > 0 and (before is None or _place(entry) < before)]
        return [self._with_receipt(user_id, entry) for entry in sorted(listed, key=_place, reverse=True)[:limit]]

    async def entry(self, user_id: str, conv_id: str) -> Entry | None:
        entry = self._data.entries[conv_id].get(user_id)
        return self._with_receipt(user_id, entry) if entry else None

    async def set_entry(self, user_id: str, conv_id: str, changes: Mapping[str, Any]) -> None:
        lines = self._data.entries[conv_id]
        if user_id in lines:
            lines[user_id] = replace(lines[user_id], **changes)

    async def bump(self, activities: Sequence[Activity]) -> None:
        for activity in activities:
            lines = self._data.entries[activity.conv_id]
            for user_id in activity.user_ids:
                entry = lines.get(user_id)
                if entry and entry.updated_at < activity.at:
                    lines[user_id] = replace(entry, updated_at=activity.at)

    async def active_since(self, user_ids: Collection[str], at: int) -> list[Conversation]:
        wanted = set(user_ids)
        return [
            self._data.conversations[conv_id]
            for conv_id, lines in self._data.entries.items()
            if any(user_id in wanted and entry.updated_at >= at for user_id, entry in lines.items())
        ]

    async def bump_members(self, conv_id: str, at: int, after: str, limit: int) -> list[str]:
        members = sorted(user_id for user_id in self._data.entries[conv_id] if user_id > after)[:limit]
        await self.bump([Activity(conv_id=conv_id, user_ids=tuple(members), at=at)])
        return members

    def _with_receipt(self, user_id: str, entry: Entry) -> Entry:
        receipt = self._data.receipts[entry.conv.conv_id].get(user_id)
        return replace(entry, read_seq=receipt.seq) if receipt else entry


class MemoryReceipts:
    """`Receipts` in dicts."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data

    async def advance(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            self._data.raise_receipt(receipt)

    async def of(self, readers: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        receipts = self._data.receipts
        return {
            (conv_id, user_id): receipts[conv_id][user_id].seq
            for conv_id, user_id in readers
            if user_id in receipts[conv_id]
        }

    async def of_conversation(self, conv_id: str) -> list[Receipt]:
        return sorted(self._data.receipts[conv_id].values(), key=lambda receipt: receipt.user_id)


def _place(entry: Entry) -> tuple[bool, int, str]:
    return (entry.pinned, entry.updated_at, entry.conv.conv_id)
