"""goim's one dialect of SQL in the words of the MySQL family, and values as literals in it.

The stores write SQL as SQLite knows it (`?`, `INDEXED BY`, `ON CONFLICT … EXCLUDED`), and so does Piccolo. The session
has `sql_mode=ANSI_QUOTES`, so what is left to be said otherwise is little. Every statement is translated once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from goim.stores.engine import Args, Row

_INTO = re.compile(r'INSERT INTO\s+("?\w+"?)')
_CONFLICT = re.compile(r"\s+ON CONFLICT(?:\s*\(([^)]*)\))?\s+DO (?:NOTHING|UPDATE SET\s+(.*))\Z", re.DOTALL)
_INDEXED = re.compile(r"\bINDEXED BY (\w+)")
_EXCLUDED = re.compile(r'EXCLUDED\.("?\w+"?)')
_VALUES = re.compile(r"(INSERT INTO\b.*?\bVALUES\s*)(\([^()]*\))(.*)\Z", re.DOTALL)
_FROM = re.compile(r"(\sUNION ALL\s+SELECT\s.*?|\ASELECT\s.*?)(?=\sFROM\s)", re.DOTALL)
_ARM = "\0"
"""Stands where the number of a SELECT among many is put: no text of ours and no literal has it."""
_NUL = "\0"
_ALL_OF_THEM = " LIMIT 9223372036854775807"


@lru_cache(maxsize=2048)
def compiled(sql: str) -> str:
    """A statement with `%s` for every `?`, to be filled with literals."""
    text = sql.strip().replace("%", "%%").replace("?", "%s").replace(" AS TEXT)", " AS CHAR)")
    text = _INDEXED.sub(r"FORCE INDEX (\1)", text)
    into = _INTO.match(text)
    if into is None:
        return text
    return _CONFLICT.sub(lambda conflict: _on_duplicate(conflict, into[1]), text)


def _on_duplicate(conflict: re.Match[str], table: str) -> str:
    """MySQL's upsert fires on any unique key; to do nothing is to set a column of the key to what it is."""
    keys, assignments = conflict.groups()
    if assignments is None:
        key = f"{table}.{keys.split(',')[0].strip()}"
        assignments = f"{key} = {key}"
    return " ON DUPLICATE KEY UPDATE " + _EXCLUDED.sub(r"VALUES(\1)", assignments)


def filled(sql: str, args: Args) -> str:
    """A statement of goim's dialect with its values in it."""
    return compiled(sql) % tuple([literal(value) for value in args])


@lru_cache(maxsize=512)
def _numbered(sql: str) -> str:
    """A SELECT whose rows end with a number, as one of many in a UNION ALL."""
    text = _FROM.sub(rf"\1, {_ARM}", compiled(sql))
    if "UNION ALL" in text:
        return text
    if "ORDER BY" in text and "LIMIT" not in text:
        text += _ALL_OF_THEM  # or the order of a part would be passed over
    return f"({text})"


def union(sql: str, each: Sequence[Args], first: int) -> str:
    """One SELECT with each of these arguments as one statement; the rows end with `first`, `first` + 1, …"""
    arm = _numbered(sql)
    arms = (
        arm.replace(_ARM, str(number)) % tuple([literal(value) for value in args])
        for number, args in enumerate(each, first)
    )
    return " UNION ALL ".join(arms)


def in_order(rows: Sequence[Row]) -> list[Row]:
    """The rows of a `union` by their numbers, and without these: TiDB brings them as they come."""
    return [row[:-1] for row in sorted(rows, key=_number)]


def _number(row: Row) -> int:
    number: int = row[-1]
    return number


def many(sql: str, each: Sequence[Args], room: int) -> list[list[str]]:
    """One statement with each of these arguments, in packets of about `room` characters.

    INSERTs become ones of many rows.
    """
    text = compiled(sql)
    values = _VALUES.match(text)
    head, repeated, tail = values.groups() if values else ("", text, "")
    packets = packed([repeated % tuple([literal(value) for value in args]) for args in each], room)
    return [[head + ", ".join(packet) + tail] for packet in packets] if values else packets


def packed(parts: Sequence[str], room: int) -> list[list[str]]:
    """Parts of statements, or whole ones, in packets of about `room` characters; one that is longer goes alone."""
    packets: list[list[str]] = [[]]
    size = 0
    for part in parts:
        if packets[-1] and size + len(part) > room:
            packets.append([])
            size = 0
        packets[-1].append(part)
        size += len(part)
    return packets


def inserts(into: str, rows: Sequence[Row], room: int) -> list[str]:
    """Rows as one INSERT, or as few of about `room` characters."""
    each = _values(rows)
    parts = packed(each, room) if sum(map(len, each)) > room else [each]
    return [f"INSERT INTO {into} VALUES {','.join(part)}" for part in parts]  # noqa: S608 a table of ours


def _values(rows: Sequence[Row]) -> list[str]:
    """Rows as they stand in an INSERT: column by column, for a value at a time took a tenth of a message's time."""
    columns = [_literals(column) for column in zip(*rows, strict=True)]
    row = f"({','.join(['%s'] * len(columns))})"
    return [row % values for values in zip(*columns, strict=True)]


def _literals(column: Sequence[Any]) -> Sequence[Any]:
    """The values of one column as they stand in a statement."""
    kinds = set(map(type, column))
    if kinds == {int}:
        return column
    if kinds == {type(None)}:
        return ["NULL"] * len(column)
    if kinds == {str}:
        quoted = _quoted(_NUL.join(column)).replace(_NUL, f"'{_NUL}'").split(_NUL)
        if len(quoted) == len(column):  # else there is one in a text
            return quoted
    return [literal(value) for value in column]


def literal(value: Any) -> str:
    """A value as it stands in a statement."""
    kind = type(value)
    if kind is str:
        return _quoted(value)  # the driver's own way of escaping took half of the time of an insert
    if value is None:
        return "NULL"
    if kind is int:
        return str(value)
    return _rare_literal(value)


def _quoted(text: str) -> str:
    """Only these two mean something within quotes of this kind; a statement's length is told, any byte may be in it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _rare_literal(value: Any) -> str:
    match value:
        case int():  # a bool, an enum
            return str(int(value))
        case str():
            return _quoted(str(value))
        case bytes() | bytearray() | memoryview():
            return f"x'{value.hex()}'"
        case float():
            return repr(value)
    raise TypeError(f"{type(value).__name__} has no place in a statement")
