"""Networks go, pages are reloaded, texts are hostile: nothing is lost, shown twice or run."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.pages import seat
from tests.client import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    "javascript:alert(3)",
    '"><svg onload=alert(4)>',
    "https://example.org/\"onmouseover='alert(5)'",
    "${alert(6)} {{alert(7)}} `<b>`",
    "\u202egnp.exe",
]

# Said again until it is heard: who is not connected yet has nothing to lose.
LOSE = "() => { dispatchEvent(new Event('offline')); return document.querySelector('.offline') !== null; }"


async def test_who_loses_the_network_catches_up_and_what_was_said_meanwhile_is_sent(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "one"))
    edited = await ann.post("/api/messages", ann.text(bob, "two"))
    async with seat(browser, town.base_url, ann) as hers, seat(browser, town.base_url, bob) as his:
        await hers.open(bob.username)
        await his.open(ann.username)
        await expect(his.message("two")).to_be_visible()

        await his.go_offline()
        await his.say("said in a tunnel")
        await his.say("and this")
        await expect(his.message("said in a tunnel").get_by_label("Being sent")).to_be_visible()
        for number in range(3, 70):
            await ann.post("/api/messages", ann.text(bob, f"number {number}"))
        await ann.post("/api/messages/edit", {**_named(edited), "payload": {"text": "two, mended"}})

        await his.context.set_offline(False)
        await expect(his.page.locator(".offline")).to_have_count(0)
        await expect(his.message("two, mended")).to_be_attached()
        await expect(hers.message("and this")).to_be_visible()
        await expect(his.message("and this").get_by_label("Read")).to_be_visible()
        said = ["one", "two, mended", *(f"number {n}" for n in range(3, 70)), "said in a tunnel", "and this"]
        assert [text.strip() for text in await his.messages.all_text_contents()] == said
        await expect(hers.messages).to_have_text(said)


def _named(ack: dict[str, object]) -> dict[str, object]:
    return {"convId": ack["convId"], "serverMsgId": ack["serverMsgId"]}


async def test_a_reload_restores_everything(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    for text in ("first", "second"):
        await bob.post("/api/messages", bob.text(ann, text))
    await eve.post("/api/messages", eve.text(ann, "and me?"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await hers.say("an answer")
        await hers.field.fill("half a thou")
        await expect(hers.message("an answer").get_by_label("Sent", exact=True)).to_be_visible()
        await hers.page.wait_for_function("() => document.querySelector('textarea').value === 'half a thou'")
        await hers.field.press("End")
        await hers.field.press_sequentially("ght")
        await hers.page.reload()  # at once
        await expect(hers.page.locator(".chat-head")).to_contain_text(bob.username)
        await expect(hers.messages).to_have_text(["first", "second", "an answer"])
        await expect(hers.field).to_have_value("half a thought")
        assert "half a thought" in {line["draft"] for line in (await ann.get("/api/conversations"))["conversations"]}
        await expect(hers.row(eve.username).get_by_label("1 unread")).to_be_visible()
        await expect(hers.page).to_have_title("(1) goim")


async def test_what_was_not_sent_before_a_reload_is_sent_after_it_and_once(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await ann.post("/api/messages", ann.text(bob, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        await expect(hers.message("hi")).to_be_visible()
        # The page itself comes from the network: only what is live is cut off.
        await hers.page.route_web_socket("**/ws?*", lambda socket: socket.close())
        await hers.page.wait_for_function(LOSE)
        await hers.say("are you there?")
        await expect(hers.message("are you there?").get_by_label("Being sent")).to_be_visible()
        await hers.page.reload()
        await expect(hers.message("are you there?").get_by_label("Being sent")).to_be_visible()
        await hers.page.unroute_all()
        again = await hers.context.new_page()  # the same browser: this window takes over
        await again.goto(hers.page.url)
        sent = again.locator(".message", has_text="are you there?")
        await expect(sent.get_by_label("Sent", exact=True)).to_be_visible()
        history = await bob.get("/api/messages/history", convId=(await _line(bob))["convId"])
        assert [message["payload"]["text"] for message in history["messages"]] == ["hi", "are you there?"]


async def _line(person: Person) -> dict[str, str]:
    (line,) = (await person.get("/api/conversations"))["conversations"]
    return dict(line)


async def test_hostile_texts_stay_texts(town: World, browser: Browser) -> None:
    ann, eve = await town.circle(2)
    nickname = "<b onclick=alert(8)>Eve</b>"
    await eve.put("/api/users/me", {"nickname": nickname})
    for text in HOSTILE:
        await eve.post("/api/messages", eve.text(ann, text))
    card = {"userId": eve.user_id, "nickname": "<i>x</i>"}
    link = {"url": "javascript:alert(9)", "name": "x", "size": 1}
    await eve.post("/api/messages", eve.text(ann, "", type="card", payload=card))
    await eve.post("/api/messages", eve.text(ann, "", type="file", payload=link))
    await eve.post("/api/messages", eve.text(ann, "", type="custom", payload={"html": "<script>alert(10)</script>"}))
    async with seat(browser, town.base_url, ann) as hers:
        alerts: list[str] = []
        hers.page.on("dialog", lambda dialog: alerts.append(dialog.message))
        await hers.open(nickname)
        await expect(hers.page.locator(".message")).to_have_count(len(HOSTILE) + 3)
        shown = [text.strip() for text in await hers.messages.all_text_contents()]
        assert shown[: len(HOSTILE) - 2] == HOSTILE[:-2]
        assert "<b>" in shown[len(HOSTILE) - 2]
        assert await hers.page.locator(".message :is(img, script, svg[onload], b[onclick], i)").count() == 0
        links = await hers.page.locator(".message a").evaluate_all("all => all.map(each => each.protocol)")
        assert set(links) <= {"http:", "https:"}
        assert alerts == []


async def test_one_window_is_live_and_the_other_may_take_it_back(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hi"))
    async with seat(browser, town.base_url, ann) as hers:
        await expect(hers.row(bob.username)).to_be_visible()
        await hers.goes_live()  # who connects later is the one that stays
        second = await hers.context.new_page()
        await second.goto(town.base_url)
        await expect(second.get_by_role("heading", name="Chats")).to_be_visible()
        await hers.button("Use it here").click()
        await expect(hers.row(bob.username)).to_be_visible()
        await expect(second.get_by_role("button", name="Use it here")).to_be_visible()
