"""The terminal client's access to the HTTP API: by the standard library, one request at a time."""

from __future__ import annotations

import asyncio
import ipaddress
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from goim.errors import ErrorCode, GoimError
from goimctl.talk.answers import Nothing, Refusal

T = TypeVar("T")
_PATIENCE = 15.0


class Unreachable(Exception):
    """There is no server, or it did not answer as one."""


class Api:
    """Who has no `token` yet may only register and log in."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.token = ""
        proxies: dict[str, str] | None = (
            {} if is_local(url) else None
        )  # a proxy for the world outside does not know this machine
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))

    async def get(self, path: str, into: type[T], **query: str | int) -> T:
        return await self._call("GET", f"{path}?{urlencode(query)}" if query else path, into, None)

    async def post(self, path: str, into: type[T], body: object) -> T:
        return await self._call("POST", path, into, body)

    async def tell(self, path: str, body: object) -> None:
        """A POST that answers nothing of interest."""
        await self._call("POST", path, Nothing, body)

    async def _call(self, method: str, path: str, into: type[T], body: object) -> T:
        answer = await asyncio.to_thread(self._exchange, method, path, body)
        try:
            return msgspec.json.decode(answer or b"{}", type=into)
        except msgspec.MsgspecError as error:
            raise Unreachable(f"{self.url} does not answer as goim does: {error}") from None

    def _exchange(self, method: str, path: str, body: object) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else msgspec.json.encode(body)
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - `chat` checked it
        try:
            with self._opener.open(request, timeout=_PATIENCE) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            told = getattr(reason, "strerror", None) or reason
            raise Unreachable(f"nothing answers at {self.url}: {told}") from None

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        try:
            return refused(msgspec.json.decode(error.read(), type=Refusal))
        except msgspec.MsgspecError:
            return Unreachable(f"{self.url} does not answer as goim does: {error.code} {error.reason}")


def refused(refusal: Refusal) -> GoimError:
    """What the server said no with."""
    known = refusal.code in ErrorCode.__members__
    code = ErrorCode[refusal.code] if known else ErrorCode.INTERNAL
    return GoimError(code, refusal.message or refusal.detail or refusal.code, retry_after_ms=refusal.retry_after_ms)


def is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def part(text: str) -> str:
    """Text as a part of a path."""
    return quote(text, safe="")
