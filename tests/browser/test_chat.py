"""Two people at two browsers talk."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.pages import seat
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_people_talk_and_see_that_they_are_read(town: World, browser: Browser) -> None:
    ann, bob = await town.friends("ann", "bob")
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob) as his:
        await hers.button("Begin something").click()
        await hers.page.get_by_role("menuitem", name="New conversation").click()
        await hers.page.get_by_role("dialog").get_by_role("button", name="bob").click()
        await hers.say("hello bob")
        await expect(hers.message("hello bob").get_by_label("Sent", exact=True)).to_be_visible()

        await expect(his.row("ann")).to_contain_text("hello bob")
        await expect(his.row("ann").get_by_label("1 unread")).to_be_visible()
        await his.open("ann")
        await expect(his.row("ann").get_by_label("1 unread")).to_have_count(0)
        await expect(hers.message("hello bob").get_by_label("Read")).to_be_visible()

        await his.field.press_sequentially("hello ann")
        await expect(hers.page.locator(".chat-head")).to_contain_text("typing")
        await his.field.press("Enter")
        await expect(hers.message("hello ann")).to_be_visible()
        await expect(his.message("hello ann").get_by_label("Read")).to_be_visible()
        assert (
            await hers.messages.all_inner_texts() == await his.messages.all_inner_texts() == ["hello bob", "hello ann"]
        )
