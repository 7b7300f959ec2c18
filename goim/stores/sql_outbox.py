"""The outbox in an SQL database, by plain statements: it is written for every message while there are endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piccolo.columns import Column

from goim.model.messages import MessageRow
from goim.stores.base_outbox import FeedMark, LaneStats, Outcome, Parcel, ParcelState
from goim.stores.engine import SqlEngine, affected, run
from goim.stores.sql import walk
from goim.stores.tables import OutboxTable

# All statements name the columns in the order of Parcel.
PUT_PARCEL = """
INSERT INTO outbox (event_id, lane, target, type, body, made_at, due_at, attempts, state, claim, problem)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id, lane, target) DO NOTHING"""

DUE_PARCELS = """
SELECT event_id, lane, target FROM outbox WHERE state = 0 AND lane = ? AND due_at <= ? ORDER BY due_at LIMIT ?"""

# Of two who see the same parcel due only the first changes it: for the other it is due no longer.
CLAIM = """
UPDATE outbox SET claim = ?, due_at = ? WHERE event_id = ? AND lane = ? AND target = ? AND state = 0 AND due_at <= ?"""

CLAIMED = """
SELECT event_id, lane, target, type, body, made_at, due_at, attempts, state, claim, problem FROM outbox
WHERE state = 0 AND lane = ? AND due_at = ? AND claim = ? ORDER BY made_at"""

SETTLE = """
UPDATE outbox SET state = ?, due_at = ?, attempts = ?, problem = ?, claim = '',
body = CASE WHEN ? = 1 THEN '' ELSE body END
WHERE event_id = ? AND lane = ? AND target = ? AND state = 0 AND claim = ?"""

LANE_STATS = "SELECT lane, state, COUNT(*), MIN(made_at) FROM outbox WHERE state IN (0, 2) GROUP BY lane, state"

# In parts: a database with one writer must not be busy with this for long.
SWEPT = "SELECT event_id, lane, target FROM outbox WHERE state = ? AND due_at < ? LIMIT ?"
DELETE_PARCEL = "DELETE FROM outbox WHERE event_id = ? AND lane = ? AND target = ? AND state = ? AND due_at < ?"
_SWEPT_AT_ONCE = 500

PUT_MARK = """
INSERT INTO outbox_feeds (node_id, safe_at, seen_at) VALUES (?, ?, ?)
ON CONFLICT (node_id) DO UPDATE SET safe_at = EXCLUDED.safe_at, seen_at = EXCLUDED.seen_at"""
REMOVE_MARK = "DELETE FROM outbox_feeds WHERE node_id = ?"
ALL_MARKS = "SELECT node_id, safe_at, seen_at FROM outbox_feeds ORDER BY node_id"
TAKE_MARK = "UPDATE outbox_feeds SET seen_at = ? WHERE node_id = ? AND seen_at = ?"

# Walk the whole log, each page from where the last one ended: only a node that follows a crash asks.
SINCE_HERE = "SELECT * FROM messages WHERE conv_id = ? AND seq > ? AND timestamp >= ? ORDER BY seq LIMIT ?"
SINCE_BEYOND = "SELECT * FROM messages WHERE conv_id > ? AND timestamp >= ? ORDER BY conv_id, seq LIMIT ?"


class SqlOutbox:
    """`Outbox` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def put(self, parcels: Sequence[Parcel]) -> None:
        if parcels:
            await self._engine.execute_many(PUT_PARCEL, parcels)

    async def claim(self, lane: str, claim: str, now_ms: int, until_ms: int, limit: int) -> list[Parcel]:
        due = await self._engine.fetch_rows(DUE_PARCELS, (lane, now_ms, limit))
        if not due:
            return []
        await self._engine.execute_many(CLAIM, [(claim, until_ms, *key, now_ms) for key in due])
        return [Parcel(*row) for row in await self._engine.fetch_rows(CLAIMED, (lane, until_ms, claim))]

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        each = [(one.state, one.due_at, one.attempts, one.problem, one.state, *one.key, one.claim) for one in outcomes]
        if each:
            await self._engine.execute_many(SETTLE, each)

    async def stats(self) -> list[LaneStats]:
        return [LaneStats(*row) for row in await self._engine.fetch_rows(LANE_STATS)]

    async def page(self, state: ParcelState, lane: str | None, limit: int, offset: int) -> list[Parcel]:
        query = OutboxTable.select().where(OutboxTable.state == state.value)
        if lane is not None:
            query = query.where(OutboxTable.lane == lane)
        ordered = query.order_by(OutboxTable.due_at, OutboxTable.event_id, OutboxTable.target)
        rows = await run(self._engine, ordered.limit(limit).offset(offset))
        return [Parcel(**row) for row in rows]

    async def revive(self, lane: str | None, event_id: str | None, now_ms: int) -> int:
        anew: dict[Column | str, Any] = {OutboxTable.state: 0, OutboxTable.attempts: 0}
        anew |= {OutboxTable.due_at: now_ms, OutboxTable.made_at: now_ms}
        query = OutboxTable.update(anew).where(OutboxTable.state == ParcelState.DEAD.value)
        if lane is not None:
            query = query.where(OutboxTable.lane == lane)
        if event_id is not None:
            query = query.where(OutboxTable.event_id == event_id)
        return await affected(self._engine, query)

    async def sweep(self, done_before: int, kept_before: int) -> int:
        swept = 0
        for state in ParcelState:
            limit = done_before if state is ParcelState.DONE else kept_before
            while keys := await self._engine.fetch_rows(SWEPT, (state.value, limit, _SWEPT_AT_ONCE)):
                each = [(*key, state.value, limit) for key in keys]
                swept += await self._engine.execute_many(DELETE_PARCEL, each)
        return swept


class SqlFeedMarks:
    """`FeedMarks` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def put(self, mark: FeedMark) -> None:
        await self._engine.execute(PUT_MARK, mark)

    async def remove(self, node_id: str) -> None:
        await self._engine.execute(REMOVE_MARK, (node_id,))

    async def all(self) -> list[FeedMark]:
        return [FeedMark(*row) for row in await self._engine.fetch_rows(ALL_MARKS)]

    async def take(self, mark: FeedMark, seen_at: int) -> bool:
        return bool(await self._engine.execute(TAKE_MARK, (seen_at, mark.node_id, mark.seen_at)))


class SqlLogScan:
    """`LogScan` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def since(self, at: int, after: tuple[str, int], limit: int) -> list[MessageRow]:
        rows = await walk(self._engine, (SINCE_HERE, SINCE_BEYOND), after, at, limit)
        return [MessageRow(*row) for row in rows]
