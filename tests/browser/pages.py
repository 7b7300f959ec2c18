"""People at real browsers: pages of the web client, each in a profile of its own, and what one does in them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, StorageState, expect

from tests.client import PASSWORD, Person

PATIENCE = 20_000
LAPTOP = {"width": 1280, "height": 820}
PHONE = {"width": 390, "height": 844}
LISTEN = """
() => { window.isOffline = new Promise((told) => addEventListener("offline", () => told(true), { once: true })); }
"""
TOLD = "() => Promise.race([window.isOffline, new Promise((wait) => setTimeout(wait, 5000, false))])"
LIVE = """
async () => {
  const { client } = await import("/web/app/core/app.js");
  if (!client.isConnected) await client.once("connected");
}
"""


@dataclass
class Seat:
    """Somebody at a browser. What the browser complains of is kept: a test fails for it."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def goes_live(self) -> None:
        """Wait for the connection, before which a page shows what there is: pushes arrive from now on."""
        async with asyncio.timeout(2 * PATIENCE / 1000):
            await self.page.evaluate(LIVE)

    async def go_offline(self) -> None:
        """Lose the network, and see that the page has noticed: from when the browser tells it, which is asked again."""
        await self.page.evaluate(LISTEN)
        await self.context.set_offline(True)
        for _ in range(3):
            if await self.page.evaluate(TOLD):
                break
            await self.context.set_offline(False)
            await self.context.set_offline(True)
        await expect(self.page.locator(".offline")).to_be_visible()

    # finding

    def button(self, name: str, *, within: Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=name, exact=True)

    def row(self, title: str) -> Locator:
        """A line of the list."""
        return self.page.locator(".pane-list .row", has=self.page.locator(".row-title", has_text=title))

    def message(self, text: str) -> Locator:
        """The message that says this."""
        said = self.page.locator(".text", has_text=re.compile(rf"^\s*{re.escape(text)}\s*$"))
        return self.page.locator(".message", has=said)

    @property
    def messages(self) -> Locator:
        return self.page.locator(".message .text")

    @property
    def field(self) -> Locator:
        return self.page.get_by_label("Write a message")

    # doing

    async def open(self, title: str) -> None:
        await self.row(title).first.click()
        await expect(self.page.locator(".chat-head")).to_contain_text(title)

    async def say(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def choose(self, text: str, item: str) -> None:
        """An entry of a message's menu."""
        await self.message(text).and_(self.page.locator("[data-seq]")).click(button="right")  # one that is stored
        await self.page.get_by_role("menuitem", name=item).click()


@contextlib.asynccontextmanager
async def seat(
    browser: Browser, url: str, person: Person | None = None, *, script: str = "", **options: Any
) -> AsyncIterator[Seat]:
    """A browser window at the client, somebody logged in, `script` run before the page's own. At the end nothing may
    have been complained of."""
    if person is not None:
        options["storage_state"] = await _kept(url, person)
    context = await browser.new_context(**{"viewport": LAPTOP, "locale": "en-GB", **options})
    context.set_default_timeout(PATIENCE)
    if script:
        await context.add_init_script(script)
    page = await context.new_page()
    taken = Seat(page, context)
    page.on("console", taken.hear)
    page.on("pageerror", lambda error: taken.complaints.append(str(error)))
    try:
        await page.goto(url)
        yield taken
        unexpected = [text for text in taken.complaints if not _is_expected(text)]
        assert not unexpected, unexpected
    finally:
        await context.close()


async def _kept(url: str, person: Person) -> StorageState:
    """What the client keeps of somebody who has logged in at this browser before."""
    device = f"web-{secrets.token_hex(8)}"
    login = {"username": person.username, "password": PASSWORD, "deviceId": device}
    answer = await person.post("/api/login", login)
    session = {key: answer[key] for key in ("token", "refreshToken", "userId")}
    value = json.dumps(session | {"username": person.username, "deviceId": device})
    return {"origins": [{"origin": url, "localStorage": [{"name": "goim.session", "value": value}]}]}


def _is_expected(text: str) -> bool:
    """What the browser says of requests and sockets that fail on purpose: a network that is gone, a refusal."""
    return bool(re.search(r"Failed to load resource|WebSocket connection to .* failed|ERR_INTERNET_DISCONNECTED", text))
