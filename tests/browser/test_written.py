"""What one has written is not lost: without a connection, before a conversation has begun, and when it is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.pages import PATIENCE, Seat, seat
from tests.browser.phones import clock, eventually
from tests.client import PASSWORD, Person, World
from tests.node import started_node

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def drafts_of(person: Person) -> list[str]:
    return [line["draft"] for line in (await person.get("/api/conversations"))["conversations"]]


async def kept(person: Person, draft: str) -> None:
    """Wait until the server has it."""
    async with asyncio.timeout(2 * PATIENCE / 1000):
        while draft not in await drafts_of(person):
            await clock.sleep(0.05)


async def begin(hers: Seat, name: str) -> None:
    """Open the conversation with a friend to whom nothing was said yet."""
    await hers.page.get_by_role("link", name="People").click()
    await hers.page.locator(".pane-list .row", has_text=name).click()
    await hers.button("Message").click()


async def test_what_is_begun_without_a_connection_is_still_there_with_it_and_on_other_devices(
    town: World, browser: Browser
) -> None:
    ann, bob, eve = await town.circle(3)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    await eve.post("/api/messages", eve.text(ann, "hello"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.go_offline()
        async with hers.page.expect_event("requestfailed", lambda request: request.url.endswith("/draft")):
            await hers.field.fill("written in a tunnel")
        await hers.context.set_offline(False)
        await expect(hers.page.locator(".offline")).to_have_count(0)
        await kept(ann, "written in a tunnel")
        await hers.open(eve.username)
        await expect(hers.row(bob.username)).to_contain_text("written in a tunnel")
        await hers.open(bob.username)
        await expect(hers.field).to_have_value("written in a tunnel")
        await hers.field.press("Enter")
        await kept(ann, "")
        await expect(hers.message("written in a tunnel").get_by_label("Sent", exact=True)).to_be_visible()


async def test_what_is_begun_is_there_after_a_reload_also_when_the_server_takes_its_time(
    tmp_path: Path, browser: Browser
) -> None:
    come = asyncio.Event()
    async with started_node(tmp_path) as (node, world):
        ann, bob = await world.friends("ann", "bob")
        await bob.post("/api/messages", bob.text(ann, "hi"))
        conversations = node.services.conversations

        async def late(*args: str, at_once: Any = conversations.draft) -> None:
            await come.wait()
            await at_once(*args)

        async with seat(browser, world.base_url, ann) as hers:
            await hers.open("bob")
            await hers.goes_live()
            with patch.object(conversations, "draft", late):
                await hers.field.fill("half a thought")
                await hers.page.reload()
                await expect(hers.field).to_have_value("half a thought")
                assert await drafts_of(ann) == [""]
                come.set()
                await kept(ann, "half a thought")
            await hers.page.reload()
            await expect(hers.field).to_have_value("half a thought")


async def test_what_is_begun_to_somebody_new_waits_for_the_conversation_to_begin(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    await eve.post("/api/messages", eve.text(ann, "hello"))
    async with seat(browser, town.base_url, ann) as hers:
        await begin(hers, bob.username)
        await hers.field.fill("Dear Bob")
        await hers.page.get_by_role("link", name="Chats").click()
        await hers.open(eve.username)
        await hers.page.reload()
        await begin(hers, bob.username)
        await expect(hers.field).to_have_value("Dear Bob")
        await hers.field.press("Enter")
        await expect(hers.message("Dear Bob").get_by_label("Sent", exact=True)).to_be_visible()
        await hers.open(eve.username)
        await hers.open(bob.username)
        await expect(hers.field).to_have_value("")


async def test_an_edit_that_is_refused_stays_in_the_field(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    sent = await ann.post("/api/messages", ann.text(bob, "first"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.choose("first", "Edit")
        await hers.page.evaluate(  # what is taken back meanwhile cannot be edited
            "async (data) => (await import('/web/app/core/app.js')).client.ask('recall', data)",
            {"convId": sent["convId"], "serverMsgId": sent["serverMsgId"]},
        )
        await hers.say("first, and better")
        await expect(hers.page.locator(".note.bad")).to_be_visible()
        await expect(hers.field).to_have_value("first, and better")


async def test_what_is_too_long_is_said_to_be_and_none_of_it_lost(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    text = "word " * 3_201 + "end"
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.field.focus()
        await hers.page.evaluate("(text) => document.execCommand('insertText', false, text)", text)
        await hers.field.press("Enter")
        await expect(hers.page.locator(".note")).to_have_text(
            "A message has at most 16,000 characters; this one has 16,008."
        )
        await expect(hers.field).to_have_value(text)
        await hers.field.fill(text[8:])
        await hers.field.press("Enter")
        await eventually(
            hers.page, "(end) => document.querySelector('.message.mine .text')?.textContent.endsWith(end)", "end"
        )
        await expect(hers.field).to_have_value("")


async def test_what_was_refused_is_told_in_the_list_and_after_a_reload(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    await eve.post("/api/messages", eve.text(ann, "hello"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.go_offline()
        await hers.say("are we still friends?")
        await expect(hers.message("are we still friends?")).to_be_visible()
        await bob.delete(f"/api/friends/{ann.user_id}")
        await hers.open(eve.username)
        await hers.context.set_offline(False)
        refused = hers.row(bob.username).get_by_label("Not sent")
        await expect(refused).to_be_visible()
        await hers.page.reload()
        await expect(refused).to_be_visible()
        await expect(hers.row(eve.username).get_by_label("Not sent")).to_have_count(0)
        await hers.open(bob.username)
        await expect(hers.message("are we still friends?")).to_contain_text("You are not friends.")
        await hers.button("Discard").click()
        await expect(hers.message("are we still friends?")).to_have_count(0)
        await expect(refused).to_have_count(0)


async def test_what_was_begun_last_is_what_the_server_keeps_whatever_takes_its_time(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    asked, come = asyncio.Event(), asyncio.Event()
    told: list[str] = []

    async def late(route: Route) -> None:
        if not asked.is_set():
            asked.set()
            await come.wait()
        answer = await route.fetch()
        told.append(json.loads(route.request.post_data or "")["draft"])
        await route.fulfill(response=answer)

    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.goes_live()
        await hers.page.clock.install()
        await hers.page.route("**/draft", late)
        await hers.field.fill("half")
        await hers.page.clock.run_for(2000)
        async with asyncio.timeout(PATIENCE / 1000):
            await asked.wait()
        await hers.field.fill("half a thought")
        await hers.page.clock.run_for(2000)
        await hers.page.evaluate("() => fetch('/healthz')")
        come.set()
        async with asyncio.timeout(PATIENCE / 1000):
            while len(told) < 2:
                await clock.sleep(0.05)
        assert told == ["half", "half a thought"]
        assert await drafts_of(ann) == ["half a thought"]
        await hers.page.unroute_all(behavior="wait")


async def test_what_is_begun_on_another_device_does_not_get_into_an_edit(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    said = await ann.post("/api/messages", ann.text(bob, "first"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.goes_live()
        await hers.choose("first", "Edit")
        await expect(hers.field).to_have_value("first")
        await hers.page.get_by_role("log").focus()
        await ann.post(f"/api/conversations/{said['convId']}/draft", {"draft": "elsewhere"})
        await bob.post("/api/messages", bob.text(ann, "later"))
        await expect(hers.message("later")).to_be_visible()
        await expect(hers.field).to_have_value("first")
        await hers.field.press("Escape")
        await expect(hers.field).to_have_value("elsewhere")


async def test_what_was_refused_is_still_there_for_who_has_to_log_in_again_and_for_nobody_else(
    town: World, browser: Browser
) -> None:
    ann, bob, eve = await town.circle(3)
    said = await bob.post("/api/messages", bob.text(ann, "hi"))
    await bob.delete(f"/api/friends/{ann.user_id}")
    await eve.post("/api/messages", eve.text(ann, "one"))
    client = "(await import('/web/app/core/app.js')).client"

    async with seat(browser, town.base_url, ann) as hers:

        async def log_in_again(person: Person) -> None:
            await hers.page.evaluate(
                f"async () => {{ {client}.http.delete(`/api/users/me/devices/${{{client}.deviceId}}`); }}"
            )
            await expect(hers.page.get_by_label("Username")).to_be_visible()
            await eve.post("/api/messages", eve.text(ann, "two"))
            await hers.page.get_by_label("Username").fill(person.username)
            await hers.page.get_by_label("Password").fill(PASSWORD)
            await hers.button("Log in").click()
            await hers.goes_live()

        await hers.open(eve.username)
        await hers.goes_live()
        await hers.page.evaluate(
            f"async (conv) => {{ {client}.send('why?', {{ conv }}).catch(() => {{}}); }}", said["convId"]
        )
        refused = hers.page.locator(".pane-list").get_by_label("Not sent")
        await expect(refused).to_be_visible()
        await log_in_again(ann)
        await expect(hers.messages).to_have_text(["one", "two"])
        await expect(refused).to_be_visible()
        await log_in_again(eve)
        await expect(hers.row(ann.username)).to_be_visible()
        await expect(refused).to_have_count(0)


async def test_what_one_writes_into_a_form_stays_whatever_happens_meanwhile(town: World, browser: Browser) -> None:
    ann, bob = await town.person(), await town.person()
    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.goto(f"{town.base_url}/#/settings/profile")
        await hers.goes_live()
        await hers.page.get_by_label("Name that others see").fill("Ann the")
        await bob.post("/api/friends", {"friendId": ann.user_id})
        await expect(hers.page.get_by_label("People, 1 new")).to_be_visible()
        await expect(hers.page.get_by_label("Name that others see")).to_have_value("Ann the")

        await hers.page.get_by_role("link", name="Favourites").click()
        await hers.button("New note").click()
        title = hers.page.get_by_role("dialog").get_by_role("textbox")
        await title.fill("Milk")
        await hers.page.evaluate("async () => (await import('/web/app/views/overlay.js')).note('by the way')")
        await expect(hers.page.get_by_text("by the way")).to_be_visible()
        await expect(title).to_have_value("Milk")
