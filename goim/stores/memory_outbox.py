"""The outbox in memory: the twin of `sql_outbox` for tests. Nothing awaits, so each method is one step of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from goim.model.messages import MessageRow
from goim.stores.base_outbox import FeedMark, LaneStats, Outcome, Parcel, ParcelKey, ParcelState
from goim.stores.memory_log import MemoryMessages


class MemoryOutbox:
    """`Outbox` in a dict."""

    def __init__(self) -> None:
        self._parcels: dict[ParcelKey, Parcel] = {}

    async def put(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            self._parcels.setdefault(parcel.key, parcel)

    async def claim(self, lane: str, claim: str, now_ms: int, until_ms: int, limit: int) -> list[Parcel]:
        due = self._sorted(lambda each: not each.state and each.lane == lane and each.due_at <= now_ms)[:limit]
        for parcel in due:
            self._parcels[parcel.key] = parcel._replace(claim=claim, due_at=until_ms)
        return sorted((self._parcels[parcel.key] for parcel in due), key=lambda each: each.made_at)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        for key, claim, state, due_at, attempts, problem in outcomes:
            parcel = self._parcels.get(key)
            if parcel is not None and not parcel.state and parcel.claim == claim:
                body = "" if state is ParcelState.DONE else parcel.body
                self._parcels[key] = parcel._replace(
                    state=state, due_at=due_at, attempts=attempts, problem=problem, claim="", body=body
                )

    async def stats(self) -> list[LaneStats]:
        groups: dict[tuple[str, int], list[int]] = {}
        for each in self._parcels.values():
            if each.state != ParcelState.DONE:
                groups.setdefault((each.lane, each.state), []).append(each.made_at)
        return [LaneStats(lane, state, len(made), min(made)) for (lane, state), made in groups.items()]

    async def page(self, state: ParcelState, lane: str | None, limit: int, offset: int) -> list[Parcel]:
        found = self._sorted(lambda each: each.state == state and lane in (None, each.lane))
        return found[offset : offset + limit]

    async def revive(self, lane: str | None, event_id: str | None, now_ms: int) -> int:
        dead = self._sorted(
            lambda each: (
                each.state == ParcelState.DEAD and lane in (None, each.lane) and event_id in (None, each.event_id)
            )
        )
        for parcel in dead:
            self._parcels[parcel.key] = parcel._replace(
                state=ParcelState.WAITING, attempts=0, due_at=now_ms, made_at=now_ms
            )
        return len(dead)

    async def sweep(self, done_before: int, kept_before: int) -> int:
        gone = self._sorted(lambda each: each.due_at < (done_before if each.state == ParcelState.DONE else kept_before))
        for parcel in gone:
            del self._parcels[parcel.key]
        return len(gone)

    def _sorted(self, is_wanted: Callable[[Parcel], bool]) -> list[Parcel]:
        found = [each for each in self._parcels.values() if is_wanted(each)]
        return sorted(found, key=lambda each: (each.due_at, each.event_id, each.target))


class MemoryFeedMarks:
    """`FeedMarks` in a dict."""

    def __init__(self) -> None:
        self._marks: dict[str, FeedMark] = {}

    async def put(self, mark: FeedMark) -> None:
        self._marks[mark.node_id] = mark

    async def remove(self, node_id: str) -> None:
        self._marks.pop(node_id, None)

    async def all(self) -> list[FeedMark]:
        return sorted(self._marks.values())

    async def take(self, mark: FeedMark, seen_at: int) -> bool:
        if self._marks.get(mark.node_id, mark).seen_at != mark.seen_at or mark.node_id not in self._marks:
            return False
        self._marks[mark.node_id] = mark._replace(seen_at=seen_at)
        return True


class MemoryLogScan:
    """`LogScan` over the log in memory."""

    def __init__(self, messages: MemoryMessages) -> None:
        self._messages = messages

    async def since(self, at: int, after: tuple[str, int], limit: int) -> list[MessageRow]:
        rows = (self._messages.find(*place) for place in sorted(self._messages.written) if place > after)
        return [row for row in rows if row is not None and row.timestamp >= at][:limit]
