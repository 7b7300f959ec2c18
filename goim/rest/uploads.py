"""Reads large bodies as they come: never more of them in memory than a chunk, and no longer than they move."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

from litestar import Request
from msgspec import Struct
from multipart import (  # type: ignore[import-untyped] # it has no types
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from goim.errors import ErrorCode, GoimError, invalid

PATIENCE = 20.0  # less than the gateway has, which only hangs up: here what has come may be kept
_FIELD = "file"
_MAX_PARTS = 32
_AROUND_A_FILE = 64 * 1024  # what a form may have besides the file
_EXTENDED_NAME = re.compile(r";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)", re.IGNORECASE)
AnyRequest = Request[Any, Any, Any]


class CutOff(Exception):
    """The client has gone, or has sent nothing for `PATIENCE` seconds."""


class FilePart(Struct, frozen=True):
    """A file in a form: the name the client gives it (anything at all), and its bytes."""

    name: str
    chunks: AsyncIterator[bytes]


async def received(request: AnyRequest, limit: int) -> AsyncIterator[bytes]:
    """The body in chunks. `TOO_LARGE` above `limit` bytes: before the first one, if the client says how many it has."""
    refusal = GoimError(ErrorCode.TOO_LARGE, f"this takes at most {limit} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise refusal
    size, is_more = 0, True
    while is_more:
        event = await _next_event(request)
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise refusal
        if chunk:
            yield chunk
        is_more = event.get("more_body", False)


async def _next_event(request: AnyRequest) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PATIENCE):
            event: dict[str, Any] = dict(await request.receive())
    except TimeoutError:
        raise CutOff from None
    if event["type"] == "http.disconnect":
        raise CutOff
    return event


async def file_part(request: AnyRequest, max_bytes: int) -> FilePart:
    """The part called `file` of a multipart form, read up to where its bytes begin; `INVALID` if there is none."""
    events = _parts(request, max_bytes + _AROUND_A_FILE)
    async for event in events:
        if isinstance(event, MultipartSegment) and event.name == _FIELD:
            return FilePart(_name_of(event), _bytes_of(events))
    raise invalid('the form has no part called "file"')


async def _parts(request: AnyRequest, limit: int) -> AsyncIterator[MultipartSegment | bytes | None]:
    """The heads of the parts, their bytes, and a None at the end of each."""
    try:
        parser = _parser_for(request)
        async for chunk in received(request, limit):
            for event in parser.parse(chunk):
                yield event if event is None or isinstance(event, MultipartSegment) else bytes(event)
        parser.close()
    except MultipartError as error:
        raise invalid(f"the body is not a whole multipart form: {error}") from None
    except CutOff:
        raise invalid("the upload broke off") from None


def _parser_for(request: AnyRequest) -> PushMultipartParser:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise invalid("send the file as multipart/form-data")
    return PushMultipartParser(options["boundary"], max_segment_count=_MAX_PARTS)


async def _bytes_of(events: AsyncIterator[MultipartSegment | bytes | None]) -> AsyncIterator[bytes]:
    """The bytes of the part that has just begun; what follows it is read too, so that half a form is no form."""
    is_in_it = True
    async for event in events:
        if event is None:
            is_in_it = False
        elif is_in_it and isinstance(event, bytes):
            yield event


def _name_of(part: MultipartSegment) -> str:
    """Its name; some clients write it as RFC 5987 says, which RFC 7578 forbids."""
    if part.filename is not None:
        return str(part.filename)
    extended = _EXTENDED_NAME.search(part["Content-Disposition"])
    return unquote(extended[1]) if extended else ""
