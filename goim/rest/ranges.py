"""Parts of a file and copies that clients have already: what RFC 9110 makes of the headers that ask for them."""

from __future__ import annotations

import re

from msgspec import Struct

_ONE_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


class Span(Struct, frozen=True):
    """The bytes from `start` up to, not including, `end`."""

    start: int
    end: int


class NotThere(Exception):
    """The file has no byte of what was asked for: 416."""


def span_of(header: str | None, size: int) -> Span | None:
    """What a Range header wants of `size` bytes; None for all of it.

    All of it is also the answer to several ranges at once and to what is no range (RFC 9110 §14.2 lets us).
    """
    found = _ONE_RANGE.fullmatch(header or "")
    if found is None or found[0].strip() == "bytes=-" or (found[1] == "" and found[2] == ""):
        return None
    if found[1] == "":
        start, end = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        end = size if found[2] == "" else min(size, int(found[2]) + 1)
        if found[2] != "" and int(found[2]) < start:
            return None  # not a range at all, says §14.1.1
    if start >= size:
        raise NotThere
    return Span(start, end)


def is_same(etag: str, header: str | None) -> bool:
    """Whether an If-None-Match header names this version: the client's copy is good."""
    tags = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
    return tags == ["*"] or etag in tags


def may_go_on(etag: str, header: str | None) -> bool:
    """Whether an If-Range header (or none) lets the client add a part to what it has. We give no dates."""
    return header is None or header.strip() == etag
