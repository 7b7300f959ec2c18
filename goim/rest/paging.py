"""Lists in parts: `limit` with `offset`, or with an opaque cursor that says where the last part ended."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, TypeVar

import msgspec
from litestar.params import QueryParameter
from msgspec import Struct

from goim.errors import invalid

MAX_LIMIT = 200
_MOST = 1 << 31
Limit = Annotated[int, QueryParameter(ge=1, le=_MOST, description=f"how many; more than {MAX_LIMIT} is {MAX_LIMIT}")]
_Offset = Annotated[int, QueryParameter(ge=0, le=_MOST, description="how many to leave out")]
_Cursor = Annotated[str | None, QueryParameter(description="`nextCursor` of the part before", max_length=512)]

T = TypeVar("T")


class Page(Struct, frozen=True):
    """Which part of a list."""

    limit: int
    offset: int


class Window(Struct, frozen=True):
    """Which part of a list that moves while it is read."""

    limit: int
    cursor: str | None


async def page_of(limit: Limit = 50, offset: _Offset = 0) -> Page:
    """Handlers take it as `page: NamedDependency[Page]`."""
    return Page(min(limit, MAX_LIMIT), offset)


async def window_of(limit: Limit = 50, cursor: _Cursor = None) -> Window:
    """Handlers take it as `window: NamedDependency[Window]`."""
    return Window(min(limit, MAX_LIMIT), cursor or None)


def encode_cursor(position: object) -> str:
    """Where a list goes on, as text that clients only hand back."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str | None, position: type[T]) -> T | None:
    """The position of that type inside a cursor; `INVALID` if there is none."""
    if cursor is None:
        return None
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=position)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise invalid("this is not a cursor of this list") from None
