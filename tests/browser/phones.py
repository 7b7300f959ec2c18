"""A Chromium with cameras that show a clock and microphones that hear a beep each second, and two people at it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.conftest import ARGUMENTS
from tests.browser.pages import PATIENCE, Seat, seat
from tests.client import Person, World

DEVICES = ["--use-fake-device-for-media-stream=device-count=2", "--allow-loopback-in-peer-connection"]
WILLING = "--use-fake-ui-for-media-stream"
"""Whoever asks for a device gets it; without, it is refused."""


@contextlib.asynccontextmanager
async def with_devices(*more: str) -> AsyncIterator[Browser]:
    """A browser that gives every page its devices."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium: apt install chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=[*ARGUMENTS, *DEVICES, WILLING, *more])
        yield browser
        await browser.close()


# Keeps the connections that the page makes, so that a test can ask them what flows, and what was given to the page.
WATCH = """
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(options) { super(options); window.peers.push(this); }
};
window.given = [];
const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await get(wanted);
  window.given.push(...stream.getTracks());
  return stream;
};
"""
FRAMES = """
async () => {
  const stats = [...(await window.peers.at(-1)?.getStats() ?? new Map()).values()];
  return stats.find(({type, kind}) => type === "inbound-rtp" && kind === "video")?.framesDecoded ?? 0;
}
"""


@contextlib.asynccontextmanager
async def two_at_phones(browser: Browser, town: World) -> AsyncIterator[tuple[Person, Person, Seat, Seat]]:
    """Ann and bob, friends, each in the conversation with the other."""
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "may I call?"))
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob) as his:
        for side, other in ((hers, bob), (his, ann)):
            await side.context.add_init_script(WATCH)
            await side.page.reload()
            await side.open(other.username)
        yield ann, bob, hers, his


async def sees(taken: Seat) -> None:
    """Pictures of the other side arrive from now on."""
    await expect(taken.page.get_by_role("timer")).to_be_visible()
    before = await taken.page.evaluate(FRAMES)
    grown = f"async (before) => await ({FRAMES})() > before + 5"
    await taken.page.wait_for_function(grown, arg=before, timeout=2 * PATIENCE, polling=200)
