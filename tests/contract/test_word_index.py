"""The index of words that is kept by conversation, in a database of the MySQL family and in SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from goim.model.search import Term
from goim.resources import bundled
from goim.stores.base_search import Doc
from goim.stores.base_words import Mark, WordIndex
from goim.stores.migrate import Migrator
from goim.stores.mysql import MysqlEngine
from goim.stores.sql_words import SqlWordIndex
from goim.stores.sqlite import SqliteEngine
from tests.mysql_server import MysqlServer


@pytest.fixture(params=["mysql", "sqlite"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[WordIndex]:
    if request.param == "sqlite":
        async with SqliteEngine(tmp_path / "words.db") as embedded:
            await Migrator(embedded, bundled("schemas/sqlite"), {"words"}).up()
            yield SqlWordIndex(embedded)
        return
    server: MysqlServer = request.getfixturevalue("mysql_server")
    async with MysqlEngine(await server.migrated("messages", "words")) as engine:
        yield SqlWordIndex(engine)


async def found(index: WordIndex, conv_ids: str, *terms: Term | str, limit: int = 10) -> list[int]:
    wanted = [Term(term) if isinstance(term, str) else term for term in terms]
    return [hit.number for hit in await index.find(conv_ids.split(), wanted, None, limit)]


async def test_messages_are_found_by_all_terms_in_some_conversations_latest_first(index: WordIndex) -> None:
    docs = [Doc(1, "a", 1, ["hello", "世界"]), Doc(5, "a", 2, ["hello", "help"])]
    assert await index.advance("a", Mark(), Mark(2, 0), docs)
    assert await index.advance("b", Mark(), Mark(1, 0), [Doc(2, "b", 1, ["hello", "moon", "👍"])])
    assert await found(index, "a b", "hello") == [5, 2, 1]
    assert await found(index, "a", "hello") == [5, 1]
    assert await found(index, "a b", "hello", "世界") == [1]
    assert await found(index, "a b", Term("hel", True)) == [5, 2, 1]
    assert await found(index, "a b", Term("hel", True), Term("世", True)) == [1]
    assert await found(index, "b", "👍", Term("mo", True)) == [2]
    assert await found(index, "c", "hello") == await found(index, "a", "hell") == await found(index, "a", "moon") == []
    first = await index.find(["a", "b"], [Term("hello")], None, 2)
    rest = await index.find(["a", "b"], [Term("hello")], first[-1].number, 2)
    assert [(hit.conv_id, hit.seq) for hit in first + rest] == [("a", 2), ("b", 1), ("a", 1)]


async def test_of_two_who_index_the_same_only_one_goes_on(index: WordIndex) -> None:
    assert await index.marks(["a"]) == {}
    assert await index.advance("a", Mark(), Mark(1, 0), [Doc(1, "a", 1, ["new"])])
    assert not await index.advance("a", Mark(), Mark(1, 0), [Doc(1, "a", 1, ["old"])])
    assert await index.marks(["a", "b"]) == {"a": Mark(1, 0)}
    assert await found(index, "a", "new") == [1]
    assert await found(index, "a", "old") == []


async def test_what_changes_replaces_and_what_is_emptied_goes(index: WordIndex) -> None:
    assert await index.advance("a", Mark(), Mark(2, 0), [Doc(1, "a", 1, ["x", "y"]), Doc(2, "a", 2, ["x"])])
    assert await index.advance("a", Mark(2, 0), Mark(2, 1), [Doc(1, "a", 1, ["z"])])
    assert (await found(index, "a", "x"), await found(index, "a", "z")) == ([2], [1])
    await index.remove("a", 2)
    assert await index.advance("a", Mark(2, 1), Mark(2, 2), [Doc(1, "a", 1, [])])
    assert await found(index, "a", "x") == await found(index, "a", "z") == []


async def test_very_many_conversations_are_asked_at_once(index: WordIndex) -> None:
    convs = [f"conv-{number}" for number in range(200)]
    for number, conv in enumerate(convs):
        await index.advance(conv, Mark(), Mark(1, 0), [Doc(number, conv, 1, ["word"])])
    assert await found(index, " ".join(convs), "word", limit=300) == list(range(199, -1, -1))
    assert await found(index, " ".join(convs), "word", limit=3) == [199, 198, 197]
