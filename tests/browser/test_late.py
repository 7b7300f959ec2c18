"""Answers that come late: what was asked for earlier does not undo what was heard since."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, WebSocketRoute, expect

from tests.browser.late import late
from tests.browser.pages import Seat, seat
from tests.client import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


@contextlib.asynccontextmanager
async def among_friends(town: World, browser: Browser) -> AsyncIterator[tuple[Person, Person, Person, Seat]]:
    """Ann, looking at her friends: Bob is one, Eve has been asked."""
    ann, bob = await town.circle(2)
    eve = await town.person()
    await ann.post("/api/friends", {"friendId": eve.user_id})
    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.get_by_role("link", name="People").click()
        await hers.goes_live()
        yield ann, bob, eve, hers


async def test_who_is_no_friend_any_more_stays_none(town: World, browser: Browser) -> None:
    async with among_friends(town, browser) as (ann, bob, eve, hers):
        friends = hers.page.locator(".pane-list .row-title")
        await expect(friends).to_have_text([bob.username])
        async with late(hers.page, "**/api/friends?*") as held:
            await eve.post("/api/friends", {"friendId": ann.user_id})
            await held.is_asked()
            await bob.delete(f"/api/friends/{ann.user_id}")
            await expect(friends).to_have_count(0)
            await held.comes()
            await expect(friends).to_have_text([eve.username])


async def test_who_has_come_stays_online(town: World, browser: Browser) -> None:
    async with among_friends(town, browser) as (ann, bob, eve, hers):
        row = hers.page.locator(".pane-list .row", has_text=bob.username)
        await expect(row).to_be_visible()
        async with late(hers.page, "**/api/presence?*") as held:
            await eve.post("/api/friends", {"friendId": ann.user_id})
            await held.is_asked()
            await town.device(bob)
            await expect(row).to_contain_text("online")
            await held.comes()
            await expect(row).to_contain_text("online")


async def test_a_group_that_is_muted_stays_muted(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    group = await bob.post("/api/groups", {"name": "Walks", "memberIds": [ann.user_id]})
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open("Walks")
        await hers.goes_live()
        await expect(hers.field).to_be_visible()
        async with late(hers.page, "**/api/groups?*") as held:
            await bob.post("/api/groups", {"name": "Talks", "memberIds": [ann.user_id]})
            await held.is_asked()
            await bob.post(f"/api/groups/{group['groupId']}/mute", {"muted": True})
            await expect(hers.page.locator(".composer.closed")).to_be_visible()
            await held.comes()
            await expect(hers.page.locator(".composer.closed")).to_be_visible()


async def test_who_joins_while_one_looks_up_the_members_is_among_them(town: World, browser: Browser) -> None:
    ann, bob, eve, kim = await town.circle(4)
    group = await bob.post("/api/groups", {"name": "Walks", "memberIds": [ann.user_id]})
    members = f"/api/groups/{group['groupId']}/members"
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open("Walks")
        await hers.goes_live()
        await expect(hers.page.locator(".chat-head")).to_contain_text("2 members")
        await bob.post(members, {"userIds": [kim.user_id]})
        await expect(hers.page.locator(".chat-head")).to_contain_text("3 members")
        async with late(hers.page, "**/members?*") as held:
            await hers.page.locator(".chat-who").click()
            await held.is_asked()
            await bob.post(members, {"userIds": [eve.user_id]})
            await held.comes()
            await expect(hers.page.locator(".pane-details .person", has_text=eve.username)).to_be_visible()
            await expect(hers.page.locator(".chat-head")).to_contain_text("4 members")


async def test_the_list_keeps_what_was_done_to_its_lines(town: World, browser: Browser) -> None:
    ann, bob, eve, kim = await town.circle(4)
    told = await bob.post("/api/messages", bob.text(ann, "a secret"))
    said = await kim.post("/api/messages", kim.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.goes_live()
        async with late(hers.page, "**/api/conversations?limit=50") as held:
            await eve.post("/api/messages", eve.text(ann, "one"))
            await held.is_asked()
            await bob.post("/api/messages/recall", {"convId": told["convId"], "serverMsgId": told["serverMsgId"]})
            await ann.post("/api/messages/read", {"convId": told["convId"], "seq": 1})  # on another device
            await ann.post(f"/api/conversations/{said['convId']}/mute", {"muted": True})
            recalled = hers.row(bob.username).get_by_text("Message taken back")
            unread = hers.row(bob.username).get_by_label("1 unread")
            quiet = hers.row(kim.username).locator(".badge.quiet")
            for _ in range(2):
                await expect(recalled).to_be_visible()
                await expect(unread).to_have_count(0)
                await expect(quiet).to_be_visible()
                await held.comes()
            await expect(hers.row(eve.username)).to_be_visible()


async def test_what_is_deleted_while_it_is_opened_does_not_come_back(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    said = await bob.post("/api/messages", bob.text(ann, "old"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.goes_live()
        async with late(hers.page, "**/api/messages/history?*") as held:
            await hers.open(bob.username)
            await held.is_asked()
            await ann.post("/api/conversations/delete", {"convId": said["convId"]})
            await expect(hers.row(bob.username)).to_have_count(0)
            await held.comes()
        await bob.post("/api/messages", bob.text(ann, "new"))
        await hers.row(bob.username).click()
        await expect(hers.messages).to_have_text(["new"])


async def test_a_conversation_that_begins_while_all_are_asked_for_is_listed(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.goes_live()
        await hers.page.get_by_role("link", name="People").click()
        await hers.page.locator(".pane-list .row", has_text=eve.username).click()
        await hers.button("Message").click()
        await hers.go_offline()
        async with late(hers.page, "**/api/conversations?limit=200") as held:
            await hers.context.set_offline(False)
            await held.is_asked()
            await hers.say("to somebody new")
            await expect(hers.row(eve.username)).to_be_visible()
            await held.comes()
            await expect(hers.row(eve.username)).to_be_visible()


async def test_what_was_read_before_it_came_is_not_unread(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    said = await bob.post("/api/messages", bob.text(ann, "one"))
    await ann.post("/api/messages/read", {"convId": said["convId"], "seq": 1})
    late_frames: list[str] = []

    def reorder(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def pass_on(text: str | bytes) -> None:
            action = json.loads(text)["action"]
            if action == "message":
                return late_frames.append(str(text))
            route.send(text)
            if action == "read":  # of another node, which was quicker
                for each in late_frames:
                    route.send(each)

        server.on_message(pass_on)

    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.route_web_socket(lambda _: True, reorder)
        await hers.page.reload()
        await hers.goes_live()
        await bob.post("/api/messages", bob.text(ann, "two"))
        await ann.post("/api/messages/read", {"convId": said["convId"], "seq": 2})
        await expect(hers.row(bob.username)).to_contain_text("two")
        await expect(hers.row(bob.username).get_by_label("1 unread")).to_have_count(0)
        await expect(hers.page).to_have_title("goim")


async def test_what_was_read_while_there_was_no_connection_is_ticked(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    said = await ann.post("/api/messages", ann.text(bob, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await expect(hers.message("hi").get_by_label("Sent", exact=True)).to_be_visible()
        await hers.go_offline()
        await bob.post("/api/messages/read", {"convId": said["convId"], "seq": 1})
        await hers.context.set_offline(False)
        await expect(hers.message("hi").get_by_label("Read", exact=True)).to_be_visible()


async def test_a_conversation_that_begins_anew_while_it_is_deleted_stays(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "old"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.goes_live()
        async with late(hers.page, "**/api/conversations/delete") as held:
            await hers.row(bob.username).click(button="right")
            await hers.page.get_by_role("menuitem", name="Delete conversation").click()
            await hers.button("Delete", within=hers.page.get_by_role("dialog")).click()
            await held.is_asked()
            await expect(hers.row(bob.username)).to_have_count(0)
            await bob.post("/api/messages", bob.text(ann, "new"))
            await expect(hers.row(bob.username)).to_contain_text("new")
            await held.comes()
            await expect(hers.row(bob.username)).to_contain_text("new")
