"""A socket that is handled byte by byte: for clients that do not behave."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from tests.client import Person, World
from tests.gateway.raw import Raw, opening, raw


def socket_of(world: World, person: Person, *, receive_buffer: int | None = None) -> AbstractAsyncContextManager[Raw]:
    """A WebSocket of a person, the handshake done by hand."""
    port = int(world.base_url.rpartition(":")[2])
    return raw(port, opening("/ws", person.token), receive_buffer=receive_buffer)
