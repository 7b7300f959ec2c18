"""The log is its own counter: numbers a batch from the last seq known and lets the table's unique keys judge.

Nothing is locked and nothing else is written. Who loses a race against another node reads the true last seqs,
numbers again and goes again; a resend is found by its key and gets its first place back. A store that cannot undo keeps
the rows before the one that lost (`Stopped`): they are ours, and only the rest goes again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from time import perf_counter

from msgspec import Struct
from msgspec.structs import replace

from goim.clock import Clock
from goim.errors import StoreDown
from goim.lru import Recent
from goim.metrics import Metrics
from goim.model.messages import Draft, MessageRow, Sent, SentKey
from goim.stores.base import Taken
from goim.stores.base_log import MessageTable, Stopped, Turns

_KNOWN_CONVERSATIONS = 200_000
_RECENT_SENDS = 65_536
_CONTESTED_SECONDS = 10.0
_new_row = tuple.__new__  # a named tuple's own `__new__` is Python: 0.3 µs a row


class Numbered(Struct, frozen=True):
    """A batch with its places: the rows to insert, each draft's place, the new ones by key, the last seq of each
    conversation."""

    rows: list[MessageRow]
    places: list[Sent]
    fresh: dict[SentKey, Sent]
    last_seqs: dict[str, int]


class PartlyStored(StoreDown):
    """The database went away in the middle: of the drafts with a place it is known that they are stored."""

    def __init__(self, places: list[Sent | None]) -> None:
        super().__init__("the database went away in the middle of a batch")
        self.places = places


def number(
    drafts: Sequence[Draft],
    keys: Sequence[SentKey],
    last_seqs: Mapping[str, int],
    sent: Mapping[SentKey, Sent],
    now_ms: int,
    stored: Mapping[SentKey, Sent] | None = None,
) -> Numbered:
    """Give every draft its place. Pure: `last_seqs` has every conversation of the batch and is not changed, `keys` are
    what makes a resend of each draft recognisable.

    A draft sent before, or twice in this batch, gets the place it has and no row; one of `stored` (by us, a moment ago)
    is no duplicate for all that.
    """
    stored = stored or {}
    rows: list[MessageRow] = []
    places: list[Sent] = []
    fresh: dict[SentKey, Sent] = {}
    last = dict(last_seqs)
    for draft, key in zip(drafts, keys, strict=True):
        if key in fresh or key in sent:
            places.append(replace(fresh.get(key) or sent[key], is_duplicate=True))
            continue
        if stored and key in stored:
            fresh[key] = stored[key]
            places.append(stored[key])
            continue
        conv_id, user_id, client_msg_id = key
        seq = last[conv_id] = last[conv_id] + 1
        place = fresh[key] = Sent(seq, now_ms, False)
        places.append(place)
        kind, payload = draft.type, draft.payload
        row = (conv_id, seq, user_id, client_msg_id, kind, payload, now_ms, 0, draft.expire_at, draft.extras)
        rows.append(_new_row(MessageRow, row))
    return Numbered(rows, places, fresh, last)


class Log:
    """Appends drafts to the message table, one batch at a time."""

    def __init__(
        self,
        table: MessageTable,
        clock: Clock,
        metrics: Metrics,
        *,
        is_shared: Callable[[], bool] = lambda: False,
        turns: Turns | None = None,
    ) -> None:
        self._turns = turns
        self._contested: dict[str, float] = {}
        self._table = table
        self.is_shared = is_shared
        self._clock = clock
        self._metrics = metrics
        self._last: Recent[str, int] = Recent(_KNOWN_CONVERSATIONS)
        self._sent: Recent[SentKey, Sent] = Recent(_RECENT_SENDS)
        self.on_append: Callable[[Collection[str]], None] | None = None
        self.hears: Callable[[str], bool] = lambda _: True

    async def append(self, drafts: Sequence[Draft]) -> list[Sent]:
        """Store drafts durably, in order, and say for each where it stands. Never run two at once on one node.

        A draft sent before (same conversation, sender and client_msg_id) is not stored again and answers as the first
        time, with `is_duplicate`. `StoreDown`: it cannot be known whether the batch was stored, a resend will tell;
        `PartlyStored`: of some it is known.
        """
        started = perf_counter()
        keys = [(draft.conv.conv_id, draft.from_user_id, draft.client_msg_id) for draft in drafts]
        conv_ids = {key[0] for key in keys}
        resends: dict[SentKey, Sent] = {}
        stored: dict[SentKey, Sent] = {}
        try:
            while True:
                last_seqs = await self._believed(conv_ids)
                sent = self._sent.get_all(keys) | resends
                batch = number(drafts, keys, last_seqs, sent, self._clock.now_ms(), stored)
                try:
                    if batch.rows:
                        await self._table.insert(batch.rows)
                    break
                except Taken as taken:
                    self._metrics.commit_retries += 1
                    resends |= await self._look_again(taken, conv_ids, drafts, stored)
        except StoreDown as error:
            self._forget(conv_ids)
            if not stored:
                raise
            self._sent.put_all(stored)
            raise PartlyStored(_known_places(drafts, stored)) from error
        self._remember(batch)
        if self.on_append is not None:
            self.on_append(conv_ids)
        self._metrics.commit_batch_size.observe(len(drafts))
        self._metrics.commit_seconds.observe(perf_counter() - started)
        return batch.places

    @property
    def has_contested(self) -> bool:
        """Whether any conversation may be contested."""
        return bool(self._contested)

    def is_contested(self, conv_id: str) -> bool:
        """Whether races for this conversation were lost lately, and waiting for a turn with it can be had."""
        until = self._contested.get(conv_id)
        if until is None:
            return False
        if self._clock.monotonic() < until:
            return True
        del self._contested[conv_id]
        return False

    async def append_alone(self, drafts: Sequence[Draft]) -> list[Sent]:
        """`append` of drafts of one contested conversation, in turn with other nodes; may run beside the others."""
        conv_id = drafts[0].conv.conv_id
        if self._turns is None:
            return await self.append(drafts)

        async def anew() -> list[Sent]:
            self._take_back(conv_id, drafts)  # others have written, and an attempt of ours may have been undone
            return await self.append(drafts)

        try:
            return await self._turns.hold(conv_id, anew)
        except BaseException:  # it does not stand, or that cannot be known
            self._take_back(conv_id, drafts)
            raise

    def _take_back(self, conv_id: str, drafts: Sequence[Draft]) -> None:
        """Believe nothing of what these drafts have become; the table knows."""
        self._forget([conv_id])
        for draft in drafts:
            self._sent.drop(draft.sent_key)

    async def _look_again(
        self, taken: Taken, conv_ids: set[str], drafts: Sequence[Draft], stored: dict[SentKey, Sent]
    ) -> dict[SentKey, Sent]:
        """After a lost race: note in `stored` what of ours stands, forget what was wrong, find what was sent before."""
        lost = conv_ids
        if isinstance(taken, Stopped):
            lost = {taken.conv_id}
            for row in taken.stored:
                stored[row.conv_id, row.from_user_id, row.client_msg_id] = Sent(row.seq, row.timestamp, False)
                self._last.put(row.conv_id, row.seq)
        believed = {conv_id: self._last.get(conv_id) or 0 for conv_id in lost}
        self._forget(lost)
        if self._turns is not None:
            ahead = (await self._read(lost)).items()
            now = self._clock.monotonic()
            kept = {conv_id: until for conv_id, until in self._contested.items() if now < until}  # else it only grows
            new = {conv_id: now + _CONTESTED_SECONDS for conv_id, seq in ahead if seq > believed[conv_id]}
            self._contested = kept | new
        keys = {draft.sent_key for draft in drafts if draft.conv.conv_id in lost}
        return await self._table.find_sent(keys - stored.keys())

    async def sent(self, key: SentKey) -> Sent | None:
        """Where this draft was stored before, as a duplicate. Asked of the table: what is remembered here may not be
        committed yet."""
        place = (await self._table.find_sent([key])).get(key)
        return None if place is None else replace(place, is_duplicate=True)

    async def last_seqs(self, conv_ids: Collection[str]) -> dict[str, int]:
        """The last seq of each of these conversations, 0 where there is none.

        While other nodes may write, too, it is what the table says: what we number in turn with them is believed before
        it is committed, and whoever asks up to where there is something must not be sent past that.
        """
        if self.is_shared():
            found = await self._table.last_seqs(conv_ids)
            return {conv_id: found.get(conv_id, 0) for conv_id in conv_ids}
        return await self._believed(conv_ids)

    def saw(self, conv_id: str, seq: int) -> None:
        """Another node has stored this message: the next one of ours comes after it."""
        if seq > (self._last.get(conv_id) or 0):
            self._last.put(conv_id, seq)

    async def _believed(self, conv_ids: Collection[str]) -> dict[str, int]:
        """The last seqs as this node knows them: the table says when that is wrong.

        Where it does not hear what other nodes store, it knows nothing: a belief grown old costs a whole batch.
        """
        known = self._last.get_all(conv_ids)
        if self.is_shared():
            known = {conv_id: seq for conv_id, seq in known.items() if self.hears(conv_id)}
        missing = [conv_id for conv_id in conv_ids if conv_id not in known]
        return known | await self._read(missing) if missing else known

    async def _read(self, conv_ids: Collection[str]) -> dict[str, int]:
        found = await self._table.last_seqs(conv_ids)
        seqs = {}
        for conv_id in conv_ids:
            seq = max(found.get(conv_id, 0), self._last.get(conv_id) or 0)  # an append may have overtaken the read
            seqs[conv_id] = seq
            self._last.put(conv_id, seq)
        return seqs

    def _remember(self, batch: Numbered) -> None:
        seqs = batch.last_seqs
        if self.is_shared():  # another node may have stored a later one meanwhile
            known = self._last.get_all(seqs)
            seqs = {conv_id: seq for conv_id, seq in seqs.items() if seq > known.get(conv_id, 0)}
        self._last.put_all(seqs)
        self._sent.put_all(batch.fresh)

    def _forget(self, conv_ids: Collection[str]) -> None:
        for conv_id in conv_ids:
            self._last.drop(conv_id)


def _known_places(drafts: Sequence[Draft], stored: Mapping[SentKey, Sent]) -> list[Sent | None]:
    """Where each draft stands as far as it is known; one that is twice in the batch is a duplicate the second time."""
    told: set[SentKey] = set()
    places: list[Sent | None] = []
    for draft in drafts:
        key = draft.sent_key
        place = stored.get(key)
        places.append(replace(place, is_duplicate=True) if place is not None and key in told else place)
        told.add(key)
    return places
