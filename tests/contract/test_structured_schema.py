"""What Piccolo believes of the structured tables is what the schema makes, and the statements use its indexes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from piccolo.constraints import Unique
from piccolo.table import Table

from goim.stores import (
    sql_accounts,
    sql_admissions,
    sql_conversations,
    sql_favourites,
    sql_files,
    sql_friends,
    sql_groups,
    sql_overview,
)
from goim.stores.tables import STRUCTURED_TABLES
from tests.contract.structured_stores import create_sqlite


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty SQLite database with the structured schema."""
    with closing(sqlite3.connect(create_sqlite(tmp_path / "structured.db"))) as connection:
        yield connection


def key_of(table: type[Table]) -> list[str]:
    """The primary key: that of several columns, or the one column that Piccolo knows."""
    whole = [constraint for constraint in table._meta.constraints if constraint._meta.name == "whole_key"]
    if not whole:
        return [table._meta.primary_key._meta.db_column_name]
    assert isinstance(whole[0], Unique)
    return [column if isinstance(column, str) else column._meta.db_column_name for column in whole[0].columns]


def created_key(database: sqlite3.Connection, tablename: str) -> list[str]:
    columns = database.execute("SELECT name, pk FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (tablename,))
    return [name for name, _ in columns]


def created_uniques(database: sqlite3.Connection, tablename: str) -> list[list[str]]:
    """The columns of every unique index besides the primary key's."""
    indexes = database.execute("SELECT name FROM pragma_index_list(?) WHERE [unique] AND origin <> 'pk'", (tablename,))
    columns = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
    return [[column for (column,) in database.execute(columns, index)] for index in indexes.fetchall()]


def test_every_table_is_described_and_every_description_has_its_table(database: sqlite3.Connection) -> None:
    created = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert sorted(name for (name,) in created) == sorted(table._meta.tablename for table in STRUCTURED_TABLES)


@pytest.mark.parametrize("table", STRUCTURED_TABLES)
def test_columns_are_described_as_they_were_created(database: sqlite3.Connection, table: type[Table]) -> None:
    created = database.execute('SELECT name, type, "notnull" FROM pragma_table_info(?)', (table._meta.tablename,))
    spelled = {"INT": "INTEGER", "BIGINT": "INTEGER"}  # Piccolo knows SQLite's one kind of integer
    assert [
        (column._meta.db_column_name, column.column_type, not column._meta.null) for column in table._meta.columns
    ] == [(name, spelled.get(kind, kind), bool(notnull)) for name, kind, notnull in created]


@pytest.mark.parametrize("table", STRUCTURED_TABLES)
def test_keys_are_described_as_they_were_created(database: sqlite3.Connection, table: type[Table]) -> None:
    uniques = [[column._meta.db_column_name] for column in table._meta.columns if column._meta.unique]
    assert key_of(table) == created_key(database, table._meta.tablename)
    assert uniques == created_uniques(database, table._meta.tablename)


@pytest.mark.parametrize("table", STRUCTURED_TABLES)
def test_no_table_has_more_than_one_unique_key_besides_its_primary_one(
    database: sqlite3.Connection, table: type[Table]
) -> None:
    """MySQL's upserts fire on any unique key, so more than one would make them ambiguous."""
    assert len(created_uniques(database, table._meta.tablename)) <= 1


STATEMENTS = {
    name: sql.strip()
    for module in (
        sql_accounts,
        sql_admissions,
        sql_friends,
        sql_groups,
        sql_conversations,
        sql_favourites,
        sql_files,
        sql_overview,
    )
    for name, sql in vars(module).items()
    if name.isupper() and isinstance(sql, str) and " " in sql
}


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - {"USERS_AMONG_LATEST", "STATS", "COUNTS"}))
def test_no_statement_reads_a_whole_table(database: sqlite3.Connection, name: str) -> None:
    """Searching the latest accounts for a part of a name reads those, and counting everything has to."""
    plan = _plan(database, STATEMENTS[name])
    assert not [step for step in plan if re.match(r"SCAN (?!CONSTANT)", step)], plan


IN_ORDER = [
    "ENTRIES",
    "USERS_NAMED",
    "USERS_NICKNAMED",
    "GROUPS_OF_USER",
    "GROUP_IDS_OF_USER",
    "RECEIPTS",
    "FRIEND_IDS",
]
IN_ORDER += ["INVITATIONS", "JOIN_REQUESTS", "NOTICES", "SEARCH_FAVOURITES", "TAGS_OF"]


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_comes_in_an_order_is_read_in_that_order(database: sqlite3.Connection, name: str) -> None:
    plan = _plan(database, STATEMENTS[name])
    assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_a_page_of_the_list_begins_where_the_last_one_ended(database: sqlite3.Connection) -> None:
    assert "(user_id=? AND pinned=? AND updated_at>? AND updated_at<?)" in _plan(database, STATEMENTS["ENTRIES"])[0]


def _plan(database: sqlite3.Connection, sql: str) -> list[str]:
    rows = database.execute(f"EXPLAIN QUERY PLAN {sql}", ["x"] * sql.count("?")).fetchall()
    return [str(row[3]) for row in rows]
