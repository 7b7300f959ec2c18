"""The message log in memory: for tests, and the plainest statement of what the databases must do.

No method awaits, so each runs as one step of the event loop: that is what makes them atomic.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from goim.model.messages import Change, MessageRow, Reaction, Reactions, RowEdit, Sent, SentKey, Span, wordless
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
        self.written: list[tuple[str, int]] = []  # places in the order in which they were stored
        self.touched: list[tuple[str, int]] = []  # and in which they were changed later
        self.ended: set[tuple[str, int]] = set()  # the streams that have ended

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
            self.written.append((row.conv_id, row.seq))

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

    async def gone(self, conv_id: str, seqs: Collection[int], now_ms: int) -> set[int]:
        rows = (row for seq in seqs if (row := self.find(conv_id, seq)) is not None)
        return {row.seq for row in rows if row.recalled or not list(_shown([row], now_ms))}

    async def newest(self, floors: Mapping[str, int], now_ms: int) -> dict[str, MessageRow]:
        rows = {conv_id: reversed(self._between(conv_id, floor, None)) for conv_id, floor in floors.items()}
        newest = {conv_id: next(iter(_shown(latest, now_ms)), None) for conv_id, latest in rows.items()}
        return {conv_id: row for conv_id, row in newest.items() if row is not None}

    async def sent_by(self, user_id: str, after: tuple[str, int], limit: int) -> list[tuple[str, int]]:
        mine = (row for rows in self._rows.values() for row in rows if row.from_user_id == user_id and not row.recalled)
        return sorted(place for row in mine if (place := (row.conv_id, row.seq)) > after)[:limit]

    async def overwrite(self, conv_id: str, seq: int, edit: RowEdit) -> bool:
        return (bool(edit.recalled) or (conv_id, seq) not in self.ended) and self.edit(conv_id, seq, edit)

    def edit(self, conv_id: str, seq: int, edit: RowEdit) -> bool:
        """Set what may change of a message; False if it is recalled or not there."""
        row = self.find(conv_id, seq)
        if row is None or row.recalled:
            return False
        rows = self._rows[conv_id]
        rows[bisect_left(rows, seq, key=_seq)] = row._replace(**edit._asdict())
        self.touched.append((conv_id, seq))
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
        self._reactions: defaultdict[tuple[str, int], list[Reaction]] = defaultdict(list)

    async def edit(self, conv_id: str, seq: int, edit: RowEdit, change: Change, at: int) -> bool:  # noqa: ARG002
        row = self._messages.find(conv_id, seq)
        if row is None or row.recalled:
            return False
        self._note(conv_id, seq, change)
        if edit.recalled:
            self._forget_words(conv_id, [seq])
        return self._messages.edit(conv_id, seq, edit)

    async def edit_all(self, conv_id: str, edit: RowEdit, changes: Sequence[tuple[int, Change]], at: int) -> int:
        rows = [self._messages.find(conv_id, seq) for seq, _ in changes]
        if any(row is None or row.recalled for row in rows):
            return 0
        if any(change.change in self._changes[conv_id] for _, change in changes):
            raise Taken("the number of a change is taken")
        for seq, change in changes:
            await self.edit(conv_id, seq, edit, change, at)
        return len(changes)

    async def react(
        self,
        conv_id: str,
        seq: int,
        reaction: Reaction,
        change: Change,
        at: int,  # noqa: ARG002
        *,
        remove: bool,
    ) -> bool:
        reactions = self._reactions[conv_id, seq]
        if (reaction in reactions) is not remove:
            return False
        self._note(conv_id, seq, change)
        if remove:
            reactions.remove(reaction)
        else:
            reactions.append(reaction)
        return True

    async def forget_words(self, conv_id: str, seqs: Collection[int]) -> None:
        self._forget_words(conv_id, seqs)

    def _forget_words(self, conv_id: str, seqs: Collection[int]) -> None:
        for seq, change in list(self._changes.get(conv_id, {}).values()):
            if seq in seqs:
                for bare in wordless([change]):
                    self._changes[conv_id][bare.change] = (seq, bare)

    async def reactions(self, spans: Sequence[Span]) -> Reactions:
        places = [(conv_id, seq) for conv_id, first, last in spans for seq in range(first, last + 1)]
        return {place: list(reactions) for place in places if (reactions := self._reactions.get(place))}

    def _note(self, conv_id: str, seq: int, change: Change) -> None:
        if change.change in self._changes[conv_id]:
            raise Taken("the number of the change is taken")
        self._changes[conv_id][change.change] = (seq, change)
        if change.action == "stream_end":
            self._messages.ended.add((conv_id, seq))

    async def last_changes(self, conv_ids: Collection[str]) -> dict[str, int]:
        return {conv_id: max(changes) for conv_id in conv_ids if (changes := self._changes.get(conv_id))}

    async def after(self, conv_id: str, change: int, limit: int) -> list[Change]:
        later = sorted(number for number in self._changes.get(conv_id, ()) if number > change)
        return [self._changes[conv_id][number][1] for number in later[:limit]]

    async def of_message(self, conv_id: str, seq: int, action: str) -> Change | None:
        changes = self._changes.get(conv_id, {}).values()
        same = [change for of_seq, change in changes if of_seq == seq and change.action == action]
        return max(same, key=lambda change: change.change, default=None)


class MemoryPending:
    """`Pending` in memory."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, SentKey], int] = {}

    async def put(self, kind: str, key: SentKey, at: int) -> None:
        self._due[kind, key] = max(at, self._due.get((kind, key), 0))

    async def remove(self, kind: str, keys: Collection[SentKey]) -> None:
        for key in keys:
            self._due.pop((kind, key), None)

    async def due(self, kind: str, now_ms: int, limit: int) -> list[SentKey]:
        due = sorted((at, key) for (of_kind, key), at in self._due.items() if of_kind == kind and at <= now_ms)
        return [key for _, key in due[:limit]]

    async def of_sender(self, kind: str, conv_id: str, user_id: str) -> dict[SentKey, int]:
        mine = (kind, conv_id, user_id)
        return {key: at for (of_kind, key), at in self._due.items() if (of_kind, *key[:2]) == mine}

    async def is_any(self, kind: str, conv_id: str) -> bool:
        return any(of_kind == kind and key[0] == conv_id for of_kind, key in self._due)


class MemoryConvDeletes:
    """`ConvDeletes` in memory."""

    def __init__(self) -> None:
        self._seqs: dict[tuple[str, str], int] = {}

    async def put(self, user_id: str, conv_id: str, seq: int, at: int) -> None:  # noqa: ARG002 nobody reads it
        self._seqs[user_id, conv_id] = max(seq, self._seqs.get((user_id, conv_id), 0))

    async def of_user(self, user_id: str, conv_ids: Collection[str]) -> dict[str, int]:
        return {conv_id: self._seqs[user_id, conv_id] for conv_id in conv_ids if (user_id, conv_id) in self._seqs}
