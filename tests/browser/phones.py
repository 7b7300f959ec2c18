"""Two people at browsers with cameras and microphones, and what flows between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser, Page, expect

from goim.clock import SystemClock
from tests.browser.pages import PATIENCE, Seat, seat
from tests.client import Person, World

clock = SystemClock()
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
PUT_AWAY = """
() => {
  document.querySelector(".call-sheet.ended button")?.click();
  return document.querySelector(".call-sheet") === null;
}
"""


@contextlib.asynccontextmanager
async def two_at_phones(
    browser: Browser, town: World, *, script: str = WATCH
) -> AsyncIterator[tuple[Person, Person, Seat, Seat]]:
    """Ann and bob, friends, each in the conversation with the other."""
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "may I call?"))
    async with (
        seat(browser, town.base_url, ann, script=script) as hers,
        seat(browser, town.base_url, bob, script=script) as his,
    ):
        await hers.open(bob.username)
        await his.open(ann.username)
        yield ann, bob, hers, his


async def eventually(page: Page, question: str, arg: Any = None) -> None:
    """Ask the page until it says yes. (`wait_for_function` takes a promise for one.)"""
    async with asyncio.timeout(2 * PATIENCE / 1000):
        while not await page.evaluate(question, arg):
            await clock.sleep(0.1)


async def sees(taken: Seat) -> None:
    """Pictures of the other side arrive from now on, over this connection or the next, which counts anew."""
    await expect(taken.page.get_by_role("timer")).to_be_visible()
    before = await taken.page.evaluate(f"async () => [window.peers.length, await ({FRAMES})()]")
    more = f"async ([peers, frames]) => await ({FRAMES})() > (window.peers.length === peers ? frames : 0) + 5"
    await eventually(taken.page, more, before)


async def puts_away(*sides: Seat) -> None:
    """Close what is shown of a call as soon as that is over, unless it has gone by itself, as it does after a while."""
    for side in sides:
        await eventually(side.page, PUT_AWAY)
