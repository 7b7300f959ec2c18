"""Who reloads the page during a call goes back into it, or hears that it is over."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.phones import sees, two_at_phones
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_who_reloads_goes_back_into_the_call_whoever_called(town: World, equipped: Browser) -> None:
    async with two_at_phones(equipped, town) as (_, _, hers, his):
        await hers.button("Call with video").click()
        await his.button("Accept").click()
        for side in (hers, his):
            await sees(side)
        for away in (his, hers):
            await away.page.reload()
            await expect(away.page.get_by_role("dialog").get_by_text("You were in this call")).to_be_visible()
            await expect(away.button("Go back into the call")).to_be_focused()
            await away.page.keyboard.press("Enter")
            for side in (hers, his):
                await sees(side)

        await hers.page.goto(f"{town.base_url}/healthz")
        await his.button("Hang up").click()
        await expect(his.page.locator(".message .call")).to_contain_text("Ended")  # the server knows
        await hers.page.goto(town.base_url)
        await expect(hers.page.get_by_role("dialog").get_by_text("The call ended while you were away.")).to_be_visible()
        await hers.button("Close").click()
        await hers.page.reload()
        await expect(hers.page.get_by_role("heading", name="Chats")).to_be_visible()
        assert await hers.page.evaluate("() => localStorage.getItem('goim.call')") is None
