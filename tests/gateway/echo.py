"""A real uvicorn whose application echoes every message, over the direct protocol or over plain ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from uvicorn import Config, Server

from goim.gateway.direct import DirectProtocolFactory
from goim.gateway.transport import EXTENSION, AsgiTransport, Transport
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame

MAX_FRAME = 128 * 1024
QUEUE_BYTES = 256 * 1024
CLOSES: Counter[int] = Counter()


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Text comes back as it is; "close" ends the connection with 4010, "flood" answers with 64 MiB one after
    another, "burst" with 2 MiB at once, bytes come back in hex."""
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

    def answer(data: bytes, *, is_text: bool) -> None:
        if data == b"close":
            transport.close(CloseCode.KICKED)
        elif data == b"flood":
            asyncio.get_running_loop().call_soon(flood, 1024)
        elif data == b"burst":
            burst(transport)
        else:
            transport.send_frame(Frame(data if is_text else data.hex().encode()))

    def flood(times: int) -> None:
        transport.send_frame(Frame(b"x" * 65536))
        if times:
            asyncio.get_running_loop().call_soon(flood, times - 1)

    transport.start(answer)
    await send({"type": "websocket.accept"})
    await (receive() if plain is None else plain.run())


def burst(transport: Transport) -> None:
    for _ in range(32):
        transport.send_frame(Frame(b"x" * 65536))


@contextlib.asynccontextmanager
async def echo_server(*, is_direct: bool, ping_interval: float = 30.0) -> AsyncIterator[int]:
    """Run it on a free port and say which."""
    listener = socket.create_server(("127.0.0.1", 0))
    ws: Any = DirectProtocolFactory(QUEUE_BYTES, CLOSES) if is_direct else "websockets-sansio"
    config = Config(
        echo,
        ws=ws,
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,
        ws_ping_interval=ping_interval,
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
