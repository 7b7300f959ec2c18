"""A conversation of ten thousand messages: little of it is in the page, all of it can be reached."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.pages import seat
from tests.client import Person, World

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

MANY = 10_000
MOST_ROWS = 160
EARLY = 17

# Scrolls up, a bit each frame, until so many messages have been in sight; says which, how many were in the page at
# most, and whether ever anything in sight has moved by itself.
SCROLL_UP = """async (wanted) => {
  const box = document.querySelector(".timeline");
  const seen = new Set();
  let most = 0;
  let jumps = 0;
  const inSight = () => {
    const rows = [...box.querySelectorAll("[data-seq]")];
    most = Math.max(most, rows.length);
    const top = box.getBoundingClientRect().top;
    return rows.map((row) => [Number(row.dataset.seq), row.getBoundingClientRect().bottom - top])
      .filter(([, y]) => y > 0 && y <= box.clientHeight);
  };
  const frame = () => new Promise(requestAnimationFrame);
  while (seen.size < wanted) {
    const before = new Map(inSight());
    for (const seq of before.keys()) seen.add(seq);
    box.scrollTop -= 300;
    const moved = inSight().find(([seq]) => before.has(seq));
    await frame();
    await frame();
    const now = moved && new Map(inSight()).get(moved[0]);
    if (now !== undefined && Math.abs(now - moved[1]) > 2) jumps += 1;
  }
  return { seen: [...seen].sort((a, b) => a - b), most, jumps };
}"""


async def write(world: World, writer: Person, reader: Person) -> Any:
    device = await world.device(writer)
    where = {"convType": "c2c", "to": reader.user_id, "type": "text"}
    for number in range(1, MANY + 1):
        text = ("the needle" if number == EARLY else f"message {number}") + " and more words" * (number * 7 % 23)
        data = {**where, "payload": {"text": text}}
        await device.ws.send(json.dumps({"action": "send", "data": data}))
    async with asyncio.timeout(90):
        while True:
            with contextlib.suppress(TimeoutError):  # so many take longer than what one usually waits for
                return await device.push("ack", lambda data: data["seq"] == MANY)


async def test_ten_thousand_messages_are_scrolled_jumped_into_and_left_again(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await write(town, ann, bob)
    async with seat(browser, town.base_url, bob) as his:
        await his.open(ann.username)
        await his.button("To the latest message").click()
        await expect(his.page.locator(f'[data-seq="{MANY}"]')).to_be_in_viewport()

        found = await his.page.evaluate(SCROLL_UP, 600)
        assert found["seen"] == list(range(MANY + 1 - len(found["seen"]), MANY + 1)), "nothing is left out"
        assert found["most"] <= MOST_ROWS
        assert found["jumps"] == 0

        await his.button("Search in this conversation").click()
        await his.page.locator(".chat-search input").fill("needle")
        await his.page.locator(".found button", has_text="the needle").click()
        await expect(his.page.locator(f'[data-seq="{EARLY}"]')).to_be_in_viewport()
        await expect(his.page.locator('[data-seq="1"]')).to_be_attached()

        await his.say("done")
        await expect(his.message("done")).to_be_in_viewport()
        assert await his.page.locator(".message").count() <= MOST_ROWS
