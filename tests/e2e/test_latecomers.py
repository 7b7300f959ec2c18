"""Where new members are not to read what was said before, they are not pushed it either, whatever becomes of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from goim.bus.memory import MemoryBus, MemoryHub
from goim.clock import SystemClock
from tests.client import Device, Person, World
from tests.node import presence_untold, started_node

SECRET = "what bob is not to read"
CHANGES = [("reaction", 1), ("edited", 2), ("stream_end", 3)]


@dataclass
class Scene:
    """Ann's group with a message and a stream from before bob came, and the node where bob connects."""

    ann: Person
    bob: Person
    anns: Device
    there: World
    buses: list[MemoryBus]
    group_id: str
    conv_id: str
    text_id: str = ""
    stream_id: str = ""

    async def begin(self) -> None:
        data = {"convId": self.conv_id, "type": "text", "payload": {"text": SECRET}}
        self.text_id = (await self.anns.ask("send", data))["serverMsgId"]
        stream = {"convId": self.conv_id, "type": "stream", "payload": {"text": SECRET}}
        self.stream_id = (await self.anns.ask("start_stream", stream))["streamId"]

    async def join(self) -> None:
        await self.bob.post(f"/api/groups/{self.group_id}/join")

    async def go_on(self) -> None:
        """What was before is edited, reacted to, grows and ends; then something is said for everybody."""
        message = {"convId": self.conv_id, "serverMsgId": self.text_id}
        await self.anns.ask("react", message | {"emoji": "👍"})
        await self.anns.ask("edit", message | {"payload": {"text": f"{SECRET}!"}})
        chunk = {"streamId": self.stream_id, "delta": SECRET, "metadata": SECRET}
        await self.anns.ws.send(json.dumps({"action": "stream_chunk", "data": chunk}))
        await self.anns.ask("end_stream", {"streamId": self.stream_id, "finalText": SECRET})
        await self.anns.ask("send", {"convId": self.conv_id, "type": "text", "payload": {"text": "for everybody"}})

    async def check(self, device: Device) -> None:
        """Bob is told that something changed, under its number, and not what; and what is for him."""
        said = await device.push("message")
        assert (said["seq"], said["payload"]) == (3, {"text": "for everybody"})
        changes = [(each["action"], each["data"]["change"]) for each in device.pushes if "change" in each["data"]]
        assert changes == CHANGES
        assert not [text for text in device.raw if SECRET in text]
        synced = (await device.ask("sync", {"convs": [{"convId": self.conv_id}]}))["convs"][0]
        pushed = {each["data"]["change"]: each["data"] for each in device.pushes if "change" in each["data"]}
        assert {each["change"]: each["data"] for each in synced["changes"]} == pushed


@pytest.fixture(name="scene", params=["one node", "two nodes"])
async def a_group_with_a_past(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    hub, hidden = MemoryHub(), {"history_for_new_members": False}
    buses = [MemoryBus(hub) for _ in range(2 if request.param == "two nodes" else 1)]
    with presence_untold():
        async with contextlib.AsyncExitStack() as stack:
            nodes = [await stack.enter_async_context(started_node(tmp_path, bus=bus, groups=hidden)) for bus in buses]
            here, there = nodes[0][1], nodes[-1][1]
            ann, bob = await here.person("ann"), await here.person("bob")
            made = await ann.post("/api/groups", {"name": "Walks"})
            scene = Scene(ann, bob, await here.device(ann), there, buses, made["groupId"], made["convId"])
            await scene.begin()
            yield scene


async def test_who_joins_while_connected_is_not_pushed_what_was_said_before(scene: Scene) -> None:
    device = await scene.there.device(scene.bob)
    await scene.join()
    await device.push("member_joined")
    await scene.go_on()
    await scene.check(device)


async def test_who_connects_after_joining_is_not_pushed_it_either(scene: Scene) -> None:
    await scene.join()
    device = await scene.there.device(scene.bob)
    await scene.go_on()
    await scene.check(device)


async def test_who_comes_back_does_not_hear_of_what_was_said_meanwhile(scene: Scene) -> None:
    device = await scene.there.device(scene.bob)
    await scene.join()
    await device.push("member_joined")
    await scene.bob.post(f"/api/groups/{scene.group_id}/leave")
    await device.push("member_left")
    await scene.begin()
    await scene.join()
    await device.push("member_joined")
    await scene.anns.ask(
        "edit", {"convId": scene.conv_id, "serverMsgId": scene.text_id, "payload": {"text": f"{SECRET}!"}}
    )
    assert (await device.push("edited"))["payload"] is None
    assert not [text for text in device.raw if SECRET in text]


async def test_everybody_else_is_pushed_everything(scene: Scene) -> None:
    other = await scene.there.device(scene.ann)
    await scene.join()
    device = await scene.there.device(scene.bob)
    await scene.go_on()
    await device.push("message")
    assert (await other.push("edited"))["payload"] == {"text": f"{SECRET}!"}
    assert (await other.push("stream_chunk"))["delta"] == SECRET
    assert (await other.push("stream_end"))["text"] == SECRET


@pytest.mark.parametrize("scene", ["two nodes"], indirect=True)
async def test_who_joined_while_the_bus_was_away_is_not_pushed_it_when_that_is_back(scene: Scene) -> None:
    device = await scene.there.device(scene.bob)
    now = SystemClock().now_ms()
    for bus in scene.buses:
        bus.cut(now)
    await scene.join()
    await scene.go_on()
    assert await device.quiet() == []
    for bus in scene.buses:
        bus.mend()
    said = await device.push("message")
    assert said["payload"] == {"text": "for everybody"}
    assert not [text for text in device.raw if SECRET in text]
