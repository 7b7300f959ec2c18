"""The schema of the log is what its statements take it for, and they use its indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from goim.model.messages import MessageRow
from goim.resources import bundled
from goim.stores import sql

STATEMENTS = {name: text.strip() for name, text in vars(sql).items() if name.isupper() and not name.startswith("_")}
IN_ORDER = ["LAST_SEQ", "AFTER", "BEFORE", "NEWEST", "LAST_CHANGE", "CHANGES_AFTER", "CHANGE_OF_MESSAGE"]


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """An empty log, without statistics: plans must not depend on them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((bundled("schemas") / "sqlite/0002_messages.sql").read_text())
        yield connection


def plan(database: sqlite3.Connection, name: str) -> list[str]:
    text = STATEMENTS[name]
    return [str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN {text}", ["x"] * text.count("?"))]


def test_columns_stand_in_the_order_of_message_row(database: sqlite3.Connection) -> None:
    names = [name for (name,) in database.execute("SELECT name FROM pragma_table_info('messages') ORDER BY cid")]
    assert names == list(MessageRow._fields)


def test_the_log_has_its_two_unique_indexes_and_no_other(database: sqlite3.Connection) -> None:
    indexes = database.execute("SELECT name, [unique] FROM pragma_index_list('messages')").fetchall()
    columns = {
        tuple(name for (name,) in database.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,)))
        for index, is_unique in indexes
        if is_unique
    }
    assert len(indexes) == 2
    assert columns == {("conv_id", "seq"), ("conv_id", "from_user_id", "client_msg_id")}


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_statement_reads_a_whole_table(database: sqlite3.Connection, name: str) -> None:
    steps = plan(database, name)
    assert not [step for step in steps if step.startswith("SCAN")], steps
    if STATEMENTS[name].startswith(("SELECT", "UPDATE")):
        assert [step for step in steps if step.startswith("SEARCH") and "conv_id=?" in step], steps


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_comes_in_an_order_is_read_in_that_order(database: sqlite3.Connection, name: str) -> None:
    steps = plan(database, name)
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
