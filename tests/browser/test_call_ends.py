"""Calls of the JavaScript client that end, or begin, while something is waited for."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from tests.browser.blanks import Held, blank, enter
from tests.client import Device, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Calls of somebody, without a microphone; `is` waits for a state, and the connections that are made are kept.
CALLS = """async (name) => {
  const { goim, client } = window[name];
  window.peers ??= [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(options) { super(options); window.peers.push(this); }
  };
  const canvas = document.createElement("canvas");
  canvas.getContext("2d");
  window.kept = new goim.MemoryStore();
  window.calls = new goim.Calls(client, { open: async () => canvas.captureStream(1), kept });
  window.is = async (state) => {
    for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((go) => setTimeout(go, 20))) {
      if (calls.current?.state === state) return;
    }
    throw new Error(`it never was ${state}, but ${calls.current?.state}`);
  };
}"""
OPEN = "() => peers.filter(({ signalingState }) => signalingState !== 'closed').length"
OTHER = """async () => {
  const peer = new RTCPeerConnection();
  peer.addTransceiver("video");
  await peer.setLocalDescription();
  peers.pop();
  return peer.localDescription.sdp;
}"""


async def at_the_phone(opened: Page, person: Person) -> None:
    await enter(opened, person)
    await opened.evaluate(CALLS, person.username)


async def is_called(device: Device) -> str:
    call_id: str = (await device.push("call_incoming"))["callId"]
    return call_id


async def test_who_logs_out_leaves_the_call_and_the_camera_is_off(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await at_the_phone(opened, ann)
        script = """async ([name, to]) => {
          await calls.start(to, "video");
          const [track] = calls.current.local.getTracks();
          await window[name].client.logout();
          return [track.readyState, calls.current];
        }"""
        assert await opened.evaluate(script, [ann.username, bob.user_id]) == ["ended", None]


async def test_a_call_that_is_hung_up_while_it_is_connected_leaves_no_connection(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(bob)
    async with blank(browser, town.base_url) as opened:
        held = Held()
        await opened.route("**/api/webrtc/ice-servers", held)
        await at_the_phone(opened, ann)
        await opened.evaluate("to => calls.start(to, 'video')", bob.user_id)
        await device.ask("call_answer", {"callId": await is_called(device)})
        await held.has_come.wait()
        await opened.evaluate("() => calls.end()")
        await held.let_go()
        await opened.evaluate("name => window[name].client.http.get('/api/webrtc/ice-servers')", ann.username)
        assert await opened.evaluate(OPEN) == 0


async def test_a_call_that_ends_while_one_answers_it_is_no_mistake(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(bob)
    async with blank(browser, town.base_url) as opened:
        await at_the_phone(opened, ann)
        await device.ask("call_start", {"to": ann.user_id, "type": "video"})
        script = """async () => {
          await is("incoming");
          calls.changed = () => {
            if (!calls.current?.local) return;
            calls.changed = () => {};
            queueMicrotask(() => (calls.end(), calls.dismiss())); // the server has been asked
          };
          return calls.answer().then(() => "", (error) => error.name);
        }"""
        assert await opened.evaluate(script) == ""


async def test_an_older_answer_about_the_call_before_does_not_end_the_one_that_rings(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(bob)
    async with blank(browser, town.base_url) as opened:
        await at_the_phone(opened, ann)
        first = await device.ask("call_start", {"to": ann.user_id, "type": "video"})
        await opened.evaluate("() => is('incoming')")
        held = Held()
        await opened.route("**/api/webrtc/current-call", held)
        again = "async (name) => { window[name].client.close(); await window[name].client.connect(); }"
        await opened.evaluate(again, ann.username)
        await held.has_come.wait()
        await device.ask("call_end", {"callId": first["callId"]})
        await opened.evaluate("() => is('ended')")
        second = await device.ask("call_start", {"to": ann.user_id, "type": "video"})
        await opened.evaluate("() => is('incoming')")
        await held.let_go()
        await opened.evaluate("name => window[name].client.http.get('/api/webrtc/current-call')", ann.username)
        now = await opened.evaluate("() => [calls.current.call.callId, calls.current.state]")
        assert now == [second["callId"], "incoming"]


async def test_after_an_offer_that_could_not_be_made_the_offer_of_the_other_side_is_heard(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(bob)
    async with blank(browser, town.base_url) as opened:
        await at_the_phone(opened, ann)
        await opened.evaluate("to => calls.start(to, 'video')", bob.user_id)
        call_id = await is_called(device)
        await device.ask("call_answer", {"callId": call_id})
        await device.push("webrtc_signaling", lambda signal: signal["type"] == "offer")
        another = """async (name) => {
          const { goim, client } = window[name];
          dispatchEvent(new Event("pagehide"));
          const later = new goim.Client({ session: client.http.store });
          window.calls = new goim.Calls(later, { open: async () => new MediaStream(), kept });
          await later.connect();
          await is("left");
        }"""
        await opened.evaluate(another, ann.username)
        await opened.route("**/api/webrtc/ice-servers", lambda route: route.abort(), times=1)
        await opened.evaluate("() => calls.rejoin()")
        signal = {"callId": call_id, "to": ann.user_id, "type": "offer", "sdp": await opened.evaluate(OTHER)}
        await device.ask("webrtc_signaling", signal)
        await device.push("webrtc_signaling", lambda signal: signal["type"] == "answer")


async def test_after_a_call_that_was_hung_up_in_the_middle_of_an_offer_the_next_one_is_connected(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(bob)
    async with blank(browser, town.base_url) as opened:
        await at_the_phone(opened, ann)
        hang_up = """async (to) => {
          const { setLocalDescription } = RTCPeerConnection.prototype;
          RTCPeerConnection.prototype.setLocalDescription = function () {
            RTCPeerConnection.prototype.setLocalDescription = setLocalDescription;
            const described = this.setLocalDescription(); // which never is, as browsers have it, of one that is closed
            calls.end();
            return described;
          };
          await calls.start(to, "video");
        }"""
        await opened.evaluate(hang_up, bob.user_id)
        await device.ask("call_answer", {"callId": await is_called(device)})
        await device.push("call_ended")
        await opened.evaluate("to => calls.start(to, 'video')", bob.user_id)
        await device.ask("call_answer", {"callId": await is_called(device)})
        await device.push("webrtc_signaling", lambda signal: signal["type"] == "offer")
