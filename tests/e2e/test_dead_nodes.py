"""What somebody had begun on a server that died, and what becomes of it for the others."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.client import Device
from tests.e2e.test_redis_nodes import two_servers


@pytest.mark.timeout(240)
async def test_what_somebody_on_a_server_that_died_had_begun_comes_to_its_end(tmp_path: Path) -> None:
    """What rings stops ringing in time, who talked with them is told after the grace, their stream ends as failed."""
    variables = {"IM_CALLS_RING_TIMEOUT": "5", "IM_CALLS_RECONNECT_GRACE": "2", "IM_STREAMS_IDLE_TIMEOUT": "1"}
    async with two_servers(tmp_path, **variables) as cluster:
        here, there = cluster.worlds
        ann, bob, cat, dan = await here.friends("ann", "bob", "cat", "dan")
        anns, cats = await here.device(ann), await here.device(cat)
        bobs, dans = await there.device(bob), await there.device(dan)
        talk = await dans.ask("call_start", {"to": cat.user_id, "type": "audio"})
        await cats.push("call_incoming")
        await cats.ask("call_answer", {"callId": talk["callId"]})
        stream = await dans.ask(
            "start_stream", {"convType": "c2c", "to": cat.user_id, "type": "stream", "payload": {"text": "so far"}}
        )
        ring = await bobs.ask("call_start", {"to": ann.user_id, "type": "audio"})
        await anns.push("call_incoming")
        await cluster.servers[1].kill()
        missed = await _next(anns, "call_ended")
        assert (missed["callId"], missed["status"], missed["reason"]) == (ring["callId"], "missed", "timeout")
        lost = await _next(cats, "call_ended")
        assert (lost["callId"], lost["status"], lost["reason"]) == (talk["callId"], "ended", "connection_lost")
        ended = await _next(cats, "stream_end")
        assert (ended["streamId"], ended["text"], ended["streamStatus"]) == (stream["streamId"], "so far", "failed")
        again = await anns.ask("call_start", {"to": cat.user_id, "type": "audio"})
        assert again["status"] == "ringing", "everybody is free again"


async def _next(device: Device, action: str) -> Any:
    """A push that comes when what it waits for is over, which takes seconds."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(TimeoutError):
                return await device.push(action)
