"""What the stores say to a database is understood by all of them: words that only one knows are refused here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from goim.stores.mysql_dialect import compiled, filled, many, union
from tests.contract.statements import FILES, STATEMENTS

REFUSED = {
    r"\bRETURNING\b": "MySQL and TiDB have none",
    r"\|\|": "means OR in MySQL: CONCAT is no help either, so join text in Python",
    r"\bI?LIKE\b|\bGLOB\b": "what is searched for would mean something: INSTR",
    r"\browid\b|\bINSERT OR\b|\bREPLACE INTO\b|\bPRAGMA\b": "SQLite's own",
    r"\bIGNORE\b|\bFOR UPDATE\b|\bAUTO_INCREMENT\b": "MySQL's own",
    r"\bILIKE\b|::|\bDISTINCT ON\b|\bFULL (OUTER )?JOIN\b": "PostgreSQL's own",
    r"\b(MAX|MIN)\([^()]*,": "SQLite's MAX of several values is GREATEST elsewhere: CASE",
    r"\bIIF\(|\bIFNULL\(|\bIF\(": "CASE or COALESCE",
    r"\bUNION\b(?! ALL)": "a statement run with many arguments is joined by UNION ALL",
    r"\bON CONFLICT (?!\()": "name the key",
    r";": "one statement at a time",
    r"\b(FROM|JOIN|INTO|UPDATE) (groups|rank|system|window|lead|function)\b": "reserved in MySQL 8",
}
PICCOLO = {"batch", "returning", "lock_rows", "save", "remove_row", "create_table", "ilike", "run_sync", "as_of"}


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_a_statement_uses_only_what_all_databases_know(name: str) -> None:
    text = re.sub(r"'[^']*'", "''", STATEMENTS[name])
    assert not [f"{word}: {why}" for word, why in REFUSED.items() if re.search(word, text, re.IGNORECASE)]


@pytest.mark.parametrize("name", sorted(name for name, text in STATEMENTS.items() if "DO UPDATE" in text))
def test_an_upsert_compares_with_a_column_before_it_sets_it(name: str) -> None:
    """MySQL assigns from left to right: what a later assignment compares with is what an earlier one has left."""
    assignments = re.split(r",\s*(?=\w+ = )", STATEMENTS[name].partition("DO UPDATE SET")[2])
    done: list[str] = []
    for assignment in assignments:
        column, _, value = assignment.strip().partition(" = ")
        assert not [each for each in done if re.search(rf"(?<!EXCLUDED)\.{each}\b", value)]
        done.append(column)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_queries_are_built_with_what_works_on_all_databases(path: Path) -> None:
    called = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not called & PICCOLO


def test_a_statement_is_said_in_mysqls_words() -> None:
    insert = "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO "
    assert filled(insert + "NOTHING", (1, "x'y")) == (
        "INSERT INTO t (a, b) VALUES (1, 'x\\'y') ON DUPLICATE KEY UPDATE t.a = t.a"
    )
    assert compiled(insert + "UPDATE SET b = EXCLUDED.b").endswith("ON DUPLICATE KEY UPDATE b = VALUES(b)")
    assert compiled("SELECT a FROM t x INDEXED BY idx_t_a WHERE a = ?") == (
        "SELECT a FROM t x FORCE INDEX (idx_t_a) WHERE a = %s"
    )
    assert filled("SELECT '100%' WHERE a = ?", (None,)) == "SELECT '100%' WHERE a = NULL"
    assert compiled("SELECT a FROM t INDEXED BY i WHERE b = ?") == "SELECT a FROM t FORCE INDEX (i) WHERE b = %s"
    assert union("SELECT a FROM t WHERE b = ? ORDER BY a", [(1,), (2,)], 7) == (
        "(SELECT a, 7 FROM t WHERE b = 1 ORDER BY a LIMIT 9223372036854775807) UNION ALL "
        "(SELECT a, 8 FROM t WHERE b = 2 ORDER BY a LIMIT 9223372036854775807)"
    )


def test_many_become_few() -> None:
    assert many("INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO NOTHING", [(1,), (2,)], 100) == [
        ["INSERT INTO t (a) VALUES (1), (2) ON DUPLICATE KEY UPDATE t.a = t.a"]
    ]
    assert many("DELETE FROM t WHERE a = ?", [(1,), (2,), (3,)], 40) == [
        ["DELETE FROM t WHERE a = 1"],
        ["DELETE FROM t WHERE a = 2"],
        ["DELETE FROM t WHERE a = 3"],
    ]


def test_what_has_no_place_in_a_statement_is_refused() -> None:
    with pytest.raises(TypeError, match="dict"):
        filled("SELECT ?", ({},))
