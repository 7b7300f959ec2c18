"""What people do with messages, seen by both sides."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, expect

from tests.browser.pages import seat
from tests.client import World
from tests.node import started_node
from tests.receiver import receiving

pytestmark = pytest.mark.asyncio(loop_scope="session")


def picture() -> FilePayload:
    out = io.BytesIO()
    Image.new("RGB", (640, 400), (86, 81, 207)).save(out, "PNG")
    return {"name": "violet.png", "mimeType": "image/png", "buffer": out.getvalue()}


async def test_an_answer_an_edit_a_reaction_and_a_recall_are_seen_by_both(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "coffee?"))
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob) as his:
        await hers.open(bob.username)
        await his.open(ann.username)

        await his.choose("coffee?", "Reply")
        await his.say("at thre")
        await expect(hers.message("at thre").locator(".quote")).to_contain_text("coffee?")

        await his.choose("at thre", "Edit")
        await expect(his.field).to_have_value("at thre")
        await his.say("at three")
        await expect(hers.message("at three")).to_contain_text("edited")
        await expect(hers.message("at thre")).to_have_count(0)

        await his.choose("at three", "Edit")
        await his.button("Cancel").click()
        await expect(his.field).to_have_value("")  # what is not edited after all is not said again either

        await hers.choose("at three", "React with 👍")
        await expect(his.message("at three").locator(".reaction")).to_have_text("👍1")
        await his.message("at three").locator(".reaction").click()
        await expect(hers.message("at three").locator(".reaction")).to_have_text("👍2")
        await hers.message("at three").locator(".reaction").click()
        await expect(his.message("at three").locator(".reaction")).to_have_text("👍1")

        await hers.choose("coffee?", "Take back")
        await hers.page.get_by_role("dialog").get_by_role("button", name="Take back").click()
        for side in (hers, his):
            await expect(side.message("coffee?")).to_have_count(0)
            await expect(side.page.locator(".message.gone .text")).to_have_text("Message taken back")


async def test_a_picture_and_a_file_arrive(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "look"))
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob) as his:
        await hers.open(bob.username)
        await his.open(ann.username)
        await his.page.route("**/files/**", lambda route: route.abort())
        async with his.page.expect_event("requestfailed", lambda request: "/files/" in request.url):
            for item, file in (
                ("Picture or video", picture()),
                ("File", FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"all of it")),
            ):
                await hers.button("Attach").click()
                async with hers.page.expect_file_chooser() as chooser:
                    await hers.page.get_by_role("menuitem", name=item).click()
                await (await chooser.value).set_files(file)
        await expect(his.page.locator(".message .file")).to_be_visible()
        await expect(his.page.get_by_text("not there any more")).to_have_count(0)
        await his.page.unroute_all()
        await his.page.evaluate("() => dispatchEvent(new Event('offline'))")  # it connects anew, and asks again
        image = his.page.locator(".message .image img")
        await expect(image).to_be_visible()
        assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320  # its thumbnail
        await image.click()
        await expect(his.page.locator(".big-image img")).to_be_visible()
        await his.page.keyboard.press("Escape")
        async with his.page.expect_download() as download:
            await his.page.locator(".message .file").click()
        saved = await download.value
        assert saved.suggested_filename == "notes.txt"
        assert (await saved.path()).read_bytes() == b"all of it"


async def test_a_streamed_message_grows_before_ones_eyes(town: World, browser: Browser) -> None:
    ann, bot = await town.circle(2)
    device = await town.device(bot)
    async with seat(browser, town.base_url, ann) as hers:
        start = {"convType": "c2c", "to": ann.user_id, "type": "stream", "clientMsgId": "s1", "payload": {"text": "I "}}
        stream_id = (await device.ask("start_stream", start))["streamId"]
        await hers.open(bot.username)
        shown = hers.page.locator(".message .stream")
        await expect(shown).to_have_attribute("aria-busy", "true")
        for word, sofar in (("think", "I think"), (" so,", "I think so,"), (" **yes**", "I think so, yes")):
            chunk = {"action": "stream_chunk", "data": {"streamId": stream_id, "delta": word}}
            await device.ws.send(json.dumps(chunk))
            await expect(shown.locator(".text")).to_have_text(sofar)
        await device.ask("end_stream", {"streamId": stream_id, "finalText": "I think so, yes!"})
        await expect(shown).to_have_attribute("aria-busy", "false")
        await expect(shown.locator(".text")).to_have_text("I think so, yes!")


async def test_three_in_a_group_see_one_another_and_who_is_meant(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    async with (
        seat(browser, town.base_url, ann) as hers,
        seat(browser, town.base_url, bob) as his,
        seat(browser, town.base_url, eve) as eves,
    ):
        await hers.button("Begin something").click()
        await hers.page.get_by_role("menuitem", name="New group").click()
        dialog = hers.page.get_by_role("dialog")
        await dialog.get_by_label("Name of the group").fill("Friday")
        for friend in (bob, eve):
            await dialog.get_by_role("checkbox", name=friend.username).check()
        await dialog.get_by_role("button", name="Create").click()
        await hers.button("Search in this conversation").click()
        await expect(hers.page.get_by_label("Search in this conversation").last).to_be_focused()
        await hers.say("who comes?")
        for side in (his, eves):
            await side.open("Friday")
            await expect(side.message("who comes?")).to_be_visible()

        await his.field.press_sequentially(f"@{eve.username[:4]}")
        await his.page.get_by_role("option", name=eve.username).click()
        await his.field.press_sequentially("and I")
        await his.field.press("Enter")
        said = f"@{eve.username} and I"
        await expect(eves.page.locator(".message .mention")).to_have_text(f"@{eve.username}")
        await expect(hers.page.locator(".message .text").last).to_have_text(said)
        await expect(hers.field).to_be_focused()  # what others say takes nobody away from what they write
        await hers.page.get_by_role("searchbox", name="Search in this conversation").press("Escape")
        await expect(hers.button("Search in this conversation")).to_be_focused()

        await his.page.locator(".message.mine[data-seq]").click(button="right")
        await his.page.get_by_role("menuitem", name="Read by").click()
        readers = his.page.get_by_role("dialog")
        await expect(readers).to_contain_text(ann.username)
        await expect(readers).to_contain_text(eve.username)


async def test_only_who_is_called_is_called_and_until_they_have_read(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    for friend, nickname in ((bob, "Jo"), (eve, "Joan")):
        await friend.put("/api/users/me", {"nickname": nickname})
    group = await ann.post("/api/groups", {"name": "Walks", "memberIds": [bob.user_id, eve.user_id]})
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, eve) as other:
        await other.goes_live()
        await hers.open("Walks")
        await hers.field.press_sequentially("@Jo")
        await hers.page.get_by_role("option", name=re.compile("Jo$")).click()
        await hers.field.press("Backspace")
        await hers.field.press("a")
        await hers.page.get_by_role("option", name="Joan").click()
        await hers.field.press("Enter")
        called = other.row("Walks").get_by_label("You are mentioned")
        await expect(called).to_be_visible()
        page = await ann.get("/api/messages/history", convId=group["convId"])
        assert page["messages"][0]["mentions"] == [eve.user_id]

        await other.go_offline()
        await eve.post("/api/messages/read", {"convId": group["convId"], "seq": 1})  # on another device
        await hers.say("nothing else")
        await expect(hers.message("nothing else").get_by_label("Sent", exact=True)).to_be_visible()
        await other.context.set_offline(False)
        await expect(other.row("Walks")).to_contain_text("nothing else")
        await expect(other.row("Walks").get_by_label("1 unread")).to_be_visible()
        await expect(called).to_have_count(0)


async def test_who_is_called_in_what_was_begun_before_is_called(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.put("/api/users/me", {"nickname": "Robert"})
    group = await ann.post("/api/groups", {"name": "Walks", "memberIds": [bob.user_id]})
    await ann.post("/api/groups", {"name": "Talks"})
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open("Walks")
        await hers.field.press_sequentially("@Rob")
        await hers.page.get_by_role("option", name="Robert").click()
        await hers.field.press_sequentially("come")
        await hers.open("Talks")
        await hers.open("Walks")
        await expect(hers.field).to_have_value("@Robert come")
        await hers.field.press("Enter")
        await expect(hers.message("@Robert come").get_by_label("Sent", exact=True)).to_be_visible()
        page = await ann.get("/api/messages/history", convId=group["convId"])
        assert page["messages"][0]["mentions"] == [bob.user_id]


async def test_a_message_that_expires_goes_by_itself(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "this stays"))
    async with seat(browser, town.base_url, bob) as his:
        await his.open(ann.username)
        await expect(his.message("this stays")).to_be_visible()
        await his.page.clock.install()
        in_an_hour = await his.page.evaluate("Date.now() + 3_600_000")
        await ann.post("/api/messages", ann.text(bob, "this goes", expireAtMs=in_an_hour))
        await expect(his.message("this goes")).to_be_visible()
        await his.page.clock.fast_forward(3_601_000)
        await expect(his.message("this goes")).to_have_count(0)
        await expect(his.message("this stays")).to_be_visible()


async def test_who_is_refused_by_a_program_of_the_operators_reads_its_reason(tmp_path: Path, browser: Browser) -> None:
    async with receiving() as moderator:
        reason = "No links here, please."
        moderator.answer = lambda _: (200, json.dumps({"action": "deny", "reason": reason}).encode())
        secret = "whsec_" + base64.b64encode(b"s" * 32).decode()
        hooks = {"before_send": moderator.url("/ask"), "secrets": secret, "allow_private": ["127.0.0.1"]}
        async with started_node(tmp_path, hooks=hooks | {"before_send_timeout": 20}) as (_, world):
            ann, bob = await world.friends("ann", "bob")
            async with seat(browser, world.base_url, ann) as hers:
                await hers.page.goto(f"{world.base_url}/#/people/{bob.user_id}")
                await hers.button("Message").click()
                await hers.say("https://example.org/")
                await expect(hers.page.locator(".message .refused")).to_contain_text(reason)
                await hers.button("Discard").click()
                await expect(hers.messages).to_have_count(0)
