"""The tail of the log and the search index, on every database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import Raw

from goim.model.messages import EMPTIED, Change, MessageRow, Reaction, RowEdit
from goim.model.search import Term
from goim.resources import bundled
from goim.stores import sqlite_search
from goim.stores.base_log import Changes, MessageTable
from goim.stores.base_search import Doc, LogTail, SearchIndex
from goim.stores.memory_log import MemoryChanges, MemoryMessages
from goim.stores.memory_search import MemoryLogTail, MemorySearchIndex
from goim.stores.migrate import Migrator
from goim.stores.sql import SqlChanges, SqlMessages
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_process import SqliteProcessEngine
from goim.stores.sqlite_search import SqliteLogTail, SqliteSearchIndex

SCHEMA = bundled("schemas") / "sqlite"


@dataclass(frozen=True)
class Log:
    messages: MessageTable
    changes: Changes
    tail: LogTail


@pytest.fixture(params=["memory", "sqlite", "sqlite-process"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    if request.param == "memory":
        messages = MemoryMessages()
        yield Log(messages, MemoryChanges(messages), MemoryLogTail(messages))
        return
    kind = SqliteEngine if request.param == "sqlite" else SqliteProcessEngine
    async with kind(tmp_path / "messages.db", page_size=2048) as engine:
        await Migrator(engine, SCHEMA, {"messages"}).up()
        yield Log(SqlMessages(engine), SqlChanges(engine), SqliteLogTail(engine))


@pytest.fixture(params=["memory", "sqlite"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SearchIndex]:
    if request.param == "memory":
        yield MemorySearchIndex()
        return
    async with SqliteEngine(tmp_path / "search.db", readers=1) as engine:
        await Migrator(engine, SCHEMA, {"search"}).up()
        yield SqliteSearchIndex(engine)


def row(conv_id: str, seq: int, text: str = "x") -> MessageRow:
    return MessageRow(conv_id, seq, "ann", f"{conv_id}-{seq}", "text", text, 1_000, 0, None, None)


# the tail


async def test_messages_are_numbered_in_the_order_they_were_stored(log: Log) -> None:
    assert await log.tail.last() == 0
    assert await log.tail.after(0, 10) == []
    await log.messages.insert([row("b", 1), row("a", 1)])
    await log.messages.insert([row("b", 2)])
    await log.messages.insert([row("a", 2)])
    written = await log.tail.after(0, 3)
    assert [each.row for each in written] == [row("b", 1), row("a", 1), row("b", 2)]
    rest = await log.tail.after(written[-1].number, 3)
    assert [each.row for each in rest] == [row("a", 2)]
    assert await log.tail.last() == rest[-1].number
    numbers = [each.number for each in written + rest]
    assert numbers == sorted(set(numbers))


async def test_what_is_changed_is_there_until_it_was_seen(log: Log) -> None:
    await log.messages.insert([row("a", seq) for seq in (1, 2, 3)])
    numbers = [each.number for each in await log.tail.after(0, 10)]
    assert await log.tail.touched(10) == []
    change = Change(change=1, action="edited", data=Raw(b"{}"))
    assert await log.changes.edit("a", 2, RowEdit("new", None), change, 1)
    assert await log.messages.overwrite("a", 1, EMPTIED)
    touched = await log.tail.touched(10)
    assert [each.message.number for each in touched] == [numbers[1], numbers[0]]
    assert [each.message.row.payload for each in touched] == ["new", None]
    assert await log.tail.touched(1) == touched[:1]
    await log.tail.seen(touched[0].mark)
    assert await log.tail.touched(10) == touched[1:]
    await log.tail.seen(touched[1].mark)
    await log.messages.overwrite("a", 3, RowEdit("late", None))
    [late] = await log.tail.touched(10)
    assert late.mark > touched[1].mark, "a mark is never given again"
    assert late.message.row.payload == "late"


async def test_what_changes_nothing_of_a_message_does_not_touch_it(log: Log) -> None:
    await log.messages.insert([row("a", 1)])
    change = Change(change=1, action="reaction", data=Raw(b"{}"))
    await log.changes.react("a", 1, Reaction("bob", "+"), change, 1, remove=False)
    assert await log.messages.overwrite("a", 1, EMPTIED)
    await log.tail.seen((await log.tail.touched(10))[-1].mark)
    refused = Change(change=2, action="edited", data=Raw(b"{}"))
    assert not await log.changes.edit("a", 1, RowEdit("new", None), refused, 1)
    assert await log.tail.touched(10) == []


# the index


async def found(index: SearchIndex, conv_ids: str, *terms: Term | str, limit: int = 10) -> list[int]:
    wanted = [Term(term) if isinstance(term, str) else term for term in terms]
    return [hit.number for hit in await index.find(conv_ids.split(), wanted, None, limit)]


async def test_messages_are_found_by_all_terms_in_some_conversations_latest_first(index: SearchIndex) -> None:
    await index.write(
        [
            Doc(1, "a", 1, ["hello", "世界"]),
            Doc(2, "b", 1, ["hello", "moon"]),
            Doc(5, "a", 2, ["hello"]),
            Doc(9, "c2c:x:y", 7, ["hello", "👍", "世界"]),
        ]
    )
    assert await found(index, "a b c2c:x:y", "hello") == [9, 5, 2, 1]
    assert await found(index, "a", "hello") == [5, 1]
    assert await found(index, "a b c2c:x:y", "hello", "世界") == [9, 1]
    assert await found(index, "b c2c:x:y", "👍") == [9]
    assert await found(index, "a b", "moon", "世界") == []
    assert await found(index, "d", "hello") == []
    assert await found(index, "a", "ello") == await found(index, "a", "hell") == await found(index, "a", "界") == []
    [hit] = await index.find(["c2c:x:y"], [Term("hello")], None, 10)
    assert (hit.conv_id, hit.seq) == ("c2c:x:y", 7)


async def test_a_term_may_be_the_beginning_of_one(index: SearchIndex) -> None:
    await index.write([Doc(1, "a", 1, ["hello"]), Doc(2, "a", 2, ["help", "世界"]), Doc(3, "a", 3, ["世", "other"])])
    assert await found(index, "a", Term("hel", True)) == [2, 1]
    assert await found(index, "a", Term("help", True)) == [2]
    assert await found(index, "a", Term("世", True)) == [3, 2]
    assert await found(index, "a", Term("世", True), Term("hel", True)) == [2]


async def test_hits_come_in_pages(index: SearchIndex) -> None:
    await index.write([Doc(number, "a", number, ["x"]) for number in range(1, 6)])
    first = await index.find(["a"], [Term("x")], None, 2)
    rest = await index.find(["a"], [Term("x")], first[-1].number, 10)
    assert [hit.number for hit in first + rest] == [5, 4, 3, 2, 1]


async def test_writing_again_replaces_and_writing_nothing_removes(index: SearchIndex) -> None:
    await index.write([Doc(1, "a", 1, ["old", "same"]), Doc(2, "a", 2, ["old"])])
    await index.write([Doc(1, "a", 1, ["new", "same"]), Doc(2, "a", 2, []), Doc(3, "a", 3, [])])
    assert await found(index, "a", "old") == []
    assert await found(index, "a", "new") == await found(index, "a", "same") == [1]
    await index.write([])


async def test_the_position_only_rises(index: SearchIndex) -> None:
    assert await index.position() == 0
    await index.write([], 7)
    await index.write([Doc(3, "a", 1, ["x"])], 5)
    await index.write([Doc(9, "a", 2, ["x"])])
    assert await index.position() == 7


async def test_a_cleared_index_begins_anew(index: SearchIndex) -> None:
    await index.write([Doc(1, "a", 1, [])], 1)
    await index.clear()
    assert await index.position() == 0
    await index.write([Doc(1, "a", 1, ["x"])], 1)
    await index.clear()
    assert (await index.position(), await found(index, "a", "x")) == (0, [])
    await index.write([Doc(1, "a", 1, ["x"])], 1)
    assert await found(index, "a", "x") == [1]


async def test_hundreds_of_conversations_and_long_documents_are_searched_at_once(index: SearchIndex) -> None:
    words = [f"word{number}" for number in range(5_000)]
    await index.write([Doc(number, f"conv-{number}", 1, words) for number in range(1, 201)])
    conv_ids = " ".join(f"conv-{number}" for number in range(1, 201))
    assert len(await found(index, conv_ids, "word4999", "word0", limit=300)) == 200


async def test_a_search_while_it_is_written_finds_what_was_there(index: SearchIndex) -> None:
    await index.write([Doc(1, "a", 1, ["x"])])
    writes = [index.write([Doc(number, "a", number, ["x"])]) for number in range(2, 30)]
    results = await asyncio.gather(*writes, *(found(index, "a", "x", limit=100) for _ in range(10)))
    assert all(1 in result for result in results[len(writes) :] if result is not None)
    assert len(await found(index, "a", "x", limit=100)) == 29


# SQLite's own


def database(*parts: str) -> sqlite3.Connection:
    """A database in memory with the schema of these parts."""
    connection = sqlite3.connect(":memory:")
    for script in sorted(SCHEMA.glob("*.sql")):
        text = script.read_text()
        if text.partition("\n")[0].removeprefix("-- store: ") in parts:
            connection.executescript(text)
    return connection


def test_nothing_of_a_removed_document_is_left_in_the_index() -> None:
    with closing(database("search")) as connection:
        connection.execute("INSERT INTO search_docs VALUES (1, 'a', 1, 'one two'), (2, 'a', 2, 'two')")
        connection.execute("DELETE FROM search_docs WHERE doc_no = 1")
        connection.execute("INSERT INTO search_terms (search_terms, rank) VALUES ('integrity-check', 1)")
        connection.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab(search_terms, row)")
        assert connection.execute("SELECT term FROM vocabulary").fetchall() == [("two",)]


@pytest.mark.parametrize("name", ["WRITTEN_AFTER", "LAST_WRITTEN", "TOUCHED", "SEEN"])
def test_the_tail_reads_no_more_than_it_tells(name: str) -> None:
    sql = getattr(sqlite_search, name)
    with closing(database("messages")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [1] * sql.count("?")).fetchall()
    steps = [str(step[3]) for step in plan]
    assert not [step for step in steps if step.startswith("SCAN m") or "TEMP B-TREE" in step], steps
