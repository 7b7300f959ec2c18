"""Whom and what one looks for: who said what, who is no friend any more or not spoken to yet, what has no spaces."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.pages import seat
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_friend_is_found_among_the_conversations_before_there_is_one(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    await bob.put("/api/users/me", {"nickname": "Robert"})
    await eve.put("/api/users/me", {"nickname": "Roberta"})
    await eve.post("/api/messages", eve.text(ann, "hello"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.get_by_label("Search", exact=True).fill("robert")
        await expect(hers.row("Roberta")).to_have_count(1)  # with whom there is one
        await expect(hers.page.locator(".pane-list .person")).to_have_text([r"RRobert"])
        await hers.page.locator(".pane-list .person").click()
        await expect(hers.page.locator(".chat-head")).to_contain_text("Robert")
        await hers.say("good morning")  # without the word: a search that is late would find it
        await expect(hers.row("Robert")).to_have_count(2)
        await expect(hers.page.locator(".pane-list .person")).to_have_count(0)


async def test_an_answer_that_comes_late_puts_nobody_out(town: World, browser: Browser) -> None:
    ann, bob, eve = [await town.person() for _ in range(3)]
    for friend in (bob, eve):
        await ann.post("/api/friends", {"friendId": friend.user_id})
    asked, come = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        if not asked.is_set():
            asked.set()
            await come.wait()
        await route.fulfill(response=answer)

    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.get_by_role("link", name="People").click()
        await hers.goes_live()
        await expect(hers.page.get_by_text("No friends yet.")).to_be_visible()
        await hers.page.route("**/api/friends?*", late)
        await bob.post("/api/friends", {"friendId": ann.user_id})
        async with asyncio.timeout(20):
            await asked.wait()
        await eve.post("/api/friends", {"friendId": ann.user_id})
        friends = hers.page.locator(".pane-list .row-title")
        await expect(friends).to_have_text([bob.username, eve.username])
        async with hers.page.expect_event("requestfinished", lambda request: "/api/friends?" in request.url):
            come.set()
        await hers.page.evaluate("() => fetch('/healthz')")  # that answer has been taken by now
        await expect(friends).to_have_text([bob.username, eve.username])
        await hers.page.unroute_all(behavior="wait")


async def test_conversations_that_begin_at_the_same_moment_are_all_listed(town: World, browser: Browser) -> None:
    ann, bob, eve, kim = await town.circle(4)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    asked, come = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await come.wait()
        await route.fulfill(response=answer)

    async with seat(browser, town.base_url, ann) as hers:
        await hers.goes_live()
        await hers.page.route("**/api/conversations?limit=50", late)
        await eve.post("/api/messages", eve.text(ann, "one"))
        async with asyncio.timeout(20):
            await asked.wait()
        await kim.post("/api/messages", kim.text(ann, "two"))  # of which that answer knows nothing
        await bob.post("/api/messages", bob.text(ann, "three"))
        await expect(hers.row(bob.username)).to_contain_text("three")
        come.set()
        for friend, text, unread in ((eve, "one", 1), (kim, "two", 1), (bob, "three", 2)):
            await expect(hers.row(friend.username).locator(".row-last")).to_have_text(text)
            await expect(hers.row(friend.username).get_by_label(f"{unread} unread")).to_be_visible()
        await hers.page.unroute_all(behavior="wait")


async def test_a_conversation_that_begins_is_listed_below_however_many_pinned_ones(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    for number in range(51):
        group = await ann.post("/api/groups", {"name": f"Group {number}"})
        await ann.post(f"/api/conversations/{group['convId']}/pin", {"pinned": True})
    async with seat(browser, town.base_url, ann) as hers:
        await hers.goes_live()
        await expect(hers.row("Group 50")).to_be_attached()
        await bob.post("/api/messages", bob.text(ann, "hi"))
        await expect(hers.row(bob.username)).to_be_attached()


async def test_what_is_written_without_spaces_is_understood(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.put("/api/users/me", {"nickname": "陈伟"})
    group = await ann.post("/api/groups", {"name": "讨论", "memberIds": [bob.user_id]})
    where = {"convType": "group", "groupId": group["groupId"], "type": "text"}
    await bob.post("/api/messages", {**where, "payload": {"text": "见https://example.org/中文/a?b=1，请看一下"}})
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open("讨论")
        link = hers.page.locator(".message .text a")
        await expect(link).to_have_text("https://example.org/中文/a?b=1")
        await hers.field.press_sequentially("你好@陈")
        await hers.page.get_by_role("option", name="陈伟").click()
        await expect(hers.field).to_have_value("你好@陈伟 ")
        await hers.field.fill("write to ann@example")
        await expect(hers.page.get_by_role("option")).to_have_count(0)  # an address calls nobody
        await hers.field.fill("")
        await hers.page.get_by_label("Search", exact=True).fill("看")
        await expect(hers.page.locator(".pane-list .row", has_text="请看一下")).to_be_visible()


async def test_who_reads_with_the_ears_hears_who_said_what(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "tea?"))
    await ann.post("/api/messages", ann.text(bob, "please"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await expect(hers.page.get_by_role("article", name=bob.username)).to_contain_text("tea?")
        await expect(hers.page.get_by_role("article", name="You")).to_contain_text("please")


async def test_who_is_no_friend_any_more_is_asked_again_where_one_talked(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.page.locator(".chat-who").click()
        add = hers.page.locator(".pane-details").get_by_role("button", name="Add", exact=True)
        await expect(hers.page.locator(".pane-details h2", has_text=bob.username)).to_be_visible()
        await expect(hers.button("Remove friend")).to_be_visible()  # the list of friends has come
        await expect(add).to_have_count(0)
        await bob.delete(f"/api/friends/{ann.user_id}")
        await add.click()
        await expect(hers.page.locator(".pane-details").get_by_role("button", name="Asked")).to_be_disabled()
        assert [one["userId"] for one in (await bob.get("/api/friends/requests"))["requests"]] == [ann.user_id]
