"""A real uvicorn whose application echoes every message, over the direct protocol or over plain ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from uvicorn import Config, Server

from goim.gateway.cork import Cork
from goim.gateway.direct import Sockets
from goim.gateway.keepalive import Keepalive
from goim.gateway.server import PatientlessHttp
from goim.gateway.transport import EXTENSION, AsgiTransport, Transport
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import framed

MAX_FRAME = 128 * 1024
QUEUE_BYTES = 256 * 1024
CLOSES: Counter[int] = Counter()
ENDED: Counter[str] = Counter()


class Gate:
    """Where the handshakes wait of those who ask for `?wait`."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


GATE = Gate()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Text comes back as it is; "close" ends the connection with 4010, "flood" answers with 64 MiB one after
    another, "burst" with 2 MiB at once, "way?" says how the connection is carried, bytes come back in hex."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    direct: Transport | None = scope["extensions"].get(EXTENSION)
    plain = AsgiTransport(receive, send, QUEUE_BYTES, CLOSES) if direct is None else None
    transport = direct or plain
    assert transport is not None
    if scope["query_string"] == b"wait":
        await GATE.pass_through()
    transport.start(Echo(transport, "plain" if direct is None else "direct"))
    await send({"type": "websocket.accept"})
    if plain is not None:
        await plain.run()


class Echo:
    """Answers what comes."""

    def __init__(self, transport: Transport, way: str) -> None:
        self._transport = transport
        self._way = way

    def receive(self, data: bytes, *, is_text: bool) -> None:
        transport = self._transport
        if data == b"close":
            transport.close(CloseCode.KICKED)
        elif data == b"flood":
            asyncio.get_running_loop().call_soon(self._flood, 1024)
        elif data == b"burst":
            for _ in range(32):
                transport.send_frame(framed(b"x" * 65536))
        elif data == b"way?":
            transport.send_frame(framed(self._way.encode()))
        else:
            transport.send_frame(framed(data if is_text else data.hex().encode()))

    def ended(self) -> None:
        ENDED["echo"] += 1

    def _flood(self, times: int) -> None:
        self._transport.send_frame(framed(b"x" * 65536))
        if times:
            asyncio.get_running_loop().call_soon(self._flood, times - 1)


@contextlib.asynccontextmanager
async def echo_server(
    *, is_direct: bool, ping_interval: float = 30.0, ping_timeout: float = 30.0
) -> AsyncIterator[int]:
    """Run it on a free port and say which."""
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = Sockets(Cork(QUEUE_BYTES, CLOSES), Keepalive(ping_interval, ping_timeout), MAX_FRAME, b"/")
    http: Any = partial(PatientlessHttp, sockets=sockets if is_direct else None)
    config = Config(
        echo,
        http=http,
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,
        ws_ping_interval=ping_interval,
        ws_ping_timeout=ping_timeout,
        log_config=None,
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    server = Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 uvicorn has no event for it
            await asyncio.sleep(0.005)  # noqa: TID251
        yield listener.getsockname()[1]
        server.should_exit = True
        await running
