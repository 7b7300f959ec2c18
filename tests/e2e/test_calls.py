"""Calls over real sockets: ringing, answering, signalling, hanging up, and what is left of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Device, Person, Refused, World
from tests.node import started_node

CALL_KEYS = {"callId", "from", "to", "type", "status", "startedAt", "duration"}


@pytest.fixture(params=["ring_timeout"])
async def hasty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A node that has no patience: calls ring, or wait for a lost side, only half a second."""
    async with started_node(tmp_path, calls={request.param: 0.5}, webrtc={"stun_servers": []}) as (_, world):
        yield world


async def refusal(work: Any) -> str:
    with pytest.raises(Refused) as caught:
        await work
    return str(caught.value.code)


async def call_of(ann: Device, bob: Person, *, kind: str = "audio") -> str:
    call = await ann.ask("call_start", {"to": bob.user_id, "type": kind})
    return str(call["callId"])


async def test_a_call_from_ringing_to_its_record(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    ann1, ann2 = await people.device(ann, "phone"), await people.device(ann, "laptop")
    bob1, bob2 = await people.device(bob, "phone"), await people.device(bob, "laptop")

    call = await ann1.ask("call_start", {"to": bob.user_id, "type": "video"})
    assert call.keys() == CALL_KEYS
    assert (call["from"], call["to"], call["type"], call["status"]) == (ann.user_id, bob.user_id, "video", "ringing")
    assert await bob1.push("call_incoming") == await bob2.push("call_incoming") == call
    assert await ann.get("/api/webrtc/current-call") == await bob.get("/api/webrtc/current-call") == call

    answered = await bob2.ask("call_answer", {"callId": call["callId"]})
    assert answered.keys() == CALL_KEYS | {"answeredAt"}
    for device in (ann1, ann2, bob1):
        assert await device.push("call_answered") == answered

    signal = {"callId": call["callId"], "type": "offer", "sdp": "v=0\r\n", "to": bob.user_id}
    assert await ann1.ask("webrtc_signaling", signal) == {}
    pushed = {"callId": call["callId"], "type": "offer", "sdp": "v=0\r\n", "from": ann.user_id}
    assert await bob2.push("webrtc_signaling") == pushed
    candidate = {"candidate": "candidate:1 1 udp 1 10.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    signal = {"callId": call["callId"], "type": "candidate", "candidate": candidate, "to": ann.user_id}
    await bob2.ask("webrtc_signaling", signal)
    assert (await ann1.push("webrtc_signaling"))["candidate"] == candidate

    ended = await ann1.ask("call_end", {"callId": call["callId"]})
    assert ended.keys() == CALL_KEYS | {"answeredAt", "endedAt"}
    assert (ended["status"], ended["duration"]) == ("ended", (ended["endedAt"] - ended["answeredAt"]) // 1000)
    message = await ann1.push("message")
    for device in (ann2, bob1, bob2):
        assert await device.push("call_ended") == ended
        assert await device.push("message") == message
    record = {"callId": call["callId"], "type": "video", "status": "ended", "duration": ended["duration"]}
    assert (message["from"], message["type"], message["payload"]) == (ann.user_id, "call", record)
    for device in (ann1, ann2, bob1, bob2):
        assert await device.quiet() == []

    page = await bob.get("/api/messages/history", convId=message["convId"])
    assert page["messages"] == [message]
    assert await refusal(bob.get("/api/webrtc/current-call")) == "NOT_FOUND"


async def test_every_action_wants_what_it_needs(people: World) -> None:
    ann, bob, cleo = await people.friends("ann", "bob", "cleo")
    device, stranger = await people.device(ann), await people.device(cleo)
    call_id = await call_of(device, bob)
    for action, data, code in (
        ("call_start", {"to": bob.user_id}, "INVALID"),
        ("call_start", {"to": bob.user_id, "type": "audio/video"}, "INVALID"),
        ("call_start", {"to": 7, "type": "audio"}, "INVALID"),
        ("call_start", {"to": ann.user_id, "type": "audio"}, "INVALID"),
        ("call_start", {"to": "nobody", "type": "audio"}, "NOT_FRIEND"),
        ("call_start", {"to": cleo.user_id, "type": "audio"}, "CALL_BUSY"),
        ("call_answer", {}, "INVALID"),
        ("call_answer", {"callId": call_id}, "FORBIDDEN"),
        ("call_reject", {"callId": call_id}, "FORBIDDEN"),
        ("webrtc_signaling", {"callId": call_id, "type": "bye", "sdp": "v=0", "to": bob.user_id}, "INVALID"),
        ("webrtc_signaling", {"callId": call_id, "type": "offer", "to": bob.user_id}, "INVALID"),
        ("webrtc_signaling", {"callId": call_id, "type": "offer", "sdp": "v=0", "to": cleo.user_id}, "INVALID"),
        ("webrtc_signaling", {"callId": call_id, "type": "candidate", "candidate": 7, "to": bob.user_id}, "INVALID"),
        (
            "webrtc_signaling",
            {"callId": call_id, "type": "candidate", "candidate": "c" * 4096, "to": bob.user_id},
            "TOO_LARGE",
        ),
        (
            "webrtc_signaling",
            {"callId": call_id, "type": "offer", "sdp": "v" * (64 * 1024 + 1), "to": bob.user_id},
            "TOO_LARGE",
        ),
    ):
        assert await refusal(device.ask(action, data)) == code, (action, data)
    for action in ("call_answer", "call_reject", "call_end"):
        assert await refusal(stranger.ask(action, {"callId": call_id})) == "NOT_FOUND"
        assert await refusal(stranger.ask(action, {"callId": "x" * 10_000})) == "NOT_FOUND"
    signal = {"callId": call_id, "type": "offer", "sdp": "v=0", "to": bob.user_id}
    assert await refusal(stranger.ask("webrtc_signaling", signal)) == "NOT_FOUND"
    assert await stranger.quiet() == []


async def test_two_who_call_each_other_at_once_are_in_one_call(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice, robert = await people.device(ann), await people.device(bob)
    calls = await asyncio.gather(
        alice.ask("call_start", {"to": bob.user_id, "type": "audio"}),
        robert.ask("call_start", {"to": ann.user_id, "type": "audio"}),
    )
    assert calls[0]["callId"] == calls[1]["callId"]
    assert sorted(call["status"] for call in calls) == ["answered", "ringing"]
    first = alice if calls[0]["status"] == "ringing" else robert
    assert (await first.push("call_answered"))["callId"] == calls[0]["callId"]
    await robert.ask("call_end", {"callId": calls[0]["callId"]})
    payloads = [(await device.push("message"))["payload"]["callId"] for device in (alice, robert)]
    assert payloads == [calls[0]["callId"]] * 2
    assert [push for push in await alice.quiet() if push["action"] == "message"] == []


async def test_only_one_of_many_callers_gets_through(people: World) -> None:
    ann, bob, cleo, dora = await people.friends("ann", "bob", "cleo", "dora")
    devices = [await people.device(person) for person in (bob, cleo, dora)]
    target = await people.device(ann)
    tries = (device.ask("call_start", {"to": ann.user_id, "type": "audio"}) for device in devices)
    results = await asyncio.gather(*tries, return_exceptions=True)
    codes = sorted(result.code for result in results if isinstance(result, Refused))
    assert codes == ["CALL_BUSY", "CALL_BUSY"]
    assert [push["action"] for push in await target.quiet()] == ["call_incoming"]


async def test_ringing_ends_by_itself(hasty: World) -> None:
    ann, bob = await hasty.friends("ann", "bob")
    alice, robert = await hasty.device(ann), await hasty.device(bob)
    call_id = await call_of(alice, bob)
    for device in (alice, robert):
        missed = await device.push("call_ended")
        assert (missed["status"], missed["reason"]) == ("missed", "timeout")
    assert (await robert.push("message"))["payload"]["status"] == "missed"
    assert await refusal(robert.ask("call_answer", {"callId": call_id})) == "CALL_STATE"
    assert (await call_of(robert, ann)) != call_id


@pytest.mark.parametrize("hasty", ["reconnect_grace"], indirect=True)
async def test_a_side_that_is_gone_for_too_long_ends_the_call(hasty: World) -> None:
    ann, bob = await hasty.friends("ann", "bob")
    alice = await hasty.device(ann)
    async with hasty.online(bob, "phone") as robert:
        call_id = await call_of(alice, bob)
        await robert.ask("call_answer", {"callId": call_id})
    ended = await alice.push("call_ended")
    assert (ended["status"], ended["reason"]) == ("ended", "connection_lost")


async def test_a_side_that_comes_back_in_time_is_still_in_the_call(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice = await people.device(ann)
    async with people.online(bob, "phone") as robert:
        call_id = await call_of(alice, bob)
        await robert.ask("call_answer", {"callId": call_id})
    robert = await people.device(bob, "phone")
    assert (await bob.get("/api/webrtc/current-call"))["callId"] == call_id
    signal = {"callId": call_id, "type": "offer", "sdp": "v=0", "to": bob.user_id}
    await alice.ask("webrtc_signaling", signal)
    assert (await robert.push("webrtc_signaling"))["callId"] == call_id


async def test_a_device_that_comes_while_it_rings_rings(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    call_id = await call_of(await people.device(ann), bob)
    assert (await (await people.device(bob)).push("call_incoming"))["callId"] == call_id


async def test_a_block_ends_the_call(people: World) -> None:
    ann, bob = await people.friends("ann", "bob")
    alice, robert = await people.device(ann), await people.device(bob)
    await robert.ask("call_answer", {"callId": await call_of(alice, bob)})
    await bob.post(f"/api/blocks/{ann.user_id}")
    assert (await alice.push("call_ended"))["reason"] == "not_allowed"
    assert await refusal(alice.ask("call_start", {"to": bob.user_id, "type": "audio"})) == "BLOCKED"


async def test_a_server_that_stops_leaves_the_records(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        call_id = await call_of(await world.device(ann), bob)
    async with started_node(tmp_path) as (_, world):
        ann.http = await world.http()
        (conversation,) = (await ann.get("/api/conversations"))["conversations"]
        assert conversation["lastMessage"]["payload"] == {
            "callId": call_id,
            "type": "audio",
            "status": "cancelled",
            "duration": 0,
            "reason": "server_stopped",
        }


async def test_ice_servers_come_with_a_password_for_an_hour(tmp_path: Path) -> None:
    webrtc = {"turn_servers": ["turn:127.0.0.1:3478"], "turn_secret": "hush"}
    async with started_node(tmp_path, webrtc=webrtc) as (node, world):
        ann = await world.person()
        stun, turn = (await ann.get("/api/webrtc/ice-servers"))["iceServers"]
        assert stun == {"urls": ["stun:stun.l.google.com:19302", "stun:stun1.l.google.com:19302"]}
        assert (turn.keys(), turn["urls"]) == ({"urls", "username", "credential"}, ["turn:127.0.0.1:3478"])
        expires, _, user_id = turn["username"].partition(":")
        assert user_id == ann.user_id
        assert abs(int(expires) - node.services.clock.now_ms() / 1000 - 3600) < 60
        ann.token = ""
        assert await refusal(ann.get("/api/webrtc/ice-servers")) == "UNAUTHORIZED"
        assert await refusal(ann.get("/api/webrtc/current-call")) == "UNAUTHORIZED"


async def test_without_webrtc_there_are_no_calls(tmp_path: Path) -> None:
    async with started_node(tmp_path, webrtc={"enabled": False}) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        alice = await world.device(ann)
        assert await refusal(alice.ask("call_start", {"to": bob.user_id, "type": "audio"})) == "WEBRTC_DISABLED"
        for action in ("call_answer", "call_reject", "call_end"):
            assert await refusal(alice.ask(action, {"callId": "call"})) == "WEBRTC_DISABLED"
        signal = {"callId": "call", "type": "offer", "sdp": "v=0", "to": bob.user_id}
        assert await refusal(alice.ask("webrtc_signaling", signal)) == "WEBRTC_DISABLED"
        assert await refusal(ann.get("/api/webrtc/ice-servers")) == "WEBRTC_DISABLED"
