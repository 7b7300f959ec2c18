"""The schema of the log is what its statements take it for, and they use its indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from goim.model.messages import MessageRow
from goim.resources import bundled
from goim.stores import sql

STATEMENTS = {name: text.strip() for name, text in vars(sql).items() if name.isupper() and isinstance(text, str)}
SEEKS = {
    "LAST_SEQ": "conv_id=?",
    "SENT": "conv_id=? AND from_user_id=? AND client_msg_id=?",
    "AFTER": "conv_id=? AND seq>?",
    "BEFORE": "conv_id=? AND seq>? AND seq<?",
    "ONE": "conv_id=? AND seq=?",
    "NEWEST": "conv_id=? AND seq>?",
    "SENT_BY_HERE": "conv_id=? AND seq>?",
    "SENT_BY_BEYOND": "conv_id>?",
    "EDIT": "conv_id=? AND seq=?",
    "LAST_CHANGE": "conv_id=?",
    "CHANGES_AFTER": "conv_id=? AND change_no>?",
    "CHANGE_OF_MESSAGE": "conv_id=? AND seq=? AND action=?",
    "CHANGES_TELLING": "conv_id=? AND seq=? AND action=?",
    "REWORD_CHANGE": "conv_id=? AND change_no=?",
    "DELETED": "owner_id=? AND conv_id=?",
}
IN_ORDER = ["LAST_SEQ", "AFTER", "BEFORE", "NEWEST", "LAST_CHANGE", "CHANGES_AFTER", "SENT_BY_HERE", "SENT_BY_BEYOND"]


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
    """The streams that have begun and not ended are few, and read as a whole when a node starts."""
    steps = plan(database, name)
    assert not [step for step in steps if step.startswith("SCAN")], steps


@pytest.mark.parametrize(("name", "seek"), SEEKS.items())
def test_a_statement_seeks_by_all_that_it_knows(database: sqlite3.Connection, name: str, seek: str) -> None:
    steps = plan(database, name)
    assert [step for step in steps if step.endswith(f"({seek})")], steps


@pytest.mark.parametrize("name", IN_ORDER)
def test_what_comes_in_an_order_is_read_in_that_order(database: sqlite3.Connection, name: str) -> None:
    steps = plan(database, name)
    assert not [step for step in steps if "TEMP B-TREE" in step], steps


def test_the_change_of_a_message_is_the_last_of_its_kind(database: sqlite3.Connection) -> None:
    changes = [(1, 7, "edited"), (2, 7, "edited"), (3, 8, "edited"), (4, 7, "recalled")]
    database.executemany(sql.ADD_CHANGE, [("c1", *change, "{}", 0) for change in changes])
    assert database.execute(sql.CHANGE_OF_MESSAGE, ("c1", "c1", 7, "edited")).fetchall() == [(2, "edited", "{}")]
