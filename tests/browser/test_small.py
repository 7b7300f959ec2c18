"""The smallest phone and the largest type (200 % of a laptop is 640 pixels): everything can be reached there."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.pages import Seat, seat
from tests.client import PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL: Any = {"viewport": {"width": 320, "height": 568}}
ENLARGED: Any = {"viewport": {"width": 640, "height": 400}}
STICKS_OUT = """(all) => all.filter((each) => {
  const { left, right, top, bottom } = each.getBoundingClientRect();
  return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight;
}).map((each) => each.ariaLabel ?? each.textContent)"""


async def sticks_out(side: Seat, what: str) -> Any:
    """The names of those that are not whole in the window."""
    return await side.page.locator(what).evaluate_all(STICKS_OUT)


@pytest.mark.parametrize("window", [SMALL, ENLARGED], ids=["small", "enlarged"])
async def test_one_scrolls_to_the_end_of_what_one_registers_with(town: World, browser: Browser, window: Any) -> None:
    async with seat(browser, town.base_url, **window) as hers:
        await hers.page.locator(".login-other button").dispatch_event("click")
        await expect(hers.page.get_by_label("Name that others see")).to_be_attached()
        assert not await hers.page.locator(".login h1").evaluate_all(STICKS_OUT)
        await hers.page.mouse.move(window["viewport"]["width"] / 2, 200)
        await hers.page.mouse.wheel(0, 2000)
        await expect(hers.button("中文")).to_be_in_viewport(ratio=1)


async def test_nothing_that_one_presses_sticks_out(town: World, equipped: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "may I call?"))
    async with seat(equipped, town.base_url, ann, **SMALL) as hers:
        await hers.row(bob.username).click()
        await hers.button("Emoji").click()
        picker = await hers.page.locator(".emoji-picker").evaluate("(box) => [box.scrollWidth, box.clientWidth]")
        assert picker[0] == picker[1]
        await hers.page.keyboard.press("Escape")
        await hers.button("Call with video").click()
        await expect(hers.button("Hang up")).to_be_visible()
        assert not await sticks_out(hers, ".call-buttons button")
        await hers.button("Hang up").click()
        await hers.button("Close").click()


async def test_what_is_said_before_the_rest_has_come_is_there_at_once(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    come = asyncio.Event()

    async def hold(route: Route) -> None:
        await come.wait()
        await route.continue_()

    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.route("**/api/messages/history?*", hold)  # a network that takes its time
        await hers.open(bob.username)
        await hers.say("hello?")
        await expect(hers.message("hello?").get_by_label("Sent", exact=True)).to_be_visible()
        await expect(hers.message("hi")).to_have_count(0)
        come.set()
        await expect(hers.message("hi")).to_be_visible()
        await expect(hers.messages).to_have_text(["hi", "hello?"])


async def test_ones_devices_are_known_by_their_browser_and_system(town: World, browser: Browser) -> None:
    ann = await town.person()
    firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
    async with seat(browser, town.base_url, user_agent=firefox) as there, seat(browser, town.base_url, ann) as hers:
        await there.page.get_by_label("Username").fill(ann.username)
        await there.page.get_by_label("Password").fill(PASSWORD)
        await there.button("Log in").click()
        await there.goes_live()
        await hers.page.goto(f"{town.base_url}/#/settings/devices")
        await expect(hers.page.locator(".person-row", has_text="Firefox, Windows")).to_contain_text("online")
        await expect(hers.page.locator(".person-row", has_text="This browser")).to_be_visible()


async def test_long_names_and_places_leave_room_for_the_rest(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.put("/api/users/me", {"nickname": "Maximilian-Wilhelm von Hohenzollern-Sigmaringen und so weiter"})
    group = await ann.post("/api/groups", {"name": "Walks", "memberIds": [bob.user_id]})
    here = {"convType": "group", "groupId": group["groupId"]}
    place = {"latitude": 39.9, "longitude": 116.4, "address": "The gate in the east"}
    await bob.post("/api/messages", {**here, "type": "location", "payload": place})
    await ann.post("/api/messages", {**here, "type": "text", "payload": {"text": "see you"}})
    await bob.post("/api/messages", {**here, "type": "text", "payload": {"text": "there"}})
    async with seat(browser, town.base_url, ann, **SMALL) as hers:
        said = "(row) => { const range = document.createRange(); range.selectNode(row.lastChild);"
        said += " return range.getBoundingClientRect().right - row.getBoundingClientRect().right }"
        assert await hers.row("Walks").locator(".row-last").evaluate(said) <= 0, "what was said is in sight"
        await hers.row("Walks").click()
        await expect(hers.message("there")).to_be_visible()
        assert not await hers.page.locator(".location").evaluate_all(
            "(all) => all.filter((each) => each.scrollWidth > each.closest('.bubble').clientWidth)"
        )
        await bob.post("/api/messages/read", {"convId": group["convId"], "seq": 3})
        await hers.choose("see you", "Read by")
        time = hers.page.get_by_role("dialog").locator("time")
        await expect(time).to_have_text(re.compile(r"^\d\d:\d\d$"))  # once
