"""What is made of headers that ask for parts and for what has changed."""

from __future__ import annotations

import pytest

from goim.rest.ranges import NotThere, Span, is_same, may_go_on, span_of


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=2-5", Span(2, 6)),
        ("bytes=5-", Span(5, 10)),
        ("bytes=5-999", Span(5, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-999", Span(0, 10)),
        ("BYTES= 1-2 ", Span(1, 3)),
        (None, None),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=a-b", None),
        ("bytes=1-2,4-5", None),
        ("items=1-2", None),
        ("bytes=" + "9" * 400 + "-", None),
        ("bytes=１-２", None),
    ],
)
def test_a_range_is_a_span_of_what_there_is(header: str | None, span: Span | None) -> None:
    assert span_of(header, 10) == span


NOWHERE = [("bytes=10-", 10), ("bytes=999-1000", 10), ("bytes=-0", 10), ("bytes=0-", 0)]


@pytest.mark.parametrize(("header", "size"), NOWHERE)
def test_a_range_without_a_single_byte_cannot_be_served(header: str, size: int) -> None:
    with pytest.raises(NotThere):
        span_of(header, size)


@pytest.mark.parametrize(
    ("header", "same"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("", False), (None, False)],
)
def test_a_copy_is_good_if_one_of_its_tags_is_ours(header: str | None, *, same: bool) -> None:
    assert is_same('"a"', header) is same


@pytest.mark.parametrize(
    ("header", "may"),
    [(None, True), ('"a"', True), ('"b"', False), ('W/"a"', False), ("Mon, 23 Nov 2026 09:00:00 GMT", False)],
)
def test_a_part_is_added_only_to_the_very_same_bytes(header: str | None, *, may: bool) -> None:
    assert may_go_on('"a"', header) is may
