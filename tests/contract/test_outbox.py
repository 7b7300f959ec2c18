"""The outbox on every database it must behave the same on, two nodes at it."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from goim.model.messages import MessageRow
from goim.resources import bundled
from goim.stores import sql_outbox
from goim.stores.base_log import MessageTable
from goim.stores.base_outbox import (
    FeedMark,
    FeedMarks,
    LaneStats,
    LogScan,
    Outbox,
    Outcome,
    Parcel,
    ParcelState,
)
from goim.stores.engine import SqlEngine
from goim.stores.memory_log import MemoryMessages
from goim.stores.memory_outbox import MemoryFeedMarks, MemoryLogScan, MemoryOutbox
from goim.stores.migrate import Migrator
from goim.stores.mongo import MongoLogScan, MongoMessages
from goim.stores.mysql import MysqlEngine
from goim.stores.sql import SqlMessages
from goim.stores.sql_outbox import SqlFeedMarks, SqlLogScan, SqlOutbox
from goim.stores.sqlite import SqliteEngine
from tests.contract.structured_stores import create_sqlite

Node = tuple[Outbox, FeedMarks]


@pytest.fixture(params=["memory", "sqlite", "mysql"])
async def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    """One outbox as two nodes see it."""
    if request.param == "memory":
        node = (MemoryOutbox(), MemoryFeedMarks())
        yield node, node
        return
    async with AsyncExitStack() as stack:
        one: SqlEngine
        other: SqlEngine
        if request.param == "mysql":
            dsn = await request.getfixturevalue("mysql_server").migrated("structured")
            one = await stack.enter_async_context(MysqlEngine(dsn))
            other = await stack.enter_async_context(MysqlEngine(dsn))
        else:
            path = create_sqlite(tmp_path / "data.db")
            one = await stack.enter_async_context(SqliteEngine(path))
            other = await stack.enter_async_context(SqliteEngine(path))
        yield (SqlOutbox(one), SqlFeedMarks(one)), (SqlOutbox(other), SqlFeedMarks(other))


@pytest.fixture
def outbox(nodes: tuple[Node, Node]) -> Outbox:
    return nodes[0][0]


@pytest.fixture
def marks(nodes: tuple[Node, Node]) -> FeedMarks:
    return nodes[0][1]


def parcel(number: int, lane: str = "crm", due_at: int = 100, target: str = "") -> Parcel:
    return Parcel(f"event-{number}", lane, target, "message.sent", f'{{"n":{number}}}', due_at, due_at)


def outcome(of: Parcel, state: ParcelState, due_at: int, attempts: int = 1, problem: str = "") -> Outcome:
    return Outcome(of.key, of.claim, state, due_at, attempts, problem)


async def test_what_is_due_is_claimed_once_the_first_due_first(outbox: Outbox) -> None:
    await outbox.put([parcel(1, due_at=300), parcel(2, due_at=100), parcel(3, due_at=200), parcel(4, due_at=900)])
    first = await outbox.claim("crm", "a", 500, 1_000, 2)
    assert [each.event_id for each in first] == ["event-2", "event-3"]
    assert first[0] == Parcel("event-2", "crm", "", "message.sent", '{"n":2}', 100, 1_000, claim="a")
    assert [each.event_id for each in await outbox.claim("crm", "b", 500, 1_000, 9)] == ["event-1"]
    assert await outbox.claim("crm", "c", 500, 1_000, 9) == []
    assert await outbox.claim("other", "d", 500, 1_000, 9) == []


async def test_two_nodes_that_claim_at_once_get_different_parcels(nodes: tuple[Node, Node]) -> None:
    (one, _), (other, _) = nodes
    await one.put([parcel(number) for number in range(60)])
    claims = itertools.count()
    asked = [box.claim("crm", f"claim-{next(claims)}", 200, 1_000, 10) for box in (one, other) * 10]
    got = [each.event_id for parcels in await asyncio.gather(*asked) for each in parcels]
    rest = [each.event_id for each in await one.claim("crm", "last", 200, 1_000, 100)]
    assert len(got) > 0
    assert sorted(got + rest) == sorted(f"event-{number}" for number in range(60))


async def test_who_takes_too_long_loses_a_parcel_and_has_no_more_say_in_it(nodes: tuple[Node, Node]) -> None:
    (one, _), (other, _) = nodes
    await one.put([parcel(1)])
    [late] = await one.claim("crm", "slow", 200, 500, 9)
    assert await other.claim("crm", "early", 499, 900, 9) == []
    [again] = await other.claim("crm", "quick", 500, 900, 9)
    await one.settle([outcome(late, ParcelState.DEAD, 0)])
    assert await one.page(ParcelState.DEAD, None, 9, 0) == []
    await other.settle([outcome(again, ParcelState.WAITING, 700, 3, "answered 500")])
    [third] = await one.claim("crm", "third", 700, 1_500, 9)
    assert (third.attempts, third.problem) == (3, "answered 500")


async def test_the_same_event_is_kept_once_while_it_waits_and_after_it_was_done(outbox: Outbox) -> None:
    await outbox.put([parcel(1), parcel(1), parcel(1, "other"), parcel(1, target="ann/phone")])
    claimed = await outbox.claim("crm", "a", 200, 1_000, 9)
    assert sorted(each.target for each in claimed) == ["", "ann/phone"]
    await outbox.settle([outcome(each, ParcelState.DONE, 5_000) for each in claimed])
    await outbox.put([parcel(1)])
    assert await outbox.claim("crm", "b", 4_000, 9_000, 9) == []
    assert [each.body for each in await outbox.page(ParcelState.DONE, "crm", 9, 0)] == ["", ""]
    assert await outbox.sweep(5_000, 0) == 0
    assert await outbox.sweep(5_001, 0) == 2
    await outbox.put([parcel(1)])
    assert len(await outbox.claim("crm", "c", 6_000, 9_000, 9)) == 1


async def test_dead_ones_are_listed_counted_and_revived(outbox: Outbox) -> None:
    await outbox.put([parcel(1), parcel(2), parcel(3, "other"), parcel(4)])
    for lane in ("crm", "other"):
        claimed = [each for each in await outbox.claim(lane, f"a-{lane}", 200, 1_000, 9) if each.event_id != "event-4"]
        await outbox.settle([outcome(each, ParcelState.DEAD, 300, 7, "answered 500") for each in claimed])
    assert sorted(await outbox.stats()) == [
        LaneStats("crm", ParcelState.WAITING, 1, 100),
        LaneStats("crm", ParcelState.DEAD, 2, 100),
        LaneStats("other", ParcelState.DEAD, 1, 100),
    ]
    assert [each.event_id for each in await outbox.page(ParcelState.DEAD, "crm", 9, 0)] == ["event-1", "event-2"]
    assert [each.event_id for each in await outbox.page(ParcelState.DEAD, None, 1, 2)] == ["event-3"]
    assert await outbox.revive("crm", "event-2", 2_000) == 1
    claimed = await outbox.claim("crm", "b", 2_000, 3_000, 9)
    [again] = [each for each in claimed if each.event_id == "event-2"]
    assert (again.attempts, again.made_at) == (0, 2_000)
    assert await outbox.revive(None, None, 2_000) == 2
    assert await outbox.page(ParcelState.DEAD, None, 9, 0) == []


async def test_what_is_too_old_is_swept_whatever_its_state(outbox: Outbox) -> None:
    await outbox.put([parcel(1, due_at=100), parcel(2, due_at=200), parcel(3, due_at=100), parcel(4, due_at=100)])
    claimed = await outbox.claim("crm", "a", 100, 1_000, 9)
    dead, alive, done = sorted(claimed)
    await outbox.settle(
        [
            outcome(dead, ParcelState.DEAD, 150),
            outcome(alive, ParcelState.WAITING, 300),
            outcome(done, ParcelState.DONE, 150),
        ]
    )
    assert await outbox.sweep(0, 150) == 0
    assert await outbox.sweep(0, 201) == 2
    assert [each.event_id for each in await outbox.claim("crm", "b", 999, 2_000, 9)] == [alive.event_id]
    assert await outbox.page(ParcelState.DEAD, None, 9, 0) == []


async def test_a_large_outbox_is_swept_to_the_end(outbox: Outbox) -> None:
    await outbox.put([parcel(number) for number in range(1_201)])
    assert await outbox.sweep(0, 101) == 1_201
    assert await outbox.stats() == []


async def test_the_mark_of_a_node_that_fell_silent_is_taken_by_one(nodes: tuple[Node, Node]) -> None:
    (_, one), (_, other) = nodes
    await one.put(FeedMark("n1", 50, 100))
    await one.put(FeedMark("n1", 60, 200))
    await one.put(FeedMark("n2", 70, 900))
    assert await other.all() == [FeedMark("n1", 60, 200), FeedMark("n2", 70, 900)]
    assert not await one.take(FeedMark("n1", 50, 100), 500)
    assert not await one.take(FeedMark("n3", 50, 100), 500)
    silent = FeedMark("n1", 60, 200)
    taken = await asyncio.gather(*(each.take(silent, 500) for each in (one, other, one, other)))
    assert sorted(taken) == [False, False, False, True]
    assert await one.all() == [FeedMark("n1", 60, 500), FeedMark("n2", 70, 900)]
    await other.remove("n1")
    await one.remove("n1")
    assert await one.all() == [FeedMark("n2", 70, 900)]


@pytest.fixture(params=["memory", "sqlite", "mysql", "mongodb"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[MessageTable, LogScan]]:
    """A log and how it is read by time."""
    if request.param == "memory":
        messages = MemoryMessages()
        yield messages, MemoryLogScan(messages)
        return
    if request.param == "mysql":
        async with MysqlEngine(await request.getfixturevalue("mysql_server").migrated("messages")) as server:
            yield SqlMessages(server), SqlLogScan(server)
        return
    if request.param == "mongodb":
        async with request.getfixturevalue("mongo_server").migrated() as (_, database):
            yield MongoMessages(database), MongoLogScan(database)
        return
    async with SqliteEngine(tmp_path / "messages.db") as engine:
        await Migrator(engine, bundled("schemas") / "sqlite", {"messages"}).up()
        yield SqlMessages(engine), SqlLogScan(engine)


def row(conv_id: str, seq: int, at: int) -> MessageRow:
    return MessageRow(conv_id, seq, "ann", f"{conv_id}-{seq}", "text", '{"text":"x"}', at, 0, None, None)


async def test_the_log_is_read_from_a_time_on_page_by_page(log: tuple[MessageTable, LogScan]) -> None:
    messages, scan = log
    await messages.insert([row("a", 1, 100), row("a", 2, 200), row("b", 1, 300), row("a", 3, 250), row("c", 1, 199)])
    first = await scan.since(200, ("", 0), 2)
    assert [(each.conv_id, each.seq) for each in first] == [("a", 2), ("a", 3)]
    assert first[0] == row("a", 2, 200)
    assert [(each.conv_id, each.seq) for each in await scan.since(200, ("a", 3), 2)] == [("b", 1)]
    assert await scan.since(200, ("b", 1), 2) == []
    assert len(await scan.since(0, ("", 0), 9)) == 5


@pytest.mark.parametrize(
    "name", ["DUE_PARCELS", "CLAIM", "CLAIMED", "SETTLE", "SWEPT", "DELETE_PARCEL", "REMOVE_MARK", "TAKE_MARK"]
)
def test_what_is_asked_all_the_time_uses_an_index(tmp_path: Path, name: str) -> None:
    with closing(sqlite3.connect(create_sqlite(tmp_path / "data.db"))) as connection:
        sql = getattr(sql_outbox, name).strip()
        plan = [str(each[3]) for each in connection.execute(f"EXPLAIN QUERY PLAN {sql}", ["x"] * sql.count("?"))]
    assert not [step for step in plan if step.startswith("SCAN")], plan
