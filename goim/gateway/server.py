"""uvicorn, set up the way goim needs it: the direct protocol, deadlines, no token in a log, and a drain before the end."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from goim.config import Settings
from goim.gateway.direct import DirectProtocolFactory

_HEAD_SECONDS = 10.0


class PatientlessHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with a deadline for the first request's head (half-open handshakes hold sockets)."""

    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_HEAD_SECONDS, self._too_slow)

    def on_headers_complete(self) -> None:
        self._met()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._met()
        super().connection_lost(exc)

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.send_400_response("the request did not come in time")


class NodeServer(Server):
    """A server that lets the node drain before uvicorn closes the sockets, and then exits with 0."""

    def __init__(self, config: Config, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._drain = drain
        self.on_started: Callable[[str], None] = lambda _: None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal asks for a drain, a second one for the end."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @property
    def url(self) -> str:
        """Where it listens, as a client on this machine reaches it."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "localhost"}.get(host, host)  # noqa: S104
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"

    async def main_loop(self) -> None:
        self.on_started(self.url)
        await super().main_loop()
        await self._drain()


def server_of(
    app: Any, settings: Settings, drain: Callable[[], Awaitable[None]], *, is_direct: bool = True
) -> NodeServer:
    """The server of a node; `is_direct=False` serves WebSockets by plain ASGI, as any other server would."""
    ws: Any = DirectProtocolFactory(settings.gateway.send_queue_bytes) if is_direct else "websockets-sansio"
    config = Config(
        app,
        host=settings.server.listen.host or None,  # type: ignore[arg-type]  # asyncio: every interface
        port=settings.server.listen.port,
        loop="auto",
        http=PatientlessHttp,
        ws=ws,
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
