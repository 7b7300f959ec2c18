"""Every view of the client, as axe-core sees it: nothing serious, light and dark, large and small, in both languages.

Any two of look, size and language come together in one of the four rounds.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, ViewportSize, expect

from tests.browser.axe import faults
from tests.browser.pages import LAPTOP, PHONE, Seat, seat
from tests.browser.shots import Village
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUNDS = pytest.mark.parametrize(
    ("scheme", "size", "locale"),
    [
        pytest.param("light", LAPTOP, "en-GB", id="light-laptop-en"),
        pytest.param("dark", LAPTOP, "zh-CN", id="dark-laptop-zh"),
        pytest.param("light", PHONE, "zh-CN", id="light-phone-zh"),
        pytest.param("dark", PHONE, "en-GB", id="dark-phone-en"),
    ],
)
TEXT = "async (name) => (await import('/web/app/core/i18n.js')).t(name)"

# What moves is at its end, or, if it goes on for ever, at its beginning.
SETTLE = """() => document.getAnimations().forEach((each) =>
  each.effect.getComputedTiming().endTime === Infinity ? each.cancel() : each.finish())"""


@dataclass
class Round:
    """Somebody who goes from view to view, and what was found so far."""

    taken: Seat
    url: str
    found: list[str]

    async def look(self, view: str) -> None:
        await self.taken.page.evaluate(SETTLE)
        self.found += [f"{view}: {each}" for each in await faults(self.taken.page)]

    async def go(self, place: str, sign: str) -> None:
        """To a place by its address, until the sign of it is there."""
        await self.taken.page.goto(f"{self.url}/#/{place}")
        await expect(self.taken.page.locator(sign).first).to_be_visible()

    async def press(self, text: str, *, within: str = "body") -> None:
        """The button of this name, in whatever language."""
        await (await self.named("button", text, within)).first.click()

    async def named(self, role: Any, text: str, within: str = "body") -> Locator:
        name = await self.taken.page.evaluate(TEXT, text)
        return self.taken.page.locator(within).get_by_role(role, name=name, exact=True)

    async def away(self, sign: str) -> None:
        await self.taken.page.keyboard.press("Escape")
        await expect(self.taken.page.locator(sign)).to_have_count(0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def village(town: World) -> Village:
    """People who have talked of everything, and somebody who asks to be a friend."""
    settled = Village(town)
    await settled.settle()
    await settled.talk()
    await settled.stream()
    stranger = await town.person("stranger")
    await stranger.post("/api/friends", {"friendId": settled.people["mara"].user_id})
    await settled.people["mara"].post("/api/favorites/custom", {"title": "Wifi", "content": "It is on the fridge"})
    return settled


@contextlib.asynccontextmanager
async def going(browser: Browser, village: Village, **options: Any) -> AsyncIterator[Round]:
    """Mara goes round; at the end nothing may have been found."""
    found: list[str] = []
    async with seat(browser, village.world.base_url, village.people["mara"], **options) as taken:
        yield Round(taken, village.world.base_url, found)
    assert not found, "\n".join(found)


@ROUNDS
async def test_who_comes_in(town: World, browser: Browser, scheme: Any, size: ViewportSize, locale: str) -> None:
    found: list[str] = []
    async with seat(browser, town.base_url, color_scheme=scheme, viewport=size, locale=locale) as taken:
        here = Round(taken, town.base_url, found)
        await here.look("login")
        await here.press("login.enter")
        await taken.page.get_by_role("textbox").first.fill("nobody")
        await taken.page.locator("input[type=password]").fill("not the password")
        await here.press("login.enter")
        await expect(taken.page.get_by_role("alert")).not_to_be_empty()
        await here.look("refused")
        await here.press("login.create")
        await expect(taken.page.locator("input[name=nickname]")).to_be_visible()
        await here.look("register")
    assert not found, "\n".join(found)


@ROUNDS
async def test_what_is_said(village: Village, browser: Browser, scheme: Any, size: ViewportSize, locale: str) -> None:
    async with going(browser, village, color_scheme=scheme, viewport=size, locale=locale) as here:
        page = here.taken.page
        await here.go("chats", ".pane-list .row[data-conv]")
        await here.look("list")
        await page.locator(".pane-list input[type=search]").fill("release")
        await expect(page.locator(".pane-list .row").first).to_be_visible()
        await here.look("search")
        for conv in (village.group, await village.conv_with("assistant")):
            await here.go(f"chats/{conv}", ".message")
            await expect(page.locator(".message .image img, .message .stream").first).to_be_visible()
            await here.look("conversation")
        await here.go(f"chats/{village.group}", ".message .image")
        await page.locator(".message .text").last.click(button="right")
        await expect(page.get_by_role("menu")).to_be_visible()
        await here.look("menu of a message")
        await here.away("[role=menu]")
        for name, sign in (("attach.label", "[role=menu]"), ("emoji.label", "[role=menu]")):
            await here.press(name)
            await expect(page.locator(sign)).to_be_visible()
            await here.look(name)
            await here.away(sign)
        await here.press("chat.search")
        await page.locator(".chat-search input").fill("launch")
        await expect(page.locator(".found li").first).to_be_visible()
        await here.look("search in a conversation")
        await page.keyboard.press("Escape")
        await page.locator(".message .image").click()
        await expect(page.locator(".big-image img")).to_be_visible()
        await here.look("picture")
        await here.away("dialog")
        await page.locator(".chat-who").click()
        await expect(page.locator(".pane-details .people .person").nth(3)).to_be_visible()
        await here.look("details")
        await page.locator(".pane-details .notices button").click()
        await expect(page.locator("dialog")).to_be_visible()
        await here.look("notice")
        await here.away("dialog")
        await here.press("group.leave", within=".pane-details")
        await expect(page.locator("dialog")).to_be_visible()
        await here.look("are you sure?")
        await here.away("dialog")


@ROUNDS
async def test_everything_else(
    village: Village, browser: Browser, scheme: Any, size: ViewportSize, locale: str
) -> None:
    async with going(browser, village, color_scheme=scheme, viewport=size, locale=locale) as here:
        page = here.taken.page
        await here.go("people", ".pane-list .person-row")
        await here.look("people")
        await here.go(f"people/{village.people['tomas'].user_id}", ".pane-main .profile-head")
        await here.look("person")
        await here.go("saved", ".pane-list .row")
        await here.look("favourites")
        await page.locator(".pane-list .row").first.click()
        await expect(page.locator(".saved-content")).to_be_visible()
        await here.look("favourite")
        await here.go("settings", ".pane-list .setting")
        await here.look("settings")
        sections = await page.locator(".setting").evaluate_all("all => all.map(({hash}) => hash.split('/')[2])")
        assert len(sections) >= 4
        for section in sections:
            await here.go(f"settings/{section}", ".page-body > *")
            await here.look(section)
        for text, sign in (("new.chat", "dialog .people"), ("new.group", "dialog form")):
            await here.go("chats", ".pane-list .row[data-conv]")
            await here.press("new.label")
            await (await here.named("menuitem", text)).click()
            await expect(page.locator(sign).first).to_be_visible()
            await here.look(text)
            await here.away("dialog")
        await here.taken.context.set_offline(True)
        await expect(page.locator(".offline")).to_be_visible()
        await here.look("offline")


@ROUNDS
async def test_calls(village: Village, equipped: Browser, scheme: Any, size: ViewportSize, locale: str) -> None:
    jonas = village.devices["jonas"]
    async with going(equipped, village, color_scheme=scheme, viewport=size, locale=locale) as here:
        page = here.taken.page
        await here.go(f"chats/{await village.conv_with('jonas')}", ".chat-head")
        await here.press("voice.record")
        await expect(page.get_by_role("timer")).to_be_visible()
        await here.look("recording")
        await page.keyboard.press("Escape")
        await here.press("call.start_video")
        await expect(page.locator(".call-sheet video")).to_be_visible()
        await here.look("ringing")
        call_id = (await jonas.push("call_incoming"))["callId"]
        await jonas.ask("call_answer", {"callId": call_id})
        await expect(page.locator(".call-sheet.connecting")).to_be_visible()
        await here.look("connecting")
        await here.press("call.hang_up")
        await expect(page.locator(".call-sheet.ended")).to_be_visible()
        await here.look("ended")
        await here.press("do.close", within=".call-sheet")
        await jonas.ask("call_start", {"to": village.people["mara"].user_id, "type": "audio"})
        await expect(page.locator(".call-sheet.incoming")).to_be_visible()
        await here.look("called")
        await here.press("call.reject")
        await expect(page.locator(".call-sheet.ended")).to_be_visible()


async def test_a_fault_would_be_found(town: World, browser: Browser) -> None:
    async with seat(browser, town.base_url) as taken:
        await taken.page.locator("form label").first.evaluate(
            "label => label.replaceWith(label.querySelector('input'))"
        )
        await taken.page.locator(".login-hint").evaluate("hint => hint.style.color = '#ddd'")
        found = await faults(taken.page)
    assert {each.partition(":")[0] for each in found} == {"label-title-only", "color-contrast"}
