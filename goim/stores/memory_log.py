"""The message log in memory: for tests, and the plainest statement of what the databases must do.

No method awaits, so each runs as one step of the event loop: that is what makes them atomic.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from goim.model.messages import Change, MessageRow, Sent, SentKey
from goim.stores.base import Taken


def _seq(row: MessageRow) -> int:
    return row.seq


def _sent_key(row: MessageRow) -> SentKey:
    return (row.conv_id, row.from_user_id, row.client_msg_id)


def _shown(rows: Iterable[MessageRow], now_ms: int) -> Iterable[MessageRow]:
    return (row for row in rows if row.expire_at is None or row.expire_at > now_ms)


class MemoryMessages:
    """`MessageTable` in memory."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, list[MessageRow]] = defaultdict(list)  # by seq
        self._sent: dict[SentKey, Sent] = {}

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        places = {(row.conv_id, row.seq) for row in rows}
        keys = {_sent_key(row) for row in rows}
        if len(places) < len(rows) or any(self.find(*place) is not None for place in places):
            raise Taken("a seq is taken")
        if len(keys) < len(rows) or not keys.isdisjoint(self._sent):
            raise Taken("a message was sent before")
        for row in rows:
            insort(self._rows[row.conv_id], row, key=_seq)
            self._sent[_sent_key(row)] = Sent(row.seq, row.timestamp, is_duplicate=False)

    async def last_seqs(self, conv_ids: Collection[str]) -> dict[str, int]:
        return {conv_id: rows[-1].seq for conv_id in conv_ids if (rows := self._rows.get(conv_id))}

    async def find_sent(self, keys: Collection[SentKey]) -> dict[SentKey, Sent]:
        return {key: self._sent[key] for key in keys if key in self._sent}

    async def after(self, conv_id: str, seq: int, limit: int, now_ms: int) -> list[MessageRow]:
        return list(islice(_shown(self._between(conv_id, seq, None), now_ms), limit))

    async def before(self, conv_id: str, seq: int | None, floor: int, limit: int, now_ms: int) -> list[MessageRow]:
        newest = list(islice(_shown(reversed(self._between(conv_id, floor, seq)), now_ms), limit))
        return newest[::-1]

    async def get(self, conv_id: str, seq: int) -> MessageRow | None:
        return self.find(conv_id, seq)

    async def newest(self, floors: Mapping[str, int], now_ms: int) -> dict[str, MessageRow]:
        rows = {conv_id: reversed(self._between(conv_id, floor, None)) for conv_id, floor in floors.items()}
        newest = {conv_id: next(iter(_shown(latest, now_ms)), None) for conv_id, latest in rows.items()}
        return {conv_id: row for conv_id, row in newest.items() if row is not None}

    async def sent_by(self, user_id: str, conv_id: str, after: int, limit: int) -> list[int]:
        later = self._between(conv_id, after, None)
        return [row.seq for row in later if row.from_user_id == user_id and not row.recalled][:limit]

    def empty(self, conv_id: str, seq: int) -> bool:
        """Make a tombstone of a message; False if it is one or is not there."""
        row = self.find(conv_id, seq)
        if row is None or row.recalled:
            return False
        rows = self._rows[conv_id]
        rows[bisect_left(rows, seq, key=_seq)] = row._replace(recalled=1, payload=None, extras=None)
        return True

    def find(self, conv_id: str, seq: int) -> MessageRow | None:
        """One row, expired or not."""
        return next(iter(self._between(conv_id, seq - 1, seq + 1)), None)

    def _between(self, conv_id: str, above: int, below: int | None) -> list[MessageRow]:
        rows = self._rows.get(conv_id, [])
        end = len(rows) if below is None else bisect_left(rows, below, key=_seq)
        return rows[bisect_right(rows, above, key=_seq) : end]


class MemoryChanges:
    """`Changes` in memory, over the messages that they happen to."""

    def __init__(self, messages: MemoryMessages) -> None:
        self._messages = messages
        self._changes: defaultdict[str, dict[int, tuple[int, Change]]] = defaultdict(dict)  # with the message's seq

    async def recall(self, conv_id: str, seq: int, change: Change, at: int) -> bool:  # noqa: ARG002 nobody reads it
        row = self._messages.find(conv_id, seq)
        if row is None or row.recalled:
            return False
        if change.change in self._changes[conv_id]:
            raise Taken("the number of the change is taken")
        self._changes[conv_id][change.change] = (seq, change)
        return self._messages.empty(conv_id, seq)

    async def last_changes(self, conv_ids: Collection[str]) -> dict[str, int]:
        return {conv_id: max(changes) for conv_id in conv_ids if (changes := self._changes.get(conv_id))}

    async def after(self, conv_id: str, change: int, limit: int) -> list[Change]:
        later = sorted(number for number in self._changes.get(conv_id, ()) if number > change)
        return [self._changes[conv_id][number][1] for number in later[:limit]]

    async def of_message(self, conv_id: str, seq: int, action: str) -> Change | None:
        changes = self._changes.get(conv_id, {}).values()
        same = [change for of_seq, change in changes if of_seq == seq and change.action == action]
        return max(same, key=lambda change: change.change, default=None)


class MemoryConvDeletes:
    """`ConvDeletes` in memory."""

    def __init__(self) -> None:
        self._seqs: dict[tuple[str, str], int] = {}

    async def put(self, user_id: str, conv_id: str, seq: int, at: int) -> None:  # noqa: ARG002 nobody reads it
        self._seqs[user_id, conv_id] = max(seq, self._seqs.get((user_id, conv_id), 0))

    async def of_user(self, user_id: str, conv_ids: Collection[str]) -> dict[str, int]:
        return {conv_id: self._seqs[user_id, conv_id] for conv_id in conv_ids if (user_id, conv_id) in self._seqs}
