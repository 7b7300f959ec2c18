"""Reads JSON bodies into the struct their handler asks for: strictly typed, raw parts byte by byte as they came."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import Request

from goim.errors import invalid
from goim.nesting import is_too_deep

MAX_BODY_BYTES = 256 * 1024


class JsonRequest(Request[Any, Any, Any]):
    """Litestar itself decodes to plain values and converts leniently: "1" passes for 1, and `Raw` is lost."""

    async def json(self) -> Any:
        body = await self.body()
        if is_too_deep(body):
            raise invalid("the body is nested too deeply")
        field = self.route_handler.parsed_data_field
        try:
            text = body.decode()  # `Raw` parts are not checked for valid UTF-8 by the decoder
            return _decoder(Any if field is None else field.annotation).decode(text)
        except UnicodeDecodeError:
            raise invalid("the body is not UTF-8") from None
        except msgspec.DecodeError as error:
            raise invalid(f"the body is not what this route takes: {error}") from None


@cache
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)
