"""Two real WebRTC stacks find each other through goim: sound and data flow, directly and through a TURN server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.client import World
from tests.e2e.media import PATIENCE, Peer, peer
from tests.e2e.turn_server import SECRET, TurnServer, run_turn_server  # noqa: F401
from tests.node import started_node


@pytest.fixture(autouse=True)
def _stay_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack leaves out the loopback address, which is all that tests need."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@contextlib.asynccontextmanager
async def talking(world: World, *, relay_only: bool = False) -> AsyncIterator[tuple[Peer, Peer]]:
    """Ann calls bob, bob answers, and they talk; at the end ann hangs up and both find the record."""
    ann, bob = await world.friends("ann", "bob")
    anns, bobs = await world.device(ann), await world.device(bob)
    call_id = (await anns.ask("call_start", {"to": bob.user_id, "type": "audio"}))["callId"]
    await bobs.ask("call_answer", {"callId": (await bobs.push("call_incoming"))["callId"]})
    await anns.push("call_answered")
    async with (
        peer(anns, ann, bob, relay_only=relay_only) as caller,
        peer(bobs, bob, ann, relay_only=relay_only) as callee,
        asyncio.TaskGroup() as tasks,
    ):
        listening = [tasks.create_task(side.listen(call_id)) for side in (caller, callee)]
        await caller.offer(call_id)
        yield caller, callee
        for task in listening:
            task.cancel()
        await anns.ask("call_end", {"callId": call_id})
    for device in (anns, bobs):
        record = (await device.push("message"))["payload"]
        assert (record["callId"], record["status"]) == (call_id, "ended")


async def exchange(caller: Peer, callee: Peer) -> None:
    """Both hear the other's whistle and read the other's text."""
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(caller.hear(), callee.hear())
        for side, other, line in ((caller, callee, "你好"), (callee, caller, "hello")):
            (await side.channel).send(line)
            assert await other.lines.get() == line


async def test_two_peers_talk_directly(tmp_path: Path) -> None:
    async with started_node(tmp_path, webrtc={"stun_servers": []}) as (_, world), talking(world) as (caller, callee):
        await exchange(caller, callee)
        assert all(" typ host" in candidate for candidate in caller.sent_candidates + callee.sent_candidates)


async def test_two_peers_talk_through_a_turn_server_with_passwords_of_goims_making(
    tmp_path: Path, turn: TurnServer
) -> None:
    webrtc = {"stun_servers": [], "turn_servers": [turn.url], "turn_secret": SECRET}
    async with (
        started_node(tmp_path, webrtc=webrtc) as (_, world),
        talking(world, relay_only=True) as (caller, callee),
    ):
        await exchange(caller, callee)
        candidates = caller.sent_candidates + callee.sent_candidates
        assert candidates
        assert all(" typ relay" in candidate for candidate in candidates)
    assert sum("ALLOCATE processed, success" in line for line in turn.lines) >= 2


async def test_the_turn_server_takes_no_password_made_of_another_secret(tmp_path: Path, turn: TurnServer) -> None:
    webrtc = {"stun_servers": [], "turn_servers": [turn.url], "turn_secret": "another secret"}
    async with started_node(tmp_path, webrtc=webrtc) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        async with peer(await world.device(ann), ann, bob, relay_only=True) as side:
            side.connection.createDataChannel("text")
            await side.connection.setLocalDescription(await side.connection.createOffer())
            assert " typ relay" not in side.connection.localDescription.sdp
