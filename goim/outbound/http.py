"""POSTs over HTTP/1.1: to addresses that the guard has seen, straight, without redirects or proxies, and bounded."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpcore

from goim import __version__
from goim.outbound.base import Answer, Unreachable
from goim.outbound.guard import Guard
from goim.trust import trusting

MAX_ANSWER = 64 * 1024
_CONNECTIONS = 200
_IDLE_SECONDS = 30.0
_USER_AGENT = f"goim/{__version__}"


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to what the guard lets pass. The URL keeps its name: `Host`, SNI and the certificate go by that."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._guard.addresses(host, port)
        for address in addresses[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
        return await self._network.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


class HttpPoster:
    """`Poster` over a pool of connections. httpcore logs nothing above debug, and never a body."""

    def __init__(self, guard: Guard, context: ssl.SSLContext | None = None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context or trusting(),
            max_connections=_CONNECTIONS,
            max_keepalive_connections=20,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=_Pinned(guard),
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, within: float) -> Answer:
        """One request; see `Poster`."""
        try:
            async with asyncio.timeout(within):
                return await self._post(url, headers, body, within)
        except (TimeoutError, httpcore.TimeoutException):
            raise Unreachable(f"no answer within {within:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {str(error)[:200]}") from None

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, within: float) -> Answer:
        every = dict.fromkeys(("connect", "read", "write", "pool"), within)
        sent = {"host": urlsplit(url).netloc, "user-agent": _USER_AGENT, "content-length": str(len(body))}
        request = [(name.encode(), value.encode()) for name, value in (sent | dict(headers)).items()]
        async with self._pool.stream("POST", url, headers=request, content=body, extensions={"timeout": every}) as got:
            answer = await _read(got)
            after = next((value for name, value in got.headers if name.lower() == b"retry-after"), b"")
        return Answer(got.status, answer, float(after) if after.isdigit() else None)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Close what is open at the end."""
        async with self._pool:
            yield


async def _read(response: httpcore.Response) -> bytes:
    """The answer up to a bound: nobody sends us more than we want to know."""
    answer = bytearray()
    async for part in response.aiter_stream():
        answer += part
        if len(answer) > MAX_ANSWER:
            raise Unreachable("its answer is too long")
    return bytes(answer)
