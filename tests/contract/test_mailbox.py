"""The mailbox on every database it must behave the same on, two processes at it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from goim.stores import sql_mailbox
from goim.stores.base_mailbox import Letter, Mailbox
from goim.stores.memory_mailbox import MemoryMailbox
from goim.stores.mysql import MysqlEngine
from goim.stores.sql_mailbox import SqlMailbox
from goim.stores.sqlite import SqliteEngine
from tests.contract.structured_stores import create_sqlite


@pytest.fixture(params=["memory", "sqlite", "mysql"])
async def mailboxes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Mailbox, Mailbox]]:
    """One mailbox as two processes see it."""
    if request.param == "memory":
        mailbox = MemoryMailbox()
        yield mailbox, mailbox
        return
    async with AsyncExitStack() as stack:
        if request.param == "mysql":
            dsn = await request.getfixturevalue("mysql_server").migrated("structured")
            nodes = [await stack.enter_async_context(MysqlEngine(dsn)) for _ in range(2)]
            yield SqlMailbox(nodes[0]), SqlMailbox(nodes[1])
            return
        path = create_sqlite(tmp_path / "data.db")
        one = await stack.enter_async_context(SqliteEngine(path))
        other = await stack.enter_async_context(SqliteEngine(path))
        yield SqlMailbox(one), SqlMailbox(other)


@pytest.fixture
def mailbox(mailboxes: tuple[Mailbox, Mailbox]) -> Mailbox:
    return mailboxes[0]


async def test_letters_are_read_in_the_order_they_were_posted_byte_for_byte(mailboxes: tuple[Mailbox, Mailbox]) -> None:
    one, other = mailboxes
    body = bytes(range(256))
    await one.post([("a", body), ("b", b"")], 5)
    await other.post([("a", b"later")], 4)
    for mailbox in mailboxes:
        assert await mailbox.after(0, 10) == [Letter(1, "a", body), Letter(2, "b", b""), Letter(3, "a", b"later")]
        assert await mailbox.newest() == 3


async def test_an_empty_mailbox_has_no_newest_letter(mailbox: Mailbox) -> None:
    assert await mailbox.newest() == 0
    assert await mailbox.after(0, 10) == []


async def test_who_has_read_some_reads_on_from_there(mailbox: Mailbox) -> None:
    await mailbox.post([("t", b"1"), ("t", b"2"), ("t", b"3"), ("t", b"4")], 0)
    assert [letter.body for letter in await mailbox.after(1, 2)] == [b"2", b"3"]
    assert [letter.body for letter in await mailbox.after(3, 2)] == [b"4"]
    assert await mailbox.after(4, 2) == []


async def test_what_is_posted_at_once_by_several_is_all_there_each_in_one_piece(
    mailboxes: tuple[Mailbox, Mailbox],
) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            letters = [(f"poster {number}", bytes([part])) for part in range(3)]
            tasks.create_task(mailboxes[number % 2].post(letters, 0))
    letters_there = await mailboxes[0].after(0, 100)
    assert [letter.letter_id for letter in letters_there] == list(range(1, 61))
    pieces = [letters_there[start : start + 3] for start in range(0, 60, 3)]
    assert all([letter.body for letter in piece] == [b"\0", b"\1", b"\2"] for piece in pieces)
    assert {letter.topic for letter in letters_there} == {f"poster {number}" for number in range(20)}
    assert all(len({letter.topic for letter in piece}) == 1 for piece in pieces)


async def test_a_sweep_throws_the_old_away_and_no_number_comes_again(mailbox: Mailbox) -> None:
    await mailbox.post([("t", b"old")], 10)
    await mailbox.post([("t", b"young")], 20)
    await mailbox.sweep(20)
    assert await mailbox.after(0, 10) == [Letter(2, "t", b"young")]
    await mailbox.sweep(1000)
    await mailbox.post([("t", b"next")], 1000)
    assert [letter.body for letter in await mailbox.after(2, 10)] == [b"next"]
    assert await mailbox.newest() == 3


async def test_an_empty_mailbox_can_be_swept(mailbox: Mailbox) -> None:
    await mailbox.sweep(1000)
    assert await mailbox.newest() == 0


@pytest.mark.parametrize("sql", [sql_mailbox.AFTER, sql_mailbox.NEWEST])
def test_looking_for_letters_reads_no_more_than_there_is_to_read(sql: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(create_sqlite(tmp_path / "data.db"))) as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {sql}", ["1"] * sql.count("?")).fetchall()
    assert "USE TEMP B-TREE" not in str(plan)
    assert sql == sql_mailbox.NEWEST or "SEARCH im_letters" in str(plan)
