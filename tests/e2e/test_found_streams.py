"""A stream whose node is gone and that more than one other has taken up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from goim.bus.memory import MemoryBus, MemoryHub
from tests.node import started_node


async def test_a_stream_that_two_nodes_found_goes_on_as_one(tmp_path: Path) -> None:
    hub = MemoryHub()
    async with (
        started_node(tmp_path, bus=MemoryBus(hub)) as (second, here),
        started_node(tmp_path, bus=MemoryBus(hub)) as (third, there),
    ):
        async with started_node(tmp_path, bus=MemoryBus(hub)) as (_, first):
            ann, bob = await first.friends("ann", "bob")
            pen = await first.device(ann)
            text = {"convType": "c2c", "to": bob.user_id, "type": "stream", "payload": {"text": "a"}}
            begun = await pen.ask("start_stream", text)
        for node in (second, third):
            await node.services.streams.take_up_orphans()
        ann, bob = [replace(each, http=await here.http()) for each in (ann, bob)]
        reader = await there.device(bob)
        for place, delta, index in ((here, "b", 1), (there, "c", 2), (here, "d", 3)):
            pen = await place.device(ann, "pen")
            await pen.ws.send(json.dumps({"action": "stream_chunk", "data": _chunk(begun, delta)}))
            chunk = await reader.push("stream_chunk")
            assert (chunk["index"], chunk["delta"]) == (index, delta)
        ended = await pen.ask("end_stream", {"streamId": begun["streamId"]})
        assert (await reader.push("stream_end"))["text"] == "abcd"
        assert ended["change"] == 1


def _chunk(stream: Any, delta: str) -> Any:
    return {"streamId": stream["streamId"], "delta": delta}
