"""A conversation of ten thousand messages: little of it is in the page, all of it can be reached."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.pages import seat
from tests.browser.phones import clock, eventually
from tests.client import Person, World

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

_log = logging.getLogger(__name__)
MANY = 10_000
MOST_ROWS = 160
EARLY = 17

MOST_ELEMENTS = 4000
LONGEST_TASK = 1500.0
"""In milliseconds: a page that works through all of its messages at once is stuck for longer."""

# Scrolls up, a bit each frame, until so many messages have been in sight; says which, how many rows and elements were
# in the page at most, whether ever anything in sight has moved by itself, how long each frame took and each long task.
SCROLL_UP = """async (wanted) => {
  const box = document.querySelector(".timeline");
  const seen = new Set();
  let most = 0;
  const jumps = [];
  let elements = 0;
  const frames = [];
  const tasks = [];
  const watcher = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
  watcher.observe({ type: "longtask" });
  const inSight = () => {
    const rows = [...box.querySelectorAll("[data-seq]")];
    most = Math.max(most, rows.length);
    elements = Math.max(elements, document.getElementsByTagName("*").length);
    const top = box.getBoundingClientRect().top;
    return rows.map((row) => [Number(row.dataset.seq), row.getBoundingClientRect().bottom - top])
      .filter(([, y]) => y > 0 && y <= box.clientHeight);
  };
  let last = performance.now();
  const frame = async () => {
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  };
  while (seen.size < wanted) {
    const before = new Map(inSight());
    for (const seq of before.keys()) seen.add(seq);
    box.scrollTop -= 300;
    const moved = inSight().find(([seq]) => before.has(seq));
    await frame();
    await frame();
    const now = moved && new Map(inSight()).get(moved[0]);
    if (now !== undefined && Math.abs(now - moved[1]) > 2) jumps.push({ seq: moved[0], from: moved[1], to: now });
  }
  return { seen: [...seen].sort((a, b) => a - b), most, jumps, elements, frames: frames.slice(1), tasks };
}"""


LOADED = """async (most) => {
  const { conversations } = await import("/web/app/core/app.js");
  return conversations.timeline(decodeURIComponent(location.hash.split("/")[2])).messages.length <= most;
}"""


async def late(route: Route) -> None:
    await clock.sleep(0.4)
    await route.continue_()


async def write(world: World, writer: Person, reader: Person) -> Any:
    device = await world.device(writer)
    where = {"convType": "c2c", "to": reader.user_id, "type": "text"}
    for number in range(1, MANY + 1):
        text = ("the needle" if number == EARLY else f"message {number}") + " and more words" * (number * 7 % 23)
        data = {**where, "payload": {"text": text}}
        await device.ws.send(json.dumps({"action": "send", "data": data}))
    async with asyncio.timeout(180):
        while True:
            with contextlib.suppress(TimeoutError):  # so many take longer than what one usually waits for
                return await device.push("ack", lambda data: data["seq"] == MANY)


def tell(found: Any) -> None:
    """The figures of `docs/web.md`: seen with `--log-cli-level=INFO`."""
    frames = sorted(found["frames"])
    median, late, worst = (frames[int(share * (len(frames) - 1))] for share in (0.5, 0.99, 1))
    _log.info(
        "%d frames: median %.1f ms, 99%% %.1f ms, worst %.1f ms; %d long tasks, longest %.0f ms; %d elements at most",
        *(len(frames), median, late, worst, len(found["tasks"]), max(found["tasks"], default=0.0), found["elements"]),
    )


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
        assert found["jumps"] == []
        tell(found)
        assert found["elements"] <= MOST_ELEMENTS
        assert max(found["tasks"], default=0.0) < LONGEST_TASK

        await his.page.route("**/api/messages/history?*", late)  # one is at the top before more has come
        assert (await his.page.evaluate(SCROLL_UP, 100))["jumps"] == []
        await his.page.unroute_all(behavior="wait")
        await his.button("To the latest message").click()
        await eventually(his.page, LOADED, 500)  # what was scrolled past is let go

        await his.button("Search in this conversation").click()
        await his.page.locator(".chat-search input").fill("needle")
        await his.page.locator(".found button", has_text="the needle").click()
        await expect(his.page.locator(f'[data-seq="{EARLY}"]')).to_be_in_viewport()
        await expect(his.page.locator('[data-seq="1"]')).to_be_attached()

        await his.say("done")
        await expect(his.message("done")).to_be_in_viewport()
        assert await his.page.locator(".message").count() <= MOST_ROWS
