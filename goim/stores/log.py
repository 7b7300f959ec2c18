"""The log is its own counter: numbers a batch from the last seq known and lets the table's unique keys judge.

Nothing is locked and nothing else is written. Who loses a race against another node reads the true last seqs,
numbers again and goes again; a resend is found by its key and gets its first place back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import perf_counter

from goim.clock import Clock
from goim.errors import StoreDown
from goim.lru import Recent
from goim.metrics import Metrics
from goim.model.messages import Draft, MessageRow, Sent, SentKey
from goim.stores.base import MessageTable, Taken

_KNOWN_CONVERSATIONS = 200_000
_RECENT_SENDS = 65_536


def number(
    drafts: Sequence[Draft], last_seqs: dict[str, int], sent: Callable[[SentKey], Sent | None], now_ms: int
) -> tuple[list[MessageRow], list[Sent]]:
    """Give every draft its place: the rows to insert, and for each draft what its ack will say.

    A draft sent before, or twice in this batch, gets the place it has and no row. Pure: `last_seqs` has every
    conversation of the batch and is not changed.
    """
    rows: list[MessageRow] = []
    places: list[Sent] = []
    next_seqs: dict[str, int] = {}
    fresh: dict[SentKey, Sent] = {}
    for draft in drafts:
        key = draft.sent_key
        earlier = fresh.get(key) or sent(key)
        if earlier is not None:
            places.append(earlier._replace(is_duplicate=True))
            continue
        conv_id = key[0]
        seq = next_seqs.get(conv_id) or last_seqs[conv_id] + 1
        next_seqs[conv_id] = seq + 1
        place = fresh[key] = Sent(seq, now_ms, False)
        places.append(place)
        rows.append(
            MessageRow(
                *key[:1], seq, key[1], key[2], draft.type, draft.payload, now_ms, 0, draft.expire_at, draft.extras
            )
        )
    return rows, places


class Log:
    """Appends drafts to the message table, one batch at a time."""

    def __init__(self, table: MessageTable, clock: Clock, metrics: Metrics) -> None:
        self._table = table
        self._clock = clock
        self._metrics = metrics
        self._last: Recent[str, int] = Recent(_KNOWN_CONVERSATIONS)
        self._sent: Recent[SentKey, Sent] = Recent(_RECENT_SENDS)

    async def append(self, drafts: Sequence[Draft]) -> list[Sent]:
        """Store drafts durably, in order, and say for each where it stands. Never run two at once on one node.

        A draft sent before (same conversation, sender and client_msg_id) is not stored again and answers as the first
        time, with `is_duplicate`. Raises `StoreDown` when it cannot be known whether the batch was stored: a resend will tell.
        """
        started = perf_counter()
        conv_ids = {draft.conv.conv_id for draft in drafts}
        resends: dict[SentKey, Sent] = {}
        while True:
            last_seqs = await self.last_seqs(conv_ids)
            rows, places = number(
                drafts, last_seqs, lambda key: resends.get(key) or self._sent.get(key), self._clock.now_ms()
            )
            try:
                if rows:
                    await self._table.insert(rows)
                break
            except Taken:
                self._metrics.commit_retries += 1
                self._forget(conv_ids)
                resends = await self._table.find_sent({draft.sent_key for draft in drafts})
            except StoreDown:
                self._forget(conv_ids)
                raise
        self._remember(rows)
        self._metrics.commit_batch_size.observe(len(drafts))
        self._metrics.commit_seconds.observe(perf_counter() - started)
        return places

    async def last_seqs(self, conv_ids: Collection[str]) -> dict[str, int]:
        """The last seq of each of these conversations, 0 where there is none."""
        known = {conv_id: self._last.get(conv_id) for conv_id in conv_ids}
        missing = [conv_id for conv_id, seq in known.items() if seq is None]
        if missing:
            found = await self._table.last_seqs(missing)
            for conv_id in missing:
                seq = max(found.get(conv_id, 0), self._last.get(conv_id) or 0)  # an append may have overtaken the read
                known[conv_id] = seq
                self._last.put(conv_id, seq)
        return {conv_id: seq or 0 for conv_id, seq in known.items()}

    def _remember(self, rows: Sequence[MessageRow]) -> None:
        for row in rows:
            self._last.put(row.conv_id, row.seq)
            self._sent.put(row[0:1] + row[2:4], Sent(row.seq, row.timestamp, False))

    def _forget(self, conv_ids: Collection[str]) -> None:
        for conv_id in conv_ids:
            self._last.drop(conv_id)
