"""The writer of a SQLite file as a process of its own: reads orders from a socket, carries each out as a whole; those
that come together are one commit.

Started by `sqlite_process.py`. It ends when the socket does, after the orders it is at; signals do not end it.
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
from goim.stores.sqlite_worker import (
    MOST_TOGETHER,
    NothingChanged,
    Outcome,
    Work,
    carry_out,
    connect,
    insertion,
    run_all,
    statement,
    statements,
)

_READ_BYTES = 1 << 20
_TIDY_AFTER = 64  # commits

Order = tuple[str, str | None, list[Any]]
"""("insert", table, rows), ("statements", None, [(sql, args), …]), ("many", sql, [args, …]) or
("execute", sql, args)."""
Answer = tuple[str, Any]
"""("done", affected rows), ("nothing", None), ("taken", why), ("down", why) or ("failed", why)."""

decode_order = msgspec.msgpack.Decoder(Order).decode
encode = msgspec.msgpack.Encoder().encode


def framed(message: Order | Answer) -> bytes:
    """A message with its length before it."""
    body = encode(message)
    return len(body).to_bytes(4, "big") + body


def orders_of(link: socket.socket) -> Iterator[list[Order]]:
    """Whole orders as they come in, those together that are there, until the other side is gone, perhaps in the middle
    of one."""
    there = bytearray()
    with memoryview(bytearray(_READ_BYTES)) as view:  # one for all reads: it would be made anew each time
        while size := link.recv_into(view):
            there += view[:size]
            at, orders = 0, []
            while len(there) - at >= 4 and len(there) >= (end := at + 4 + int.from_bytes(there[at : at + 4], "big")):
                orders.append(decode_order(there[at + 4 : end]))
                at = end
            del there[:at]
            for start in range(0, len(orders), MOST_TOGETHER):
                yield orders[start : start + MOST_TOGETHER]


def answers_to(orders: Sequence[Order], connection: sqlite3.Connection) -> list[Answer]:
    """Carry orders out, each all of it or nothing of it."""
    return [_answer(outcome) for outcome in carry_out([_work(order) for order in orders], connection)]


def _work(order: Order) -> Work[Any]:
    kind, what, items = order
    match kind:
        case "insert":
            return insertion(str(what), items)
        case "statements":
            return statements(lambda connection: run_all(connection, items))
        case "many":
            return statements(lambda connection: max(connection.executemany(str(what), items).rowcount, 0))
        case _:
            return statement(lambda connection: max(connection.execute(str(what), items).rowcount, 0))


def _answer(outcome: Outcome) -> Answer:
    result, error = outcome
    if error is None:
        return ("done", result)
    return ("nothing", None) if isinstance(error, NothingChanged) else _refusal(error)


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
            for number, orders in enumerate(orders_of(link), 1):
                link.sendall(b"".join(map(framed, answers_to(orders, connection))))
                if number % _TIDY_AFTER == 0:
                    tidy(connection)
        connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
