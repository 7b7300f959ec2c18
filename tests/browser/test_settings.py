"""People one has blocked, and pushes to a browser whose page is closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, expect

from tests.browser.pages import PATIENCE, seat
from tests.browser.phones import clock
from tests.client import Person, World
from tests.e2e import browser as web_push
from tests.node import started_node
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A browser of a test has no push service: this is the subscription that it would have made, and would have still when
# another page is opened.
SUBSCRIBED = """
const kept = { toJSON: () => (SUBSCRIPTION), unsubscribe: async () => { window.isUnsubscribed = true; } };
if (window.PushManager) {
  PushManager.prototype.subscribe = async (options) => {
    localStorage.setItem("subscribed", "yes");
    window.subscribedWith = options;
    return kept;
  };
  PushManager.prototype.getSubscription = async () => (localStorage.getItem("subscribed") ? kept : null);
}
"""
SHOWN = """
async () => {
  const notes = await self.registration.getNotifications();
  return notes.map(({title, body, tag}) => ({title, body, tag}));
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[Receiver]:
    """A push service."""
    async with receiving() as each:
        each.answer = lambda _: (201, b"")
        yield each


async def test_people_who_are_blocked_are_listed_and_let_back_in(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await ann.post(f"/api/blocks/{bob.user_id}")
    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.goto(f"{town.base_url}/#/settings/blocked")
        await hers.button(f"Unblock {bob.username}").click()
        await expect(hers.page.get_by_text("You have blocked nobody.")).to_be_visible()
        assert (await ann.get("/api/blocks"))["blocks"] == []
        await hers.page.goto(f"{town.base_url}/#/settings/account")
        await hers.page.get_by_label("Current password").fill("not the password")
        await hers.page.get_by_label("New password").fill("another password")
        await hers.button("Change password").click()
        await expect(hers.page.locator(".note.bad")).to_have_text("The current password is wrong.")


async def deliver(context: BrowserContext, page: Page, origin: str, data: Any) -> None:
    """What the browser does with a push that it got."""
    cdp = await context.new_cdp_session(page)
    push = {"origin": origin, "registrationId": await registration_of(cdp), "data": json.dumps(data)}
    await cdp.send("ServiceWorker.deliverPushMessage", push)


async def registration_of(cdp: CDPSession) -> str:
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def take(event: dict[str, Any]) -> None:
        if event["registrations"] and not found.done():
            found.set_result(event["registrations"][0]["registrationId"])

    cdp.on("ServiceWorker.workerRegistrationUpdated", take)
    await cdp.send("ServiceWorker.enable")
    async with asyncio.timeout(20):
        return await found


async def shown(context: BrowserContext) -> Any:
    """The notifications, as soon as there are any; asked of the worker, as a page that is open keeps them away."""
    async with asyncio.timeout(2 * PATIENCE / 1000):
        while True:
            for worker in context.service_workers:
                if notes := await worker.evaluate(SHOWN):
                    return notes
            await clock.sleep(0.1)


async def is_gone(person: Person) -> None:
    """Wait until the server knows that no device of somebody is connected."""
    async with asyncio.timeout(2 * PATIENCE / 1000):
        while any(each["online"] for each in (await person.get("/api/users/me/devices"))["devices"]):
            await clock.sleep(0.05)


async def test_a_browser_whose_page_is_closed_is_told_once_it_is_switched_on(
    tmp_path: Path, browser: Browser, service: Receiver
) -> None:
    settings = {"web_push": True, "vapid_subject": "mailto:ops@goim.test", "allow_private": ["127.0.0.1"]}
    theirs = web_push.Browser(service.url("/sub"))
    script = SUBSCRIBED.replace("SUBSCRIPTION", json.dumps(theirs.registration()))
    async with started_node(tmp_path, push={**settings, "show_content": True}) as (_, world):
        ann, bob = await world.friends("ann", "bob")
        async with seat(browser, world.base_url, bob, script=script) as his:
            await his.context.grant_permissions(["notifications"])
            await his.page.goto(f"{world.base_url}/#/settings/notify")
            switch = his.page.get_by_role("switch", name="Also when the page is closed")
            await expect(switch).not_to_be_checked()
            await switch.click()
            await his.page.wait_for_function("() => localStorage.getItem('goim.push')")
            key = (await bob.get("/api/users/me/push/key"))["publicKey"]
            assert await his.page.evaluate("() => window.subscribedWith.applicationServerKey") == key
            await his.page.reload()
            await his.page.wait_for_function("() => window.subscribedWith")  # anew at each start
            await expect(switch).to_be_checked()

            await his.page.goto("about:blank")  # the page is closed
            await is_gone(bob)
            sent = await ann.post("/api/messages", ann.text(bob, "are you there?"))
            [got] = await service.until(1)
            push = theirs.read(got)
            await deliver(his.context, his.page, world.base_url, push)
            assert await shown(his.context) == [{"title": "ann", "body": "are you there?", "tag": sent["convId"]}]

            await his.page.goto(f"{world.base_url}/#/settings/notify")
            await switch.click()
            await his.page.wait_for_function("() => window.isUnsubscribed")
            await expect(switch).not_to_be_checked()
