"""Cursors: they lead back where they came from, and nowhere else."""

from __future__ import annotations

import base64
from typing import NamedTuple

import msgspec
import pytest

from goim.errors import ErrorCode, GoimError
from goim.rest.paging import decode_cursor, encode_cursor, page_of, window_of


class Position(NamedTuple):
    pinned: bool
    updated_at: int
    conv_id: str


@pytest.mark.parametrize(
    "position", [Position(True, 1_766_000_000_000, "c2c:a:b"), Position(False, 0, ""), Position(True, 1, "群组 ✓")]
)
def test_a_cursor_leads_back_to_its_position(position: Position) -> None:
    cursor = encode_cursor(position)
    assert decode_cursor(cursor, Position) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_no_cursor_is_the_beginning() -> None:
    assert decode_cursor(None, Position) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "ä",
        encode_cursor("text"),
        encode_cursor([True, 1]),
        encode_cursor([True, "1", "x"]),
        encode_cursor((True, 1, "x")) + "AAAA",
        base64.urlsafe_b64encode(msgspec.msgpack.encode((True, 1, "x"))[:-1]).decode(),
    ],
)
def test_what_is_no_cursor_of_this_list_is_invalid(cursor: str) -> None:
    with pytest.raises(GoimError) as refused:
        decode_cursor(cursor, Position)
    assert refused.value.code is ErrorCode.INVALID


async def test_a_part_has_at_most_two_hundred() -> None:
    assert (await page_of()).limit == (await window_of()).limit == 50
    assert (await page_of(limit=201)).limit == (await window_of(limit=10_000)).limit == 200
    assert (await page_of(limit=200)).limit == 200
    assert (await window_of(cursor="")).cursor is None
