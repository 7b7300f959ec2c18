"""The ways back: where the browser's own leads, and what is open when the page changes below it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Browser, ViewportSize, expect

from tests.browser.late import late
from tests.browser.pages import PHONE, seat
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_HAND: Any = {"viewport": PHONE, "has_touch": True, "is_mobile": True}


async def test_the_way_back_to_the_list_is_the_browsers_own(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    said = await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann, **IN_HAND) as hers:
        begun = await hers.page.evaluate("history.length")
        for _ in range(3):
            await hers.row(bob.username).tap()
            await expect(hers.message("hi")).to_be_visible()
            await hers.button("Back").tap()
            await expect(hers.row(bob.username)).to_be_visible()
        assert await hers.page.evaluate("history.length") == begun + 1, (
            "nobody goes through all of it to leave the page"
        )

        await hers.page.goto(f"{town.base_url}/#/chats/{said['convId']}")  # by an address: there is no list before it
        await hers.page.reload()
        await hers.button("Back").tap()
        await expect(hers.row(bob.username)).to_be_visible()


async def test_a_dialog_does_not_stay_above_another_page(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.button("Begin something").click()
        await hers.page.get_by_role("menuitem", name="New group").click()
        await expect(hers.page.get_by_role("dialog")).to_be_visible()
        await hers.page.go_back()
        await expect(hers.page.get_by_role("dialog")).to_have_count(0)


# Before the browser has painted what is shown without the dialog.
AT_ONCE = """async () => {
  document.querySelector("dialog [aria-label=Close]").click();
  while (document.querySelector("dialog")) await null;
  document.querySelector("[aria-label=Emoji]").click();
}"""


async def test_a_menu_that_is_opened_as_soon_as_a_dialog_is_closed_stays_open(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.choose("hi", "Forward")
        await expect(hers.page.get_by_role("dialog")).to_be_visible()
        await hers.page.evaluate(AT_ONCE)
        await hers.page.get_by_role("menuitem", name="🚀").click()
        await expect(hers.field).to_have_value("🚀")


async def test_whoever_looks_at_a_group_that_ends_is_told_so(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    group = await bob.post("/api/groups", {"name": "Short-lived", "memberIds": [ann.user_id]})
    async with seat(browser, town.base_url, ann, **IN_HAND) as hers:
        await hers.row("Short-lived").tap()
        await hers.page.locator(".chat-who").tap()
        await expect(hers.page.locator(".pane-details")).to_be_visible()
        await bob.delete(f"/api/groups/{group['groupId']}")
        await expect(hers.page.get_by_text("This conversation is not there any more.")).to_be_visible()
        await expect(hers.page.locator(".pane-details")).to_have_count(0)
        await hers.button("Back").tap()
        await expect(hers.page.get_by_text("No conversations yet.")).to_be_visible()


async def test_a_tablets_keyboard_gets_to_what_one_can_do_with_a_message(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann, has_touch=True, is_mobile=True) as hers:
        await hers.row(bob.username).tap()
        tools = hers.message("hi").locator(".tools")
        await hers.message("hi").tap()
        await expect(tools).to_have_css("opacity", "0")  # by finger one holds the message
        await hers.page.get_by_role("log").focus()
        await hers.page.keyboard.press("Tab")
        await expect(hers.button("React", within=tools)).to_be_focused()
        await expect(tools).to_have_css("opacity", "1")
        await hers.button("More", within=tools).press("Enter")
        await hers.page.get_by_role("menuitem", name="Reply").press("Enter")
        await expect(hers.page.locator(".composer .about")).to_contain_text("hi")


async def test_a_menu_stays_open_when_the_keyboard_goes_away(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    above = {"width": PHONE["width"], "height": 480}
    async with seat(browser, town.base_url, ann, **IN_HAND | {"viewport": above}) as hers:
        await hers.row(bob.username).tap()
        await hers.button("Emoji").tap()
        # As a phone does: the menu has taken the focus from the field.
        await hers.page.set_viewport_size(ViewportSize(width=390, height=844))
        await hers.page.get_by_role("menuitem", name="🚀").tap()
        await expect(hers.field).to_have_value("🚀")


async def test_a_favourite_that_is_gone_leaves_a_way_back(town: World, browser: Browser) -> None:
    ann = await town.person()
    kept = await ann.post("/api/favorites/custom", {"title": "A note", "content": "word" * 200})
    async with seat(browser, town.base_url, ann, **IN_HAND) as hers:
        await hers.page.get_by_role("link", name="Favourites").tap()
        await hers.page.locator(".pane-list .row", has_text="A note").tap()
        sizes = await hers.page.locator(".page-body").evaluate("(body) => [body.scrollWidth, body.clientWidth]")
        assert sizes[0] == sizes[1], "a word without an end is broken"
        await ann.delete(f"/api/favorites/{kept['favoriteId']}")
        await hers.page.reload()
        await hers.button("Back").tap()
        await expect(hers.page.get_by_text("Keep messages and notes here.")).to_be_visible()


async def test_what_is_written_from_right_to_left_begins_at_the_right(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    for text in (
        "مرحبا، كيف حالك اليوم؟ أتمنى أن تكون بخير وأن يكون كل شيء على ما يرام (نعم).",
        "and so on",
        "👨‍👩‍👧‍👦🇨🇳",
    ):
        await bob.post("/api/messages", bob.text(ann, text))
    gap = """(text) => {
      const range = document.createRange();
      range.selectNodeContents(text);
      const last = [...range.getClientRects()].at(-1);
      const bubble = text.closest(".bubble").getBoundingClientRect();
      return [last.left - bubble.left, bubble.right - last.right];
    }"""
    async with seat(browser, town.base_url, ann, **IN_HAND | {"viewport": {"width": 320, "height": 568}}) as hers:
        await hers.row(bob.username).tap()
        left, right = await hers.page.locator(".text", has_text="مرحبا").evaluate(gap)
        assert right < left, "the last line stands at the right"
        left, right = await hers.page.locator(".text", has_text="and so on").evaluate(gap)
        assert left < right
        await expect(hers.page.locator(".text.emoji")).to_have_text("👨‍👩‍👧‍👦🇨🇳")
        name = hers.page.locator(".chat-title b")
        assert await name.evaluate("(name) => name.scrollWidth <= name.clientWidth"), "even here one reads it"


async def test_of_a_long_name_from_right_to_left_one_reads_the_beginning(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.put("/api/users/me", {"nickname": "عبد الرحمن محمد إبراهيم الأنصاري الخزرجي المدني"})
    await bob.post("/api/messages", bob.text(ann, "hi"))
    begins = """(name) => {
      const range = document.createRange();
      range.setStart(name.firstChild, 0);
      range.setEnd(name.firstChild, 1);
      const [letter, box] = [range.getBoundingClientRect(), name.getBoundingClientRect()];
      return name.scrollWidth > name.clientWidth && letter.left >= box.left - 1 && letter.right <= box.right + 1;
    }"""
    async with seat(browser, town.base_url, ann, viewport={"width": 320, "height": 568}) as hers:
        assert await hers.page.locator(".row-title").evaluate(begins)
        await hers.page.locator(".row").click()
        assert await hers.page.locator(".chat-title b").evaluate(begins)
        await hers.choose("hi", "Forward")
        assert await hers.page.locator(".person-text b").evaluate(begins)


async def test_a_day_of_another_year_has_its_year(town: World, browser: Browser) -> None:
    async with seat(browser, town.base_url) as hers:
        said = "async (at) => (await import('/web/app/core/times.js')).brief(at)"
        assert "2020" in await hers.page.evaluate(said, 1_590_000_000_000)


async def test_the_day_of_a_row_is_another_one_tomorrow(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    for friend in (bob, eve):
        await friend.post("/api/messages", friend.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.goes_live()
        time = hers.row(bob.username).locator("time")
        await expect(time).to_have_text(re.compile(r"^\d\d:\d\d$"))
        await hers.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 24 * 3_600_000; }")
        await eve.post("/api/messages", eve.text(ann, "good morning"))
        await expect(hers.row(eve.username)).to_contain_text("good morning")
        await expect(time).to_have_text("Yesterday")


async def test_who_looks_at_something_else_by_now_is_not_led_away(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    group = await bob.post("/api/groups", {"name": "Walks", "memberIds": [ann.user_id]})
    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.route("**/api/groups?*", lambda route: route.abort())  # what she is in, she is not told
        await hers.page.reload()
        async with late(hers.page, f"**/api/groups/{group['groupId']}") as held:
            await hers.page.goto(f"{town.base_url}/#/join/{group['groupId']}")
            await held.is_asked()
            await hers.open(bob.username)
            await held.comes()
            await hers.say("still here")
            await expect(hers.message("still here")).to_be_visible()
            await expect(hers.page.locator(".chat-head")).to_contain_text(bob.username)
        await hers.page.reload()
        await hers.open("Walks")
        await hers.page.locator(".chat-who").click()
        async with late(hers.page, "**/leave") as held:
            await hers.button("Leave group").click()
            await hers.button("Leave group", within=hers.page.get_by_role("dialog")).click()
            await held.is_asked()
            await hers.open(bob.username)
            await held.comes()
        await hers.say("and here")
        await expect(hers.message("and here")).to_be_visible()


async def test_the_favourites_that_were_looked_for_are_the_list_also_when_one_is_deleted(
    town: World, browser: Browser
) -> None:
    ann = await town.person()
    for title in ("a pear", "an apple", "another apple"):
        await ann.post("/api/favorites/custom", {"title": title, "content": "ripe"})
    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.get_by_role("link", name="Favourites").click()
        titles = hers.page.locator(".pane-list .row-title")
        await expect(titles).to_have_count(3)
        await hers.page.get_by_label("Search favourites").fill("apple")
        await expect(titles).to_have_text(["another apple", "an apple"])
        await titles.first.click()
        await hers.button("Delete").click()
        await hers.button("Delete", within=hers.page.get_by_role("dialog")).click()
        await expect(titles).to_have_text(["an apple"])


async def test_a_keyboard_stays_where_it_reacted(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        tools = hers.message("hi").locator(".tools")
        for button, emoji in (("More", "React with 👍"), ("React", "🚀")):
            await hers.button(button, within=tools).press("Enter")
            await hers.page.get_by_role("menuitem", name=emoji).press("Enter")
            await expect(hers.page.locator(".reaction", has_text=emoji[-1])).to_be_visible()
            await expect(hers.button(button, within=tools)).to_be_focused()


async def test_a_keyboard_goes_back_to_where_a_dialog_was_opened_however_it_is_closed(
    town: World, browser: Browser
) -> None:
    ann = await town.person()
    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.get_by_role("link", name="Favourites").click()
        for button in ("Close", "Cancel"):
            await hers.button("New note").press("Enter")
            await hers.button(button).press("Enter")
            await expect(hers.page.get_by_role("dialog")).to_have_count(0)
            await expect(hers.button("New note")).to_be_focused()
