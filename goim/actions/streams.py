"""start_stream, stream_chunk, end_stream."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from goim.actions.caller import Caller
from goim.protocol.replies import Reply, StreamEnded, StreamStarted
from goim.protocol.requests import EndStream, StartStream, StreamChunk
from goim.services.registry import Services


async def start(services: Services, caller: Caller, request: StartStream) -> Reply:
    """Begin a message that grows."""
    return StreamStarted(id=request.id, data=await services.streams.start(caller, request.data))


def chunk(services: Services, caller: Caller, request: StreamChunk) -> Coroutine[Any, Any, None] | None:
    """Let it grow; only a refusal is answered."""
    data = request.data
    if not services.streams.is_cleared(caller, data.stream_id):
        return _ask_first(services, caller, request)
    services.streams.chunk(caller, data.stream_id, data.delta, data.metadata)
    return None


async def _ask_first(services: Services, caller: Caller, request: StreamChunk) -> None:
    data = request.data
    await services.streams.clear(caller, data.stream_id)
    services.streams.chunk(caller, data.stream_id, data.delta, data.metadata)


async def end(services: Services, caller: Caller, request: EndStream) -> Reply:
    """Finish it."""
    data = request.data
    ended = await services.streams.end(caller, data.stream_id, data.final_text, data.error)
    return StreamEnded(id=request.id, data=ended)
