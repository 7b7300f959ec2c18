"""Statements of the MySQL family that belong together: in as few packets, in one transaction, or on one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from asyncmy.errors import MySQLError

from goim.stores.base import Taken
from goim.stores.mysql_dialect import packed
from goim.stores.mysql_errors import Conflict
from goim.stores.mysql_pool import Answer, Link

_ROOM = 1 << 20
"""Characters of a statement that stands for many, at most; the server's max_allowed_packet may say less."""
_BYTES_A_CHARACTER = 4

BEGIN = "START TRANSACTION"
# READ COMMITTED sees every commit between two statements; what must be of one moment is read like this.
BEGIN_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nSTART TRANSACTION"
PART = "SAVEPOINT goim_part"
UNDO_PART = "ROLLBACK TO SAVEPOINT goim_part"


class NothingChanged(Exception):
    """A statement that had to change something found nothing to change."""


def room(link: Link) -> int:
    """Characters that a statement for many may have: as many as the server takes whatever they are."""
    return min(_ROOM, link.max_packet // _BYTES_A_CHARACTER - 1024)


async def selected(link: Link, *, parts: Sequence[str], is_alone: bool) -> list[Answer]:
    """SELECTs in as few round trips as the server takes packets: as the open transaction sees each, or, if they are
    alone, on one snapshot."""
    packets = packed(parts, room(link))
    if not is_alone:
        return [answer for packet in packets for answer in await link.run(";\n".join(packet))]
    link.in_transaction = True
    packets = [[BEGIN_SNAPSHOT, *packets[0]], *packets[1:]]
    packets[-1].append("COMMIT")
    answers = [answer for packet in packets for answer in await link.run(";\n".join(packet))]
    link.in_transaction = False
    return answers


async def as_one(link: Link, packets: Sequence[Sequence[str]], *, all_change: bool = False) -> list[Answer]:
    """Statements, a round trip for each packet of them, that stand as a whole or not at all.

    They are a transaction, or a part of the open one that is undone alone. `all_change`: `NothingChanged` if one of
    them changes no row.
    """
    is_part = link.in_transaction
    link.in_transaction = True
    answers: list[Answer] = []
    try:
        for place, packet in enumerate(packets):
            begin = [] if place else [PART if is_part else BEGIN]
            is_end = place == len(packets) - 1 and not is_part and not all_change
            more = await link.run(";\n".join([*begin, *packet, *(["COMMIT"] if is_end else [])]))
            answers += more[len(begin) : len(begin) + len(packet)]
        if all_change and any(answer.affected < 1 for answer in answers):
            raise NothingChanged
        if all_change and not is_part:
            await link.run("COMMIT")
    except (NothingChanged, Taken, Conflict, MySQLError) as error:  # what the server answered
        is_in_vain = all_change and any(answer.affected < 1 for answer in link.answers[1:])
        if not (is_part and isinstance(error, Conflict)):  # which has ended the whole transaction
            await link.run(UNDO_PART if is_part else "ROLLBACK")
            link.in_transaction = is_part
        if is_in_vain and isinstance(error, Taken):  # one before it had found nothing to change
            raise NothingChanged from error
        raise
    link.in_transaction = is_part
    return answers
