"""The client's requests over HTTP: JSON out and in, refusals as `GoimError`, what is safe to ask again asked again."""

from __future__ import annotations

import ipaddress
import os
import secrets
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import msgspec

from goim.client.errors import Strange, Unreachable, refusal
from goim.clock import Clock
from goim.errors import ErrorCode, GoimError
from goim.trust import trusting

T = TypeVar("T")
REFRESH = "/api/token/refresh"
_TRIES = 4
_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
_AWAY = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError)


class Nothing(msgspec.Struct, frozen=True):
    """There is nothing to say, or nothing that matters here."""


class _Problem(msgspec.Struct, frozen=True, rename="camel"):
    code: str
    detail: str = ""
    conv_id: str | None = None
    retry_after_ms: int | None = None


class Http:
    """Requests to one server. Who logs in sets `token`, and `renew`, which says whether there is a new one."""

    def __init__(self, url: str, clock: Clock, patience: float) -> None:
        self.url = url.rstrip("/")
        self.token = ""
        self.renew: Callable[[str], Awaitable[bool]] | None = None
        self._clock = clock
        self._patience = patience
        self._pool = _pool(self.url)

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def get(self, path: str, into: type[T], **query: str | int | None) -> T:
        """What stands at a path; a query of None is left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._decode(await self._call("GET", f"{path}?{urlencode(given)}" if given else path, None), into)

    async def post(self, path: str, into: type[T], body: object) -> T:
        return self._decode(await self._call("POST", path, body), into)

    async def put(self, path: str, into: type[T], body: object) -> T:
        return self._decode(await self._call("PUT", path, body), into)

    async def delete(self, path: str, body: object = None) -> None:
        await self._call("DELETE", path, body)

    async def tell(self, path: str, body: object) -> None:
        """A POST that answers nothing of interest."""
        await self._call("POST", path, body)

    async def upload(self, path: str, into: type[T], name: str, content: bytes) -> T:
        """A file as the part `file` of a form."""
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(name)}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        return self._decode(await self._send("POST", path, body, f"multipart/form-data; boundary={boundary}"), into)

    async def bytes_at(self, url: str) -> bytes:
        """The bytes of a file at its `url`, which begins with a slash or with the server's own URL."""
        return await self._call("GET", url.removeprefix(self.url), None)

    async def _call(self, method: str, path: str, body: object) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        return await self._send(method, path, content, "application/json")

    async def _send(self, method: str, path: str, content: bytes | None, content_type: str) -> bytes:
        """Ask, again with a fresh token where the old one has run out, and again a little later where that is safe."""
        is_renewed = False
        tried = 1
        while True:
            used = self.token
            try:
                return await self._exchange(method, path, content, content_type)
            except GoimError as error:
                may_renew = error.code is ErrorCode.UNAUTHORIZED and path != REFRESH and not is_renewed
                if may_renew and self.renew is not None and await self.renew(used):
                    is_renewed = True
                    continue
                pause = _pause_after(error, tried)
                if pause is None or tried == _TRIES:
                    raise
            await self._clock.sleep(pause)
            tried += 1

    async def _exchange(self, method: str, path: str, content: bytes | None, content_type: str) -> bytes:
        headers: dict[bytes | str, bytes | str] = {"Content-Type": content_type} if content is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._patience)
        try:
            answer = await self._pool.request(
                method, self.url + path, headers=headers, content=content, extensions={"timeout": timeouts}
            )
        except _AWAY as error:
            raise Unreachable(f"nothing answers at {self.url}: {_reason(error)}") from None
        if answer.status < 400:
            return answer.content
        raise self._refused(answer)

    def _refused(self, answer: httpcore.Response) -> Exception:
        try:
            problem = msgspec.json.decode(answer.content, type=_Problem)
        except msgspec.MsgspecError:
            return Unreachable(f"{self.url} does not answer as goim does: HTTP {answer.status}")
        return refusal(problem.code, problem.detail, problem.retry_after_ms, problem.conv_id)

    def _decode(self, content: bytes, into: type[T]) -> T:
        try:
            return msgspec.json.decode(content or b"{}", type=into)
        except msgspec.MsgspecError as error:
            raise Strange(f"{self.url} does not answer as goim does: {error}") from None


def _pause_after(error: GoimError, tried: int) -> float | None:
    """How long to wait before asking again what was refused; None if that would not help."""
    if error.code is ErrorCode.UNAVAILABLE:
        return _PAUSE * 2.0**tried
    if error.code is ErrorCode.RATE_LIMIT and (error.retry_after_ms or 0) <= _LONGEST_PAUSE * 1000:
        return max((error.retry_after_ms or 0) / 1000, _PAUSE)
    return None


def _pool(url: str) -> httpcore.AsyncConnectionPool:
    place = urlsplit(url)
    through = None if is_local(url) or proxy_bypass(place.netloc) else getproxies().get(place.scheme)
    proxy = httpcore.Proxy(through) if through else None
    return httpcore.AsyncConnectionPool(
        ssl_context=trust_in(url), proxy=proxy, max_connections=20, keepalive_expiry=4.0
    )


def trust_in(url: str) -> ssl.SSLContext | None:
    """Who may vouch for a server, if it is spoken to by TLS."""
    return trusting() if url.startswith("https://") else None


def _reason(error: BaseException) -> str:
    """The system's own words, which stand in the last cause."""
    cause: BaseException = error
    while (below := cause.__cause__ or cause.__context__) is not None:
        cause = below
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate: {cause.verify_message}: SSL_CERT_FILE=ca.pem trusts those of your own"
    if isinstance(cause, ssl.SSLError):  # its number is not the system's
        return cause.reason or str(cause)
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    if isinstance(cause, OSError) and cause.strerror:  # of a name that nobody knows: its numbers are not the system's
        return cause.strerror
    return str(cause) or type(error).__name__


def _quoted(name: str) -> str:
    """A file name as browsers put it into a form."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine, which a proxy for the world outside does not know."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def part(text: str) -> str:
    """Text as a part of a path."""
    return quote(text, safe="")
