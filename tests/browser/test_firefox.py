"""The web client in Firefox: what one does there every day, with somebody in Chromium at the other end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.firefox import Firefox, Window, started
from tests.browser.pages import Seat, seat
from tests.browser.phones import FRAMES, PUT_AWAY, WATCH, puts_away, sees
from tests.client import PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = """
() => {
  const row = document.querySelector(".row[data-conv]");
  row?.click();
  return row !== null;
}
"""
READ = "() => document.querySelector('.state[aria-label=Read]') !== null"
DROP = """
async () => {
  const canvas = new OffscreenCanvas(320, 200);
  canvas.getContext("2d").fillRect(0, 0, 200, 100);
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([await canvas.convertToBlob()], "dark.png", { type: "image/png" }));
  const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector(".chat").dispatchEvent(event);
}
"""
SHOWN = "() => [...document.querySelectorAll('.message img')].some(({ naturalWidth }) => naturalWidth > 0)"
FOLLOW = """
async () => {
  const { player } = await import("/web/app/core/app.js");
  window.states = [];
  player.state.watch(() => window.states.push(player.state.value));
}
"""
PLAYED = "() => window.states.some(({ isPlaying }) => isPlaying) && !window.states.at(-1).isPlaying"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with started() as running:
        yield running


@contextlib.asynccontextmanager
async def two(firefox: Firefox, chromium: Browser, town: World) -> AsyncIterator[tuple[Window, Seat]]:
    """Ann in Firefox, bob in Chromium, each in the conversation with the other."""
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hello Firefox"))
    async with (
        firefox.window(town.base_url, WATCH) as hers,
        seat(chromium, town.base_url, bob, script=WATCH) as his,
    ):
        await hers.fill("Username", ann.username)
        await hers.fill("Password", f"{PASSWORD}\n")
        await hers.until(OPEN)
        await hers.sees("hello Firefox")
        await his.open(ann.username)
        yield hers, his


async def test_texts_pictures_and_voices_come_and_go(town: World, firefox: Firefox, equipped: Browser) -> None:
    async with two(firefox, equipped, town) as (hers, his):
        await hers.fill("Write a message", "hello Chromium\n")
        await expect(his.message("hello Chromium")).to_be_visible()
        await hers.until(READ)
        await his.say("I read you")
        await hers.sees("I read you")

        await hers.evaluate(DROP)
        await expect(his.page.locator(".message .image img")).to_be_visible()
        await hers.until(SHOWN)

        await hers.click("Record a voice message")
        await hers.until("() => /0:0[2-9]/.test(document.querySelector('.recording time')?.innerText)")
        await hers.click("Send the recording")
        await expect(his.page.locator(".message .voice")).to_be_visible()
        await hers.evaluate(FOLLOW)
        await hers.click("Play")
        await hers.until(PLAYED)


async def test_each_calls_the_other_and_both_see(town: World, firefox: Firefox, equipped: Browser) -> None:
    async with two(firefox, equipped, town) as (hers, his):
        await hers.click("Call with video")
        await his.button("Accept").click()
        await both_see(hers, his)
        await his.button("Hang up").click()
        await puts_away(his)
        await hers.until(PUT_AWAY)

        await his.button("Call with video").click()
        await hers.click("Accept")
        await both_see(hers, his)
        await hers.click("Hang up")
        await expect(his.page.get_by_role("dialog").get_by_text("Ended")).to_be_visible()


async def both_see(hers: Window, his: Seat) -> None:
    await hers.until(f"async () => await ({FRAMES})() > 5")
    await sees(his)
