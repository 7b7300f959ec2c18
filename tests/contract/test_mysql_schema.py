"""The schemas of the MySQL family are what the stores take them for, and the statements use their indexes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import pytest
from piccolo.columns import BigInt, Boolean, Bytea, Column, Integer, Text, Varchar
from piccolo.table import Table

from goim.errors import StoreDown
from goim.model.messages import MessageRow
from goim.stores import mysql_pool, sql, sql_accounts, sql_conversations
from goim.stores.mysql import MysqlEngine
from goim.stores.mysql_dialect import filled
from goim.stores.rows import LOG_SHAPES, SqlRows
from goim.stores.sql_outbox import SqlLogScan
from goim.stores.tables import STRUCTURED_TABLES
from tests.contract.statements import STATEMENTS
from tests.contract.test_structured_schema import key_of
from tests.mysql_server import MysqlServer

COLUMNS = """
SELECT column_name, column_type, is_nullable FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position"""
KEYS = """
SELECT index_name, non_unique, column_name FROM information_schema.statistics
WHERE table_schema = DATABASE() AND table_name = ? ORDER BY index_name, seq_in_index"""
TABLES = "SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"

TYPES: dict[type[Column], str] = {
    BigInt: "bigint",
    Integer: "int",
    Boolean: "tinyint",
    Text: "mediumtext",
    Bytea: "mediumblob",
}


@pytest.fixture(params=["mysql", "tidb"])
async def engine(request: pytest.FixtureRequest, mysql_server: MysqlServer) -> AsyncIterator[MysqlEngine]:
    dsn = await mysql_server.migrated("structured", "messages", "words", dialect=request.param)
    async with MysqlEngine(dsn) as engine:
        yield engine


async def keys(engine: MysqlEngine, table: str) -> dict[str, tuple[bool, list[str]]]:
    """The indexes of a table: whether each is unique, and its columns."""
    found: dict[str, tuple[bool, list[str]]] = {}
    for name, non_unique, column in await engine.fetch_rows(KEYS, (table,)):
        found.setdefault(name, (not int(non_unique), []))[1].append(column)
    return found


def type_of(column: Column) -> str:
    return f"varchar({column.length})" if isinstance(column, Varchar) else TYPES[type(column)]


async def test_every_table_is_described_and_compares_byte_by_byte(engine: MysqlEngine) -> None:
    log = {"messages", "changes", "reactions", "conv_deletes", "pending", "message_turns"}
    log |= {"word_index", "word_marks"}
    created: dict[str, str] = dict(await engine.fetch_rows(TABLES))
    created.pop("schema_migrations")
    assert created.keys() == {table._meta.tablename for table in STRUCTURED_TABLES} | log
    assert set(created.values()) <= {"utf8mb4_nopad_bin", "utf8mb4_0900_bin"}


@pytest.mark.parametrize("table", STRUCTURED_TABLES)
async def test_columns_and_keys_are_described_as_they_were_created(engine: MysqlEngine, table: type[Table]) -> None:
    name = table._meta.tablename
    created = [
        (column, re.sub(r"(int)\(\d+\)", r"\1", str(kind)), nullable == "YES")
        for column, kind, nullable in await engine.fetch_rows(COLUMNS, (name,))
    ]
    assert created == [
        (column._meta.db_column_name, type_of(column), column._meta.null) for column in table._meta.columns
    ]
    indexes = await keys(engine, name)
    assert indexes.pop("PRIMARY")[1] == key_of(table)
    uniques = [columns for is_unique, columns in indexes.values() if is_unique]
    assert uniques == [[column._meta.db_column_name] for column in table._meta.columns if column._meta.unique]
    assert len(uniques) <= 1, "an upsert fires on any unique key: more than one would make it ambiguous"


async def test_the_log_has_its_columns_in_order_its_two_unique_keys_and_no_other(engine: MysqlEngine) -> None:
    assert [row[0] for row in await engine.fetch_rows(COLUMNS, ("messages",))] == list(MessageRow._fields)
    indexes = list((await keys(engine, "messages")).values())
    assert sorted(indexes) == [(True, ["conv_id", "from_user_id", "client_msg_id"]), (True, ["conv_id", "seq"])]


# Looking for a part of a name and counting all files have to read everything, erasing an account walks the log, and
# there are only the letters of the last minutes to be swept. The newest letter is the last of its index.
SCANS = {"sql_accounts.USERS_AMONG_LATEST", "sql_files.STATS", "sql_mailbox.SWEEP", "sql_mailbox.NEWEST"}
SCANS |= {"sql.SENT_BY_BEYOND", "sql_outbox.SINCE_BEYOND"}
SCANS |= {"sql_overview.COUNTS", "sql_outbox.SWEEP_OLD"}  # once a minute
SMALL = {"outbox_feeds"}  # a row for each node
WHOLE = {"ALL", "index"}


async def fill(engine: MysqlEngine) -> None:
    """Rows enough that reading a whole table is no way out, with statistics that say so."""
    users = [f"user-{number:04}" for number in range(400)]
    convs = [f"c2c:{user}:zoe" for user in users]
    await engine.insert_rows("im_users", [(u, u, u, u, u, "", "", 0, 0, 1) for u in users])
    await engine.insert_rows("im_sessions", [(f"s-{u}", u, None, "", 1, 1) for u in users])
    await engine.insert_rows("im_devices", [(u, "d", "s", "ws", 1, 1) for u in users])
    await engine.insert_rows("im_friends", [(u, "zoe", "", 1) for u in users] + [("zoe", u, "", 1) for u in users])
    await engine.insert_rows("im_blocks", [(u, "eve", 1) for u in users] + [("dan", u, 1) for u in users])
    await engine.insert_rows("im_groups", [(f"g-{u}", "", "", u, "open", 0, 1, 1) for u in users])
    await engine.insert_rows("im_group_members", [(f"g-{u}", u, "owner", 0, 1) for u in users])
    await engine.insert_rows("im_conversations", [(c, c, "c2c", c, c, "", "", 1) for c in convs])
    await engine.insert_rows("user_conversations", [("zoe", c, 0, 0, "", n) for n, c in enumerate(convs, 1)])
    await engine.insert_rows("user_conversations", [(u, c, 0, 0, "", 1) for u, c in zip(users, convs, strict=True)])
    await engine.insert_rows("read_receipts", [(c, "zoe", 1, 1) for c in convs])
    await engine.insert_rows(
        "messages", [(c, s, "zoe", f"m{s}", "text", "{}", 1, 0, None, None) for c in convs for s in range(1, 6)]
    )
    await engine.insert_rows("changes", [(c, s, s, "edited", "{}", 1) for c in convs for s in range(1, 4)])
    await engine.insert_rows("reactions", [(c, 1, "zoe", "+", 1) for c in convs])
    await engine.insert_rows("conv_deletes", [(u, c, 1, 1) for u, c in zip(users, convs, strict=True)])
    await engine.insert_rows("pending", [("burn", c, "zoe", "m1", 10_000 + n) for n, c in enumerate(convs)])
    await engine.insert_rows(
        "im_files", [(f"f-{u}", u, "", "", 1, "", None, None, "", 1_000 + n, None) for n, u in enumerate(users)]
    )
    await engine.insert_rows("file_grants", [(f"f-{u}", c, u, "m1", None) for u, c in zip(users, convs, strict=True)])
    await engine.insert_rows("group_invitations", [(f"g-{u}", u, "zoe", 1) for u in users])
    await engine.insert_rows("group_requests", [(f"g-{u}", u, 1) for u in users])
    await engine.insert_rows("group_notices", [(f"n-{u}", f"g-{u}", "", "", u, 1) for u in users])
    await engine.insert_rows("favourites", [(u, "f", "custom", "", "", "", None, "x", 1) for u in users])
    await engine.insert_rows("push_devices", [(u, "d", f"s-{u}", "web", "", u, "", "", "", 1) for u in users])
    await engine.insert_rows("favourite_tags", [(u, "t", "f", 0) for u in users])
    done = [(u, "a", "t", "t", "{}", 1, n, 0, int(n % 50 > 0), "", "") for n, u in enumerate(users)]
    await engine.insert_rows("outbox", done)
    await engine.insert_rows("im_letters", [(n, "t", b"", n) for n in range(1, 400)])
    for (table,) in [(table._meta.tablename,) for table in STRUCTURED_TABLES] + [
        ("messages",),
        ("changes",),
        ("pending",),
    ]:
        await engine.fetch_rows(f"ANALYZE TABLE {table}")


def values(text: str) -> list[Any]:
    """Something for each placeholder: a number where numbers are compared, the length of a page, else an id."""
    found: list[Any] = []
    for before in text.split("?")[:-1]:
        word = re.findall(r"[\w.]+", before)[-1] if re.findall(r"[\w.]+", before) else ""
        numbers = {"OFFSET", "seq", "change_no", "expire_at", "due_at", "letter_id", "posted_at", "state", "seen_at"}
        numbers |= {"updated_at", "e.updated_at", "created_at", "expires_at", "member_count", "g.ends_at"}
        found.append(100 if word == "LIMIT" else 1 if word in numbers else "user-0007")
    return found


class Step(NamedTuple):
    """How a statement reads a table."""

    table: str
    reads: str
    key: str
    is_whole: bool
    is_sorted: bool


async def plan(engine: MysqlEngine, text: str, args: Sequence[Any]) -> list[Step]:
    """What the server says of a statement, in its own words or in TiDB's."""
    table = "FORMAT=TRADITIONAL " if engine.product == "MySQL" else ""  # MySQL 9 draws a tree
    said = await engine.fetch(f"EXPLAIN {table}{filled(text.strip(), args).replace('%', '%%').replace('?', '')}")
    if not engine.is_tidb:
        return [
            Step(each["table"], each["type"], each["key"], each["type"] in WHOLE, "filesort" in (each["Extra"] or ""))
            for each in said
        ]
    is_sorted = any("Sort" in each["id"] or "TopN" in each["id"] for each in said)
    found = [(each["id"], re.match(r"table:(\w+)(?:, index:(\w+))?", each["access object"])) for each in said]
    return [
        Step(read[1], "range" if "RangeScan" in step else step, read[2] or "PRIMARY", "FullScan" in step, is_sorted)
        for step, read in found
        if read is not None
    ]


async def test_no_statement_reads_a_whole_table(engine: MysqlEngine) -> None:
    await fill(engine)
    bad = {}
    for name, text in STATEMENTS.items():
        if name in SCANS or not re.match("SELECT|UPDATE|DELETE", text):
            continue
        steps = [each for each in await plan(engine, text, values(text)) if each.is_whole and each.table not in SMALL]
        if steps:
            bad[name] = steps
    assert not bad


NOW, LAST = 10**12, 2**63 - 1
PAGES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "history, newest": (sql.BEFORE, ("c2c:ann:zoe", 0, LAST, NOW, 10)),
    "history, in the middle": (sql.BEFORE, ("c2c:ann:zoe", 0, 500, NOW, 10)),
    "history, forwards": (sql.AFTER, ("c2c:ann:zoe", 500, NOW, 10)),
    "the list from its top": (sql_conversations.ENTRIES, ("zoe", 0, LAST, LAST, "", 10)),
    "the list, near its top": (sql_conversations.ENTRIES, ("zoe", 0, 360, 360, "c2c:user-0359:zoe", 10)),
    "the list, in the middle": (sql_conversations.ENTRIES, ("zoe", 0, 200, 200, "c2c:user-0199:zoe", 10)),
    "the list, near its end": (sql_conversations.ENTRIES, ("zoe", 0, 40, 40, "c2c:user-0039:zoe", 10)),
    "people by username": (sql_accounts.USERS_NAMED, ("user-03", "user-03\U0010ffff", 10)),
    "people by nickname": (sql_accounts.USERS_NICKNAMED, ("user-03", "user-03\U0010ffff", 10)),
    "changes, in the middle": (sql.CHANGES_AFTER, ("c2c:ann:zoe", 500, 10)),
}


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_reads_what_it_shows_and_not_what_lies_before_it(engine: MysqlEngine, page: str) -> None:
    await fill(engine)
    ids = range(1, 1001)
    await engine.insert_rows(
        "messages", [("c2c:ann:zoe", n, "zoe", f"m{n}", "text", "{}", 1, 0, None, None) for n in ids]
    )
    await engine.insert_rows("changes", [("c2c:ann:zoe", n, n, "edited", "{}", 1) for n in ids])
    text, args = PAGES[page]
    (step, *_) = await plan(engine, text, args)
    assert step.reads == "range"
    assert not step.is_sorted
    if engine.is_tidb:  # counts nothing
        return
    async with engine.transaction():
        before = await rows_read(engine)
        rows = await engine.fetch_rows(text, args)
        read = await rows_read(engine) - before
    assert len(rows) == 10
    tables = text.count("JOIN") + 1
    assert read <= tables * (len(rows) + 2)


async def test_a_page_of_a_copy_begins_where_the_last_one_ended(engine: MysqlEngine) -> None:
    """Not at the beginning of the conversation: a long one would be read as often as it has pages."""
    (messages,) = (shape for shape in LOG_SHAPES if shape.name == "messages")
    await engine.insert_rows(
        "messages", [("c1", n, "zoe", f"m{n}", "text", "{}", 1, 0, None, None) for n in range(1, 2001)]
    )
    if engine.is_tidb:  # counts nothing
        return
    async with engine.transaction():
        before = await rows_read(engine)
        page = await SqlRows(engine).page(messages, ("c1", 1500), 10)
        places = await sql.SqlMessages(engine).sent_by("zoe", ("c1", 1500), 10)
        later = await SqlLogScan(engine).since(1, ("c1", 1500), 10)
        read = await rows_read(engine) - before
    assert [row[1] for row in page] == [seq for _, seq in places] == [row.seq for row in later] == [*range(1501, 1511)]
    assert read <= 3 * 12


async def test_what_reads_a_whole_table_takes_as_long_as_it_does(
    engine: MysqlEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.is_tidb:  # locks no tables
        return
    await asyncio.gather(*(engine.fetch_rows("SELECT SLEEP(0.1)") for _ in range(6)))  # connections for all
    async with engine.pool.link() as link:
        await link.run("LOCK TABLES messages WRITE")
        monkeypatch.setattr(mysql_pool, "_ANSWER_SECONDS", 0.3)
        async with asyncio.TaskGroup() as tasks:
            places = tasks.create_task(sql.SqlMessages(engine).sent_by("zoe", ("", 0), 10))
            later = tasks.create_task(SqlLogScan(engine).since(1, ("", 0), 10))
            with pytest.raises(StoreDown, match="did not answer within"):
                await engine.fetch_rows("SELECT seq FROM messages")
            monkeypatch.undo()  # what comes now is no test of patience
            await link.run("UNLOCK TABLES")
    assert (places.result(), later.result()) == ([], [])


async def rows_read(engine: MysqlEngine) -> int:
    """Rows of indexes and tables that this connection has read so far."""
    kinds = ("Handler_read_key", "Handler_read_next", "Handler_read_prev")
    status: dict[str, str] = dict(await engine.fetch_rows("SHOW SESSION STATUS LIKE 'Handler_read%'"))
    return sum(int(status[kind]) for kind in kinds)


async def test_a_step_through_a_group_reads_the_members_of_that_step_only(engine: MysqlEngine) -> None:
    """Neither those before them, nor what else is in the members' lists: else a group costs its size squared."""
    await fill(engine)
    users = [f"user-{number:04}" for number in range(400)]
    for conv_id in ("group:a", "group:b", "group:c"):
        await engine.insert_rows("user_conversations", [(user, conv_id, 0, 0, "", 1) for user in users])
    await engine.fetch_rows("ANALYZE TABLE user_conversations")
    for text, args in (
        (sql_conversations.MEMBERS, ("group:b", "user-0100", 10)),
        (sql_conversations.BUMP_MEMBERS, (2, "group:b", "user-0100", "user-0110", 2)),
    ):
        step = (await plan(engine, text, args))[0]
        assert (step.reads, step.key) == ("range", "idx_user_conversations_conv")
    if engine.is_tidb:  # counts nothing
        return
    async with engine.transaction():
        before = await rows_read(engine)
        await engine.fetch_rows(sql_conversations.MEMBERS, ("group:b", "user-0300", 10))
        assert await rows_read(engine) - before <= 12
