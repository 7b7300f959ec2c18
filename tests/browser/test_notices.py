"""Who looks elsewhere is told: a tone and a notification for a call, notifications of messages, the page's title."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.pages import Seat, seat
from tests.browser.phones import puts_away
from tests.client import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A page in the background, with the browser's notifications, which the test cannot see, kept.
AWAY = """
window.isAway = false;
Object.defineProperty(document, "hidden", { get: () => window.isAway });
document.hasFocus = () => !window.isAway;
window.asked = 0;
window.notes = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() { window.asked += 1; return (this.permission = window.willing ?? "granted"); }
  constructor(title, options) { super(); Object.assign(this, { title, ...options }); window.notes.push(this); }
  close() { this.isClosed = true; }
};
window.tones = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function () { window.tones.push(this); return start.call(this); };
"""
SOUNDING = "() => window.tones.filter(({loop, context}) => loop && context.state === 'running').length"


@contextlib.asynccontextmanager
async def away(browser: Browser, town: World) -> AsyncIterator[tuple[Person, Seat, Seat]]:
    """Ann, and bob, who may look elsewhere."""
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "hello"))
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob, script=AWAY) as his:
        await hers.open(bob.username)
        await expect(his.row(ann.username)).to_be_visible()
        yield ann, hers, his


async def go_away(taken: Seat) -> None:
    await taken.page.evaluate("() => { window.isAway = true; }")


async def choose(taken: Seat, name: str) -> None:
    await taken.page.goto(taken.page.url.partition("#")[0] + "#/settings/notify")
    await taken.page.get_by_role("switch", name=name, exact=True).click()


async def until(taken: Seat, condition: str) -> None:
    await taken.page.wait_for_function(f"() => {condition}")


async def test_a_call_rings_and_is_told_until_it_is_answered(town: World, equipped: Browser) -> None:
    async with away(equipped, town) as (ann, hers, his):
        await choose(his, "Notifications")
        await expect(his.page.get_by_role("switch", name="Notifications")).to_be_checked()
        await go_away(his)
        await hers.button("Call").click()
        for side in (hers, his):
            await expect(side.page.get_by_role("dialog")).to_be_visible()
        await his.page.wait_for_function(f"() => ({SOUNDING})() === 1")
        await expect(his.page).to_have_title(f"☎ {ann.username} calls you")
        told = await his.page.evaluate("() => window.notes.map(({title, body}) => [title, body])")
        assert told == [[ann.username, "calls you"]]
        await his.button("Accept").click()
        await his.page.wait_for_function(f"() => ({SOUNDING})() === 0")
        await until(his, "window.notes[0].isClosed")
        await expect(his.page).not_to_have_title(f"☎ {ann.username} calls you")
        await hers.button("Hang up").click()

        await puts_away(hers, his)
        await choose(his, "Ring")
        await hers.button("Call").click()
        await until(his, "window.notes.filter(({ body }) => body === 'calls you').length === 2")
        assert await his.page.evaluate(SOUNDING) == 0, "he wants no tone"
        await his.button("Decline").click()


async def test_who_calls_is_named_also_where_the_page_does_not_know_them_yet(town: World, equipped: Browser) -> None:
    come = asyncio.Event()

    async def hold(route: Route) -> None:
        await come.wait()
        await route.continue_()

    async with away(equipped, town) as (ann, hers, his):
        for people in ("friends?*", f"users/{ann.user_id}"):
            await his.page.route(f"**/api/{people}", hold)
        await his.page.reload()
        await his.goes_live()
        await hers.button("Call").click()
        await expect(his.button("Accept")).to_be_visible()
        come.set()
        await expect(his.page).to_have_title(f"☎ {ann.username} calls you")
        await his.button("Decline").click()
        await expect(his.page).not_to_have_title(f"☎ {ann.username} calls you")
        await his.page.unroute_all(behavior="wait")


async def test_messages_are_told_only_after_one_has_asked_for_it_and_only_in_the_background(
    town: World, browser: Browser
) -> None:
    async with away(browser, town) as (ann, hers, his):
        await go_away(his)
        await hers.say("are you there?")
        await expect(his.row(ann.username)).to_contain_text("are you there?")
        await expect(his.page).to_have_title("(2) goim")
        assert await his.page.evaluate("() => [window.asked, window.notes.length]") == [0, 0]

        await choose(his, "Notifications")
        await hers.say("now?")
        await until(his, "window.notes.length === 1")
        assert await his.page.evaluate("() => [window.notes[0].title, window.notes[0].body]") == [ann.username, "now?"]
        await expect(his.page).to_have_title("(3) goim")
        await his.page.evaluate("() => { window.isAway = false; window.notes[0].onclick(); }")
        await expect(his.message("now?")).to_be_visible()
        await expect(his.page).to_have_title("goim")
        await hers.say("I see you")
        await expect(his.message("I see you")).to_be_visible()
        assert await his.page.evaluate("() => window.notes.length") == 1


async def test_who_refuses_notifications_is_told_where_to_allow_them(town: World, browser: Browser) -> None:
    async with away(browser, town) as (_, _, his):
        await his.page.evaluate("() => { window.willing = 'denied'; }")
        await choose(his, "Notifications")
        switch = his.page.get_by_role("switch", name="Notifications")
        await expect(switch).to_be_disabled()
        await expect(switch).not_to_be_checked()
        await expect(his.page.get_by_text("Allow them beside the address.")).to_be_visible()
