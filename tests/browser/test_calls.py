"""Two people at two browsers call each other: pictures and sound flow between them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.pages import PATIENCE, Seat
from tests.browser.phones import WATCH, eventually, puts_away, two_at_phones
from tests.client import Refused, World
from tests.e2e.turn_server import SECRET, turn_server
from tests.node import started_node

pytestmark = pytest.mark.asyncio(loop_scope="session")

FLOWS = """
async (kinds) => {
  const stats = [...(await window.peers.at(-1).getStats()).values()].filter(({type}) => type === "inbound-rtp");
  const video = stats.find(({kind}) => kind === "video"), audio = stats.find(({kind}) => kind === "audio");
  return audio?.totalSamplesReceived > 8000 && audio.packetsReceived > 20
    && (!kinds.includes("video") || video?.framesDecoded > 20);
}
"""
STRAY = """
async ({ callId, to }) => {
  const { client } = await import("/web/app/core/app.js");
  const candidate = { candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host", sdpMid: "0", usernameFragment: "other" };
  await client.ask("webrtc_signaling", { callId, to, type: "candidate", candidate });
}
"""
ROUTE = """
async () => {
  const stats = await window.peers.at(-1).getStats();
  const pairs = [...stats.values()].filter(({type, nominated}) => type === "candidate-pair" && nominated);
  return pairs.map(({localCandidateId}) => stats.get(localCandidateId).candidateType);
}
"""


async def both_get(kinds: str, *sides: Seat) -> None:
    for side in sides:
        await expect(side.page.get_by_role("timer")).to_be_visible()
        await eventually(side.page, FLOWS, kinds)


async def the_record_is(text: str, *sides: Seat) -> None:
    for side in sides:
        await expect(side.page.locator(".message .call").last).to_contain_text(text)


async def test_two_browsers_hold_a_video_call_that_is_connected_anew_and_leaves_a_record(
    town: World, equipped: Browser
) -> None:
    async with two_at_phones(equipped, town) as (ann, _, hers, his):
        await hers.button("Call with video").click()
        await expect(hers.page.get_by_text("Ringing …")).to_be_visible()
        await expect(his.page.get_by_text("calls you with video")).to_be_visible()
        await his.button("Accept").click()
        await both_get("audio, video", hers, his)

        call = await ann.get("/api/webrtc/current-call")
        await his.page.evaluate(STRAY, {"callId": call["callId"], "to": ann.user_id})
        await hers.button("Mute").click()
        await expect(hers.page.get_by_role("timer")).to_be_visible()  # a candidate of another connection is nothing
        await expect(hers.button("Mute")).to_have_attribute("aria-pressed", "true")

        await his.page.evaluate("window.peers.at(-1).close()")  # behind the page's back
        for side in (hers, his):
            await side.page.wait_for_function("() => window.peers.length > 1", timeout=3 * PATIENCE, polling=200)
        await both_get("audio, video", hers, his)

        await his.button("Hang up").click()
        await expect(hers.page.get_by_role("dialog").get_by_text("Ended")).to_be_visible()
        await the_record_is("Video call", hers, his)
        await the_record_is("Ended", hers, his)


async def test_a_call_is_turned_down_and_another_taken_back(town: World, equipped: Browser) -> None:
    async with two_at_phones(equipped, town) as (_, _, hers, his):
        await hers.button("Call").click()
        await his.button("Decline").click()
        await expect(hers.page.get_by_role("dialog").get_by_text("Declined")).to_be_visible()
        await the_record_is("Declined", hers, his)
        await puts_away(hers, his)

        await hers.button("Call").click()
        await expect(his.button("Accept")).to_be_visible()
        await hers.button("Hang up").click()
        await expect(his.button("Accept")).to_have_count(0)
        await the_record_is("Missed", his)


async def test_who_is_writing_when_somebody_calls_does_not_answer_with_the_next_key(
    town: World, equipped: Browser
) -> None:
    async with two_at_phones(equipped, town) as (_, _, hers, his):
        await his.field.press_sequentially("I am just")
        await hers.button("Call").click()
        await expect(his.button("Accept")).to_be_visible()
        await his.page.keyboard.type(" writing to you")
        await his.page.keyboard.press("Enter")
        await expect(his.button("Accept")).to_be_visible()
        await his.page.keyboard.press("Tab")
        await expect(his.button("Decline")).to_be_focused()
        await his.page.keyboard.press("Tab")
        await his.page.keyboard.press("Enter")
        await expect(his.page.get_by_role("timer")).to_be_visible()
        await his.button("Hang up").click()
        await puts_away(his)
        await expect(his.field).to_be_focused()


async def test_a_browser_without_webrtc_rings_nobody_and_says_why(town: World, equipped: Browser) -> None:
    async with two_at_phones(equipped, town) as (ann, _, hers, his):
        await his.page.evaluate("delete window.RTCPeerConnection")
        await his.button("Call").click()
        await expect(his.page.locator(".note.bad")).to_contain_text("makes no calls")
        with pytest.raises(Refused, match="NOT_FOUND"):
            await ann.get("/api/webrtc/current-call")

        await hers.button("Call").click()
        await his.button("Accept").click()
        await expect(his.page.locator(".note.bad").last).to_contain_text("makes no calls")
        await his.button("Decline").click()
        await expect(hers.page.get_by_role("dialog").get_by_text("Declined")).to_be_visible()


async def test_a_call_stops_ringing_here_when_another_device_answers(town: World, equipped: Browser) -> None:
    async with two_at_phones(equipped, town) as (_, bob, hers, his):
        phone = await town.device(bob, "phone")
        await hers.button("Call").click()
        await expect(his.button("Accept")).to_be_visible()
        await phone.ask("call_answer", {"callId": (await phone.push("call_incoming"))["callId"]})
        await expect(his.page.get_by_role("dialog")).to_have_count(0)
        await expect(hers.page.get_by_text("Connecting …")).to_be_visible()
        await hers.button("Hang up").click()


async def test_two_browsers_hold_a_video_call_through_a_turn_server_only(equipped: Browser, tmp_path: Path) -> None:
    relayed = WATCH.replace("super(options)", 'super({...options, iceTransportPolicy: "relay"})')
    async with (
        turn_server(tmp_path) as turn,
        started_node(tmp_path, webrtc={"stun_servers": [], "turn_servers": [turn.url], "turn_secret": SECRET}) as (
            _,
            world,
        ),
        two_at_phones(equipped, world, script=relayed) as (_, _, hers, his),
    ):
        await hers.button("Call with video").click()
        await his.button("Accept").click()
        await both_get("audio, video", hers, his)
        for side in (hers, his):
            assert set(await side.page.evaluate(ROUTE)) == {"relay"}
        await hers.button("Hang up").click()
        await the_record_is("Ended", hers, his)
