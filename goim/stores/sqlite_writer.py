"""The writer of a SQLite file as a process of its own: reads orders from a socket, carries each out as one transaction.

Started by `sqlite_process.py`. It ends when the socket does, after the order it is at; signals do not end it.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from goim.errors import StoreDown
from goim.stores.base import Taken
from goim.stores.sqlite_worker import NothingChanged, as_transaction, connect, insert_statements, run_all, told

_READ_BYTES = 1 << 20
_TIDY_AFTER = 64  # orders

Order = tuple[str, str | None, list[Any]]
"""("insert", table, rows) or ("statements", None, [(sql, args), …]) or ("execute", sql, args)."""
Answer = tuple[str, Any]
"""("done", affected rows), ("nothing", None), ("taken", why), ("down", why) or ("failed", why)."""

decode_order = msgspec.msgpack.Decoder(Order).decode
encode = msgspec.msgpack.Encoder().encode


def framed(message: Order | Answer) -> bytes:
    """A message with its length before it."""
    body = encode(message)
    return len(body).to_bytes(4, "big") + body


def orders_of(link: socket.socket) -> Iterator[Order]:
    """Whole orders as they come in, until the other side is gone, perhaps in the middle of one."""
    with link.makefile("rb", _READ_BYTES) as stream:  # one buffer for all, which `recv` would make anew each time
        while len(head := stream.read(4)) == 4:
            size = int.from_bytes(head, "big")
            body = stream.read(size)
            if len(body) < size:
                return
            yield decode_order(body)


def carry_out(connection: sqlite3.Connection, order: Order) -> Answer:
    """One order, all of it or nothing."""
    kind, what, items = order
    try:
        match kind:
            case "insert":
                return _insert(connection, str(what), items)
            case "statements":
                as_transaction(lambda each: run_all(each, items), "BEGIN IMMEDIATE")(connection)
                return ("done", 0)
            case _:
                return ("done", max(connection.execute(str(what), items).rowcount, 0))
    except NothingChanged:
        return ("nothing", None)
    except Exception as error:  # noqa: BLE001 it is raised where the order came from
        return _refusal(told(error))


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[Any, ...]]) -> Answer:
    statements = insert_statements(into, rows)
    if len(statements) == 1:  # a transaction by itself
        connection.execute(*statements[0])
    else:
        as_transaction(lambda each: run_all(each, statements), "BEGIN IMMEDIATE")(connection)
    return ("done", len(rows))


def _refusal(error: Exception) -> Answer:
    if isinstance(error, Taken):
        return ("taken", str(error))
    return ("down" if isinstance(error, StoreDown) else "failed", str(error))


def tidy(connection: sqlite3.Connection) -> None:
    """Move what the write-ahead log has to its place, when that is little yet: whoever comes meanwhile waits.

    SQLite does it by itself when it is much. That is cheaper, and what happens where a few orders fill the log; where
    each is small, one message in a hundred would wait for it.
    """
    with contextlib.suppress(sqlite3.Error):  # of which the next order is told, if it is in its way, too
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def main(descriptor: int, path: str, page_size: int) -> None:
    """Work until the other side closes the socket."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # the node ends us, when nothing is on its way any more
    with socket.socket(fileno=descriptor) as link:
        connection = connect(path, page_size)
        link.sendall(framed(("done", 0)))  # ready
        with contextlib.suppress(ConnectionError):  # the node was killed
            for number, order in enumerate(orders_of(link), 1):
                link.sendall(framed(carry_out(connection, order)))
                if number % _TIDY_AFTER == 0:
                    tidy(connection)
        connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
