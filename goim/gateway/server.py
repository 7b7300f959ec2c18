"""uvicorn, set up the way goim needs it: the direct protocol, deadlines, no token in a log, and a drain before the
end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from asyncio import TimerHandle
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import Any

import structlog
from uvicorn import Config, Server
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl

from goim.config import Settings
from goim.config.settings import Gateway
from goim.gateway.cork import Cork
from goim.gateway.direct import DirectProtocol, Sockets
from goim.gateway.keepalive import Keepalive
from goim.gateway.opening import Opening, accepted_key, asks_for_another_version, websocket_scope, wrong_version
from goim.gateway.transport import EXTENSION, PATH

_HEAD_SECONDS = 10.0
_HEAD_BYTES = 64 * 1024
_BODY_SECONDS = 30.0
_BODY_RATE = 500.0
"""So many bytes a second of a body are enough, in the long run: much slower than the slowest line to a phone."""
_TICK_SECONDS = 1.0
_SIGNAL_SECONDS = 0.1
_REFUSED_HANDSHAKE = "ASGI callable returned without completing handshake."
_log = structlog.get_logger(__name__)


class PatientlessHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with limits on what is sent by halves: it holds sockets and memory.

    A head is whole within its deadline and not endless, whether it becomes a WebSocket or not; a body keeps coming, and
    not byte by byte.
    """

    _deadline: TimerHandle | None = None
    _is_in_head = True
    _is_in_body = False
    _head_bytes = 0
    _body_until = 0.0

    def __init__(self, *args: Any, sockets: Sockets | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sockets = sockets

    def connection_made(self, transport: Any) -> None:
        """What uvicorn does, except that the transport is asked for the addresses: asking its socket makes an object
        for it, which stays as long as the connection."""
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport, "sockname")
        self.client = _address(transport, "peername")
        self.scheme = "https" if is_ssl(transport) else "http"
        self._expect_more(_HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self._refuse("the head of the request is too large")
        elif self._is_in_body:
            now = self.loop.time()
            left = time_left(self._body_until - now, len(data))
            self._body_until = now + left
            self._expect_more(left)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._is_in_head:
            self._is_in_head, self._head_bytes = True, 0
            self._expect_more(_HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._is_in_body = False, True
        self._body_until = self.loop.time() + _BODY_SECONDS
        self._expect_nothing()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_body = False
        self._expect_nothing()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Whoever asks for a socket as everybody does gets a direct one without another look at the request; who does
        not is served, or answered, by uvicorn's own protocol."""
        sockets = self._sockets
        key = accepted_key(self.scope) if sockets is not None and self.url.split(b"?")[0] == sockets.path else None
        if key is None and asks_for_another_version(self.scope["headers"]):
            self.transport.write(wrong_version(self.server_state.default_headers))
            self.transport.close()
        elif sockets is None or key is None:
            super().handle_websocket_upgrade()
        else:
            self._become_direct(sockets, key)
        self.parser = None  # type: ignore[assignment]  # it and we would keep each other alive

    def _become_direct(self, sockets: Sockets, key: bytes) -> None:
        connection = DirectProtocol(sockets, self.transport, self.connections)
        self.connections.discard(self)
        self.transport.set_protocol(connection)
        opening = Opening(connection, key, self.server_state.default_headers)
        scope = websocket_scope(self.scope, self.url, {EXTENSION: connection})
        task = self.loop.create_task(opening.run(self.app, scope))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_more(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if self.flow.read_paused:  # it is we who do not read
            self._body_until = self.loop.time() + _BODY_SECONDS
            self._expect_more(_BODY_SECONDS)
        else:
            self._refuse("the request did not come in time")

    def _refuse(self, why: str) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        is_answered = cycle is not None and cycle.response_started and (self._is_in_body or not cycle.response_complete)
        self._is_in_head = self._is_in_body = False
        self._expect_nothing()
        if is_answered:  # a second answer would be taken for the rest of the first
            self.transport.close()
        elif not self.transport.is_closing():
            self.send_400_response(why)


def time_left(left: float, size: int) -> float:
    """In how many seconds a body must have gone on that had `left` when `size` bytes of it came."""
    return min(max(left, 0.0) + size / _BODY_RATE, _BODY_SECONDS)


def _address(transport: asyncio.Transport, side: str) -> tuple[str, int] | None:
    """Host and port; the peer of one that has hung up has none."""
    address = transport.get_extra_info(side)
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None


def sockets_of(gateway: Gateway, closes: Counter[int]) -> Sockets:
    """What the direct connections of a server share."""
    cork = Cork(gateway.send_queue_bytes, closes)
    keepalive = Keepalive(gateway.ping_interval, gateway.ping_timeout)
    return Sockets(cork, keepalive, gateway.max_frame_bytes, PATH.encode())


class NodeServer(Server):
    """A server that lets the node drain before uvicorn closes the sockets, and then exits with 0."""

    def __init__(self, config: Config, drain: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__(config)
        logging.getLogger("uvicorn.error").addFilter(_is_worth_saying)
        self._drain = drain
        self.on_started: Callable[[str], None] = lambda _: None
        self.is_supervised = False
        self.goes_with_all = True
        self._told = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """The first signal asks for a drain, a second one for the end."""
        if not self.is_supervised:  # such a one gets the same signals as its supervisor, who tells it what to do
            self.force_exit = self.should_exit
        self.end()

    def end(self) -> None:
        """Have it drain, and then return."""
        self.should_exit = True
        self._told.set()

    @property
    def url(self) -> str:
        """Where it listens, as a client on this machine reaches it."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "localhost"}.get(host, host)  # noqa: S104
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"

    async def main_loop(self) -> None:
        _log.info("serving", url=self.url, pid=os.getpid())
        self.on_started(self.url)
        await self._until_told()
        if not self.goes_with_all:  # others listen at this port: they take who comes from now on
            for server in self.servers:
                server.close()
        await self._drain_unless_forced()

    async def _until_told(self) -> None:
        """What uvicorn does ten times a second, once: one at rest should cost nothing."""
        while not await self.on_tick(0):  # which sets the `Date` of all answers
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told.wait()

    async def _drain_unless_forced(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(self._drain())
            while not draining.done():
                await asyncio.wait([draining], timeout=_SIGNAL_SECONDS)
                if self.force_exit:
                    draining.cancel()


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """uvicorn tells four steps of each start and end, which we do in a line, and calls it an error of ours whenever a
    handshake is refused with an HTTP status."""
    return record.levelno > logging.INFO and record.msg != _REFUSED_HANDSHAKE


def server_of(
    app: Any,
    settings: Settings,
    drain: Callable[[], Coroutine[Any, Any, None]],
    closes: Counter[int],
    *,
    is_direct: bool = True,
) -> NodeServer:
    """The server of a node; `is_direct=False` serves WebSockets by plain ASGI, as any other server would.

    `closes` counts the connections that were ended, by close code.
    """
    http: Any = partial(PatientlessHttp, sockets=sockets_of(settings.gateway, closes) if is_direct else None)
    config = Config(
        app,
        host=settings.server.listen.host or None,  # type: ignore[arg-type]  # asyncio: every interface
        port=settings.server.listen.port,
        loop="auto",
        http=http,
        ws="websockets-sansio",
        ws_max_size=settings.gateway.max_frame_bytes,
        ws_ping_interval=settings.gateway.ping_interval,
        ws_ping_timeout=settings.gateway.ping_timeout,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # uvicorn would believe anybody on this machine; `rest/address.py` asks the settings
        server_header=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
        backlog=4096,
    )
    return NodeServer(config, drain)
