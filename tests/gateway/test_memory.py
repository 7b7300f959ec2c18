"""What an idle connection keeps of the server's memory. (Its resident memory is measured by `goimctl bench idle`.)"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import tracemalloc
from pathlib import Path

from tests.client import Person, World
from tests.gateway.raw import opening
from tests.node import started_node

MANY = 200
BYTES = 4096
"""It is some 2,500. It was 23,400 when a task, the request and a whole protocol of the library stayed with each."""


async def connected(world: World, person: Person, device: int) -> int:
    """An idle WebSocket, as nothing but a file descriptor: what is measured is the server's."""
    host, port = world.base_url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, (host, int(port)))
        await loop.sock_sendall(client, opening(f"/ws?deviceId={device}", person.token))
        assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 101 ")
        return client.detach()


async def test_an_idle_connection_takes_little_memory(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, world):
        ann = await world.person()
        descriptors = [
            await connected(world, ann, device) for device in range(20)
        ]  # what the first ones bring is shared
        await node.services.devices.flush()
        tracemalloc.start()
        try:
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            descriptors += [await connected(world, ann, device) for device in range(20, 20 + MANY)]
            await node.services.devices.flush()
            gc.collect()
            each = (tracemalloc.get_traced_memory()[0] - before) / MANY
        finally:
            tracemalloc.stop()
            for descriptor in descriptors:
                os.close(descriptor)
        assert each < BYTES
