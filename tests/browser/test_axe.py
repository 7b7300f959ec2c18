"""Every view of the client, as axe-core sees it: nothing serious, light and dark, on a laptop and on a phone, in two
languages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.browser.axe import COLOURS, faults
from tests.browser.pages import LAPTOP, PHONE, Seat, seat
from tests.browser.phones import WATCH, puts_away, sees
from tests.browser.shots import Village
from tests.client import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

LARGE = {"viewport": LAPTOP, "locale": "en-GB", "color_scheme": "light"}
SMALL = {"viewport": PHONE, "locale": "zh-CN", "color_scheme": "light"}
TEXT = "async (name) => (await import('/web/app/core/i18n.js')).t(name)"
OTHER_SCHEME = {"light": "dark", "dark": "light"}


@dataclass
class Round:
    """Somebody who goes from view to view, and what was found so far."""

    taken: Seat
    url: str
    scheme: Any = "light"
    other: dict[str, Any] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def is_fine(self) -> None:
        found, self.found = self.found, []
        assert not found, "\n".join(found)

    async def look(self, view: str) -> None:
        """As it stands; and in the colours of the other look, in which it differs by nothing else."""
        await self.look_by(view, None)
        self.scheme = OTHER_SCHEME[self.scheme]
        await self.taken.page.emulate_media(color_scheme=self.scheme)
        await self.look_by(view, COLOURS)

    async def look_by(self, view: str, rules: list[str] | None) -> None:
        found = await faults(self.taken.page, rules)
        self.found += [f"{view}, {self.scheme}: {each}" for each in found]

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

    async def reply(self, text: str) -> None:
        """Say something, in whatever language the field asks for it."""
        box = self.taken.page.locator(".composer textarea")
        await box.fill(text)
        await box.press("Enter")


@contextlib.asynccontextmanager
async def going(browser: Browser, url: str, how: dict[str, Any], person: Person | None = None) -> AsyncIterator[Round]:
    """Somebody goes round; at the end nothing may have been found."""
    async with seat(browser, url, person, script=WATCH, **how) as taken:
        here = Round(taken, url)
        yield here
    here.is_fine()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def village(town: World) -> Village:
    """People who have talked of everything, somebody who asks to be a friend, and somebody who may not."""
    settled = Village(town)
    await settled.settle()
    await settled.talk()
    await settled.stream()
    mara = settled.people["mara"]
    stranger, nuisance = await town.person("stranger"), await town.person("nuisance")
    await stranger.post("/api/friends", {"friendId": mara.user_id})
    await mara.post(f"/api/blocks/{nuisance.user_id}")
    await mara.post("/api/favorites/custom", {"title": "Wifi", "content": "It is on the fridge"})
    return settled


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="session",
    params=[pytest.param((LARGE, SMALL), id="laptop"), pytest.param((SMALL, LARGE), id="phone")],
)
async def mara(village: Village, equipped: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Round]:
    """Mara at one page for all that she looks at. Whom she calls has the other size."""
    looks, other = request.param
    async with going(equipped, village.world.base_url, looks, village.people["mara"]) as here:
        here.other = other
        yield here


@pytest.fixture
def here(mara: Round) -> Iterator[Round]:
    yield mara
    mara.is_fine()


@pytest.mark.parametrize("looks", [pytest.param(LARGE, id="laptop"), pytest.param(SMALL, id="phone")])
async def test_who_comes_in(town: World, equipped: Browser, looks: dict[str, Any]) -> None:
    async with going(equipped, town.base_url, looks) as here:
        page = here.taken.page
        await here.look("login")
        await page.get_by_role("textbox").first.fill("nobody")
        await page.locator("input[type=password]").fill("not the password")
        await here.press("login.enter")
        await expect(page.get_by_role("alert")).not_to_be_empty()
        await here.look("refused")
        await here.press("login.create")
        await expect(page.locator("input[name=nickname]")).to_be_visible()
        await here.look("register")


async def test_what_is_said(village: Village, here: Round) -> None:
    page = here.taken.page
    await here.go("chats", ".pane-list .row[data-conv]")
    await here.look("list")
    await page.locator(".pane-list input[type=search]").fill("release")
    await expect(page.locator(".pane-list .row").first).to_be_visible()
    await here.look("search")
    for conv in (await village.conv_with("assistant"), village.group):
        await here.go(f"chats/{conv}", ".message .image img, .message .stream")
        await here.look("conversation")
    await page.locator(".message .text").last.click(button="right")
    await expect(page.get_by_role("menu")).to_be_visible()
    await here.look("menu of a message")
    await (await here.named("menuitem", "do.forward")).click()
    await page.get_by_role("checkbox").first.check()
    await here.look("to whom it is passed on")
    await here.away("dialog")
    for name in ("attach.label", "emoji.label"):
        await here.press(name)
        await expect(page.get_by_role("menu")).to_be_visible()
        await here.look(name)
        await here.away("[role=menu]")
    await here.press("chat.search")
    await page.locator(".chat-search input").fill("launch")
    await expect(page.locator(".found li").first).to_be_visible()
    await here.look("search in a conversation")
    await page.keyboard.press("Escape")
    await page.locator(".message .image").click()
    await expect(page.locator(".big-image img")).to_be_visible()
    await here.look("picture")
    await here.away("dialog")


async def test_what_is_known_of_a_group(village: Village, here: Round) -> None:
    page = here.taken.page
    await here.go(f"chats/{village.group}", ".message .image")
    await page.locator(".chat-who").click()
    await expect(page.locator(".pane-details .people .person").nth(3)).to_be_visible()
    await here.look("details")
    await page.locator(".pane-details .notices button").click()
    await expect(page.locator("dialog")).to_be_visible()
    await here.look("notice")
    await here.away("dialog")
    await here.press("group.disband", within=".pane-details")
    await expect(page.locator("dialog")).to_be_visible()
    await here.look("are you sure?")
    await here.away("dialog")


async def test_what_does_not_stay(village: Village, here: Round) -> None:
    page, said = here.taken.page, village.pair("mara")
    await village.say("wei", said, "4711", burnAfterRead=True)
    await here.go(f"chats/{await village.conv_with('wei')}", ".cover")
    await here.press("attach.label")
    await (await here.named("menuitem", "fade.label")).click()
    await here.look("how long it stays")
    await (await here.named("menuitem", "fade.burn")).click()
    await here.reply("5822")
    await expect(page.locator(".message.mine .fading-sign").last).to_be_visible()
    await here.look("what disappears")
    await expect(page.locator(".cover")).to_have_count(0)  # an answer has read what it answers
    await village.say("wei", said, "6933", burnAfterRead=True)
    await page.locator(".cover").click()
    await expect(page.locator(".burning")).to_be_visible()
    await here.look("what is being read")
    await here.press("fade.off")


async def test_people_and_favourites(village: Village, here: Round) -> None:
    page = here.taken.page
    await here.go("people", ".pane-list .person-row")
    await here.look("people")
    await here.go(f"people/{village.people['tomas'].user_id}", ".pane-main .profile-head")
    await here.look("person")
    await here.go("saved", ".pane-list .saved-icon")
    await here.look("favourites")
    await page.locator(".pane-list .row").first.click()
    await expect(page.locator(".saved-content")).to_be_visible()
    await here.look("favourite")
    for text, sign in (("new.chat", "dialog .people"), ("new.group", "dialog form")):
        await here.go("chats", ".pane-list .row[data-conv]")
        await here.press("new.label")
        await (await here.named("menuitem", text)).click()
        await expect(page.locator(sign).first).to_be_visible()
        await here.look(text)
        await here.away("dialog")


SIGNS = {"profile": ".profile-head", "devices": ".person-row", "blocked": ".person-row"}


async def test_settings(here: Round) -> None:
    page = here.taken.page
    await here.go("settings", ".pane-list .setting")
    await here.look("settings")
    sections = await page.locator(".setting").evaluate_all("all => all.map(({hash}) => hash.split('/')[2])")
    assert SIGNS.keys() < set(sections)
    for section in sections:
        await here.go(f"settings/{section}", f".page-body {SIGNS.get(section, '> *')}")
        await here.look(section)
    await here.go("settings/media", ".page-body .device-field")
    await here.press("media.try")
    await expect(page.locator(".trial-film")).to_be_visible()
    await here.look("microphone and camera are tried")
    await here.press("media.stop")


async def test_calls_that_ring(village: Village, here: Round) -> None:
    page, jonas = here.taken.page, village.devices["jonas"]
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
    await puts_away(here.taken)
    await jonas.ask("call_start", {"to": village.people["mara"].user_id, "type": "audio"})
    await expect(page.locator(".call-sheet.incoming")).to_be_visible()
    await here.look("called")
    await here.press("call.reject")
    await puts_away(here.taken)


async def test_a_call_that_stands(village: Village, equipped: Browser, here: Round) -> None:
    """One by sound from the laptop, one with pictures from the phone; it is looked at from both ends."""
    kind = "audio" if here.other is SMALL else "video"
    tomas = village.people["tomas"]
    await village.say("mara", village.pair("tomas"), "Do you have a minute?")
    async with going(equipped, here.url, here.other, tomas) as there:
        await there.taken.page.locator(".pane-list .row[data-conv]").first.click()  # a page never touched may not ring
        await here.go(f"chats/{await village.conv_with('tomas')}", ".chat-head")
        await here.press(f"call.start_{kind}")
        await there.press("call.accept")
        for side in (here, there):
            await expect(side.taken.page.get_by_role("timer")).to_be_visible()
            if kind == "video":
                await sees(side.taken)
            await side.press("call.mute")
            await side.look(f"a call, {kind}")
        await there.press("media.label")
        await expect(there.taken.page.locator("dialog.dialog")).to_be_visible()
        await there.look(f"devices during a call, {kind}")
        await there.away("dialog.dialog")
        await there.press("call.hang_up")
        await puts_away(here.taken)


async def test_without_a_connection_and_elsewhere(here: Round) -> None:
    page, context = here.taken.page, here.taken.context
    await here.go("chats", ".pane-list .row[data-conv]")
    await here.taken.go_offline()
    await here.look("offline")
    await context.set_offline(False)
    await expect(page.locator(".offline")).to_have_count(0)
    other = await context.new_page()
    await other.goto(here.url)
    await expect(page.locator(".login-card")).to_be_visible()
    await here.look("elsewhere")


async def test_a_fault_would_be_found(town: World, equipped: Browser) -> None:
    async with seat(equipped, town.base_url) as taken:
        await taken.page.locator("form label").first.evaluate(
            "label => label.replaceWith(label.querySelector('input'))"
        )
        await taken.page.locator(".login-hint").evaluate("hint => hint.style.color = '#ddd'")
        found = await faults(taken.page)
    assert {each.partition(":")[0] for each in found} == {"label-title-only", "color-contrast"}
