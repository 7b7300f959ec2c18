"""What does not stay: messages that burn once read, and those that expire."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.pages import Seat, seat
from tests.client import World
from tests.uploads import fetch, picture, upload

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "the code is 4711" + ", and so on" * 130  # one may look at it for two minutes: as long as nobody moves the clock


async def choose(taken: Seat, term: str) -> None:
    await taken.button("Attach").click()
    await taken.page.get_by_role("menuitem", name="Disappearing messages").click()
    await taken.page.get_by_role("menuitem", name=term, exact=True).click()


async def test_what_burns_is_covered_until_it_is_read_and_then_gone_for_both(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    sent = await ann.post("/api/messages", ann.text(bob, "psst"))
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob) as his:
        await hers.open(bob.username)
        await choose(hers, "Once read")
        await expect(hers.page.locator(".about.fading")).to_contain_text("Once read")
        await hers.say(LONG)
        await expect(his.row(ann.username)).to_contain_text("Disappears once read")
        await hers.button("Let messages stay").click()
        await hers.say("got it?")
        await expect(hers.message("got it?").locator(".fading-sign")).to_have_count(0)

        await his.open(ann.username)
        await expect(his.message("got it?")).to_be_visible()
        assert "4711" not in await his.page.content()
        await expect(hers.message("psst").get_by_role("img", name="Read", exact=True)).to_be_visible()
        await expect(hers.message(LONG)).to_be_visible()  # what is covered is not read

        await his.page.clock.install()
        await his.page.get_by_role("button", name="Open").click()
        await expect(his.message(LONG)).to_be_visible()
        await expect(his.page.get_by_role("timer", name="Time left")).to_be_visible()
        assert (await ann.get("/api/messages/history", convId=sent["convId"]))["messages"][1]["payload"] is not None
        await his.page.clock.fast_forward(121_000)
        for side in (hers, his):
            await expect(side.page.locator(".message.gone .text")).to_have_text("Disappeared once read")
            await expect(side.page.locator(".message .text", has_text="4711")).to_have_count(0)
        await expect(hers.message("got it?").get_by_role("img", name="Read", exact=True)).to_be_visible()
        assert (await ann.get("/api/messages/history", convId=sent["convId"]))["messages"][1]["payload"] is None
        await hers.page.reload()
        await expect(hers.page.locator(".message.gone .text")).to_have_text("Disappeared once read")


# What can be had of it by whoever looks behind the page: of what the browser keeps, and of what is in its memory.
HAD = """async ([url, blob, token]) => Promise.all([
    fetch(url, { headers: { authorization: `Bearer ${token}` }, cache: "only-if-cached", mode: "same-origin" }).then(
        ({ ok }) => (ok ? "kept" : "not kept"), () => "not kept"
    ),
    new Promise((done) => {
        Object.assign(new Image(), { onload: () => done("seen"), onerror: () => done("gone"), src: blob });
    }),
])"""


async def test_a_picture_that_burned_is_not_to_be_had_from_the_browser_either(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    url = (await upload(ann, picture(), "p.png"))["url"]
    payload = {"url": url, "width": 640, "height": 480, "text": LONG}
    image = {"type": "image", "payload": payload, "burnAfterRead": True}
    await ann.post("/api/messages", image | {"to": bob.user_id})
    async with town.online(ann) as hers, seat(browser, town.base_url, bob) as his:
        await his.open(ann.username)
        await his.page.clock.install()
        await his.page.get_by_role("button", name="Open").click()
        await his.page.locator(".message .image").click()
        shown = his.page.locator(".big-image img")
        await expect(shown).to_be_visible()
        blob = await shown.get_attribute("src")
        assert await his.page.evaluate(HAD, [url, blob, bob.token]) == ["not kept", "seen"]
        await his.page.clock.fast_forward(121_000)
        await expect(his.page.locator(".message.gone .text")).to_have_text("Disappeared once read")
        await expect(shown).to_have_count(0)
        await hers.push("read", lambda data: data["userId"] == bob.user_id)
        assert await his.page.evaluate(HAD, [url, blob, bob.token]) == ["not kept", "gone"]
        assert (await fetch(url, bob)).status_code == 404
        his.complaints.clear()  # of what was not there


async def test_what_expires_says_when_and_goes_from_the_conversation_and_the_list(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    group = await ann.post("/api/groups", {"name": "Lunch", "memberIds": [bob.user_id]})
    hi = {"convType": "group", "groupId": group["groupId"], "type": "text", "payload": {"text": "hi"}}
    await ann.post("/api/messages", hi)
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob) as his:
        await hers.open("Lunch")
        await hers.button("Attach").click()
        await hers.page.get_by_role("menuitem", name="Disappearing messages").click()
        await expect(hers.page.get_by_role("menuitem", name="After 1 minute")).to_be_visible()
        await expect(hers.page.get_by_role("menuitem", name="Once read")).to_have_count(0)  # that is for two
        await hers.page.get_by_role("menuitem", name="After 1 minute").click()
        await hers.page.reload()
        await expect(hers.page.locator(".about.fading")).to_contain_text("After 1 minute")
        await hers.say("at the corner")
        await his.open("Lunch")
        for side in (hers, his):
            await expect(side.message("at the corner").get_by_role("timer")).to_have_text(re.compile(r"^0:[345]\d$"))
        await his.page.clock.install()
        await expect(his.row("Lunch")).to_contain_text("at the corner")
        await hers.say("or here")
        await his.page.clock.fast_forward(61_000)
        await expect(his.message("at the corner")).to_have_count(0)
        await expect(his.message("or here")).to_have_count(0)
        await expect(his.row("Lunch")).not_to_contain_text("or here")
        await expect(his.message("hi")).to_be_visible()
