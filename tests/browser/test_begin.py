"""From nothing to a first conversation, with nothing but a browser; and what one keeps and sets."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, FilePayload, expect

from tests.browser.pages import PHONE, seat
from tests.client import PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_newcomer_registers_finds_a_friend_and_they_talk(town: World, browser: Browser) -> None:
    old = await town.person("oldhand")
    async with seat(browser, town.base_url) as theirs, seat(browser, town.base_url, old) as his:
        await theirs.button("Create account").click()
        await theirs.page.get_by_label("Username").fill("newcomer")
        await theirs.page.get_by_label("Name that others see").fill("New Comer")
        await theirs.page.get_by_label("Password").fill(PASSWORD)
        await theirs.button("Create account").click()
        await expect(theirs.page.get_by_text("No conversations yet.")).to_be_visible()

        await theirs.page.get_by_role("link", name="People").click()
        await theirs.page.get_by_label("Search by name").fill("oldh")
        await theirs.button("Add").click()
        await expect(theirs.button("Asked")).to_be_disabled()
        await his.page.get_by_role("link", name=re.compile("People")).click()
        await his.button("Accept").click()
        await expect(his.page.locator(".row", has_text="New Comer")).to_contain_text("online")

        await theirs.page.locator(".row", has_text="oldhand").click()
        await theirs.button("Message").click()
        await theirs.say("found you")
        await his.page.get_by_role("link", name=re.compile("Chats, 1 new")).click()
        await his.open("New Comer")
        await expect(his.message("found you")).to_be_visible()


async def test_opening_the_client_leaves_not_a_line_in_the_console(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        for _ in range(2):
            await hers.open(bob.username)
            await expect(hers.message("hi")).to_be_visible()
            await hers.goes_live()
            await hers.page.evaluate("() => fetch('/healthz')")  # whatever was asked before has been answered by now
            await hers.page.reload()
        assert hers.complaints == []


async def test_a_wrong_password_is_told_and_nothing_else_happens(town: World, browser: Browser) -> None:
    async with seat(browser, town.base_url) as theirs:
        await theirs.page.get_by_label("Username").fill("nobody")
        await theirs.page.get_by_label("Password").fill("not the password")
        await theirs.button("Log in").click()
        await expect(theirs.page.get_by_role("alert")).to_have_text("Username or password is wrong.")


FORBIDDEN = """
Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } });
"""


async def test_where_nothing_can_be_kept_one_is_logged_in_as_long_as_the_page_lasts(
    town: World, browser: Browser
) -> None:
    ann = await town.person()
    async with seat(browser, town.base_url, script=FORBIDDEN) as hers:  # as in a frame of another origin
        await hers.page.get_by_label("Username").fill(ann.username)
        await hers.page.get_by_label("Password").fill(PASSWORD)
        await hers.button("Log in").click()
        await expect(hers.page.get_by_text("No conversations yet.")).to_be_visible()
        await hers.page.goto(f"{town.base_url}/#/settings/account")
        await hers.button("Log out").click()
        await hers.page.get_by_role("dialog").get_by_role("button", name="Log out").click()
        await expect(hers.page.get_by_label("Username")).to_be_focused()
        await expect(hers.page).to_have_url(f"{town.base_url}/#/chats")
        hers.complaints[:] = [text for text in hers.complaints if "cannot be kept" not in text]


async def test_a_message_is_kept_as_a_favourite_and_found_again(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "the door code is 4711"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.choose("the door code is 4711", "Add to favourites")
        await expect(hers.page.get_by_text("Added to your favourites")).to_be_visible()
        await hers.page.get_by_role("link", name="Favourites").click()
        await hers.page.get_by_label("Search favourites").fill("door")
        await hers.page.locator(".pane-list .row", has_text="the door code").click()
        await expect(hers.page.locator(".saved-content")).to_have_text("the door code is 4711")
        await hers.button("Show in chat").click()
        await expect(hers.message("the door code is 4711")).to_be_in_viewport()


async def test_a_conversation_is_pinned_muted_and_deleted(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    await bob.post("/api/messages", bob.text(ann, "older"))
    await eve.post("/api/messages", eve.text(ann, "newer"))
    async with seat(browser, town.base_url, ann) as hers:
        titles = hers.page.locator(".pane-list .row-title")
        await expect(titles).to_have_text([eve.username, bob.username])
        await hers.row(bob.username).click(button="right")
        await hers.page.get_by_role("menuitem", name="Pin").click()
        await expect(titles).to_have_text([bob.username, eve.username])
        await hers.row(eve.username).click(button="right")
        await hers.page.get_by_role("menuitem", name="Mute").click()
        await expect(hers.page).to_have_title("(1) goim")
        await hers.row(bob.username).click(button="right")
        await hers.page.get_by_role("menuitem", name="Delete conversation").click()
        await hers.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(titles).to_have_text([eve.username])


async def test_a_phone_shows_one_pane_at_a_time_in_chinese(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "你好"))
    async with seat(browser, town.base_url, viewport=PHONE, locale="zh-CN", has_touch=True, is_mobile=True) as hers:
        await hers.page.get_by_label("用户名").fill(ann.username)
        await hers.page.get_by_label("密码").fill(PASSWORD)
        await hers.button("登录").click()
        await hers.row(bob.username).tap()
        await expect(hers.message("你好")).to_be_visible()
        await expect(hers.page.locator(".pane-list")).to_be_hidden()
        await hers.page.get_by_label("输入消息").fill("你好！")
        await hers.button("发送").tap()
        await expect(hers.message("你好！").get_by_label("已发送")).to_be_visible()
        width = await hers.page.evaluate("document.documentElement.scrollWidth")
        assert width == PHONE["width"], "nothing sticks out"
        await hers.page.locator(".chat-who").tap()
        await expect(hers.page.locator(".pane-details")).to_be_visible()
        await hers.page.go_back()
        await expect(hers.page.locator(".pane-list")).to_be_visible()
        await hers.row(bob.username).tap()
        await expect(hers.message("你好")).to_be_visible()
        await expect(hers.page.locator(".pane-details")).to_have_count(0)  # another conversation would lie below it
        await hers.button("返回").tap()
        await expect(hers.page.locator(".pane-list")).to_be_visible()


async def test_whoever_has_the_address_of_an_open_group_joins_it(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    group = await ann.post("/api/groups", {"name": "Open house"})
    async with seat(browser, town.base_url, bob) as his:
        await his.page.goto(f"{town.base_url}/#/join/{group['groupId']}")
        await his.button("Join").click()
        await his.say("hello all")
        await expect(his.message("hello all").get_by_label("Sent", exact=True)).to_be_visible()
    members = await ann.get(f"/api/groups/{group['groupId']}/members")
    assert {member["userId"] for member in members["members"]} == {ann.user_id, bob.user_id}


async def test_who_logs_out_uploads_nothing_more(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    tried: list[str] = []
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.page.route("**/api/files/upload", lambda route: tried.append(route.request.url))  # it takes its time
        async with hers.page.expect_file_chooser() as chosen:
            await hers.button("Attach").click()
            await hers.page.get_by_role("menuitem", name="File").click()
        one, two = [FilePayload(name=f"{each}.txt", mimeType="text/plain", buffer=b"x") for each in ("one", "two")]
        await (await chosen.value).set_files([one, two])
        await expect(hers.page.locator(".upload")).to_contain_text("one.txt")
        await hers.page.evaluate("async () => (await import('/web/app/core/app.js')).logOut()")
        await expect(hers.page.get_by_label("Username")).to_be_visible()
        await hers.page.evaluate("() => fetch('/healthz')")
        assert len(tried) == 1
