"""A message is passed on: to whom one chooses, as it is, once, and never what was not meant to stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, WebSocketRoute, expect

from tests.browser.pages import Seat, seat
from tests.browser.test_small import SMALL, sticks_out
from tests.client import Envelope, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def picker(side: Seat, message: Locator) -> Locator:
    """The dialog in which one chooses to whom a message goes."""
    await message.click(button="right")
    await side.page.get_by_role("menuitem", name="Forward").click()
    return side.page.get_by_role("dialog", name="Forward")


async def told(person: Person, other: Person) -> list[Envelope]:
    """The messages of a conversation, the first first."""
    lines = (await person.get("/api/conversations"))["conversations"]
    convs = [line["convId"] for line in lines if line.get("peerId") == other.user_id]
    if not convs:
        return []
    found: list[Envelope] = (await person.get("/api/messages/history", convId=convs[0]))["messages"]
    return found


async def test_a_message_goes_to_several_at_once_by_keys_alone(town: World, browser: Browser) -> None:
    ann, bob, eve, kim = await town.circle(4)
    group = await bob.post("/api/groups", {"name": "Friday", "memberIds": [ann.user_id]})
    here = {"convType": "group", "groupId": group["groupId"]}
    asked = await ann.post("/api/messages", {**here, "type": "text", "payload": {"text": "where?"}})
    answer = {"replyTo": asked["serverMsgId"], "mentions": [ann.user_id]}
    payload = {"text": "at the lake, at three", "lang": "en"}
    await bob.post("/api/messages", {**here, "type": "text", "payload": payload, **answer})
    await eve.post("/api/messages", eve.text(ann, "hi"))
    old = await ann.post("/api/groups", {"name": "Old times", "memberIds": [eve.user_id]})
    await ann.post("/api/conversations/delete", {"convId": old["convId"]})
    async with seat(browser, town.base_url, ann) as hers:
        page = hers.page
        await hers.open("Friday")
        await hers.button("More", within=hers.message("at the lake, at three")).press("Enter")
        await expect(page.get_by_role("menuitem").first).to_be_focused()
        entry = page.get_by_role("menuitem", name="Forward")
        await entry.press("Enter")
        dialog = page.get_by_role("dialog", name="Forward")
        await expect(dialog.locator(".about")).to_contain_text("at the lake, at three")
        await expect(dialog.get_by_label("Search conversations and friends")).to_be_focused()
        await expect(dialog.get_by_role("checkbox")).to_have_count(5)  # three of them are not in the list
        await expect(hers.button("Forward", within=dialog)).to_be_disabled()
        for name in (eve.username, kim.username):
            await page.keyboard.type(name)
            await expect(dialog.get_by_role("checkbox")).to_have_count(1)
            await page.keyboard.press("Tab")
            await page.keyboard.press("Space")
            await dialog.get_by_label("Search conversations and friends").fill("")
        await hers.button(f"Leave out {eve.username}", within=dialog).press("Enter")
        await expect(dialog.get_by_label("Search conversations and friends")).to_be_focused()
        for name in (eve.username, "Old times"):
            await dialog.get_by_role("checkbox", name=name).check()
        await hers.button("Forward to 3", within=dialog).press("Enter")
        await expect(page.get_by_text("Forwarded to 3 conversations.")).to_be_visible()
        await expect(dialog).to_have_count(0)
        for name in (kim.username, "Old times"):
            await expect(hers.row(name).locator(".row-last")).to_contain_text("at the lake")
    for friend in (eve, kim):
        message = (await told(friend, ann))[-1]
        assert message["payload"] == payload
        assert not {"replyTo", "mentions"} & message.keys()
    assert await told(bob, ann) == []


async def test_who_refuses_is_named_with_the_reason_and_may_be_tried_again(town: World, browser: Browser) -> None:
    ann, bob, eve, joe = await town.circle(4)
    group = await bob.post("/api/groups", {"name": "Quiet", "memberIds": [ann.user_id]})
    await bob.post(f"/api/groups/{group['groupId']}/mute", {"muted": True})
    for friend in (bob, eve, joe):
        await friend.post("/api/messages", friend.text(ann, "hi"))
    await ann.post(f"/api/blocks/{joe.user_id}")
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        dialog = await picker(hers, hers.message("hi"))
        for name, why in (("Quiet", "Only the owner and admins"), (joe.username, "You have blocked this person.")):
            line = dialog.locator("li", has_text=name)
            await expect(line).to_contain_text(why)
            await expect(line.get_by_role("checkbox")).to_be_disabled()
        for friend in (bob, eve):
            await dialog.get_by_role("checkbox", name=friend.username).check()
        await eve.post(f"/api/blocks/{ann.user_id}")  # which nobody is told
        await hers.button("Forward to 2", within=dialog).click()
        await expect(dialog.get_by_role("status")).to_have_text("Forwarded to 1 of 2. Refused by:")
        await expect(dialog.locator(".refusals li")).to_contain_text(
            [f"{eve.username}One of you has blocked the other."]
        )
        await eve.delete(f"/api/blocks/{ann.user_id}")
        await hers.button("Try again", within=dialog).click()
        await expect(hers.page.get_by_text("Forwarded to 2 conversations.")).to_be_visible()
        await hers.open(eve.username)
        await expect(hers.page.locator(".message.failed")).to_have_count(0)
    for friend in (bob, eve):
        assert [message["from"] for message in await told(friend, ann)] == [friend.user_id, ann.user_id]


async def test_what_was_refused_after_it_was_stored_is_there_once_when_it_is_tried_again(
    town: World, browser: Browser
) -> None:
    ann, bob, eve = await town.circle(3)
    await bob.post("/api/messages", bob.text(ann, "once"))
    await eve.post("/api/messages", eve.text(ann, "hi"))
    sent: list[Any] = []

    def between(socket: WebSocketRoute) -> None:
        """A server that stores the first message and then fails."""
        server = socket.connect_to_server()

        def up(text: str | bytes) -> None:
            if json.loads(text)["action"] == "send":
                sent.append(json.loads(text))
            server.send(text)

        def down(text: str | bytes) -> None:
            reply = json.loads(text)
            if reply["action"] == "ack" and len(sent) == 1 and reply.get("id") == sent[0]["id"]:
                reply |= {"action": "error", "data": {"code": "INTERNAL", "message": "broken", "action": "send"}}
            socket.send(json.dumps(reply))

        socket.on_message(up)
        server.on_message(down)

    async with seat(browser, town.base_url, ann) as hers:
        await hers.page.route_web_socket("**/ws?*", between)
        await hers.page.reload()
        await hers.open(bob.username)
        dialog = await picker(hers, hers.message("once"))
        await dialog.get_by_role("checkbox", name=eve.username).check()
        await hers.button("Forward to 1", within=dialog).click()
        await expect(dialog.locator(".refusals li")).to_contain_text("broken")
        await hers.button("Close", within=dialog).last.click()
        await hers.open(eve.username)
        await hers.button("Try again", within=hers.message("once")).click()  # where it was refused it can be, too
        await expect(hers.message("once").get_by_label("Sent", exact=True)).to_be_visible()
        await expect(hers.messages).to_have_text(["hi", "once"])
    assert [each["data"]["clientMsgId"] for each in sent] == [sent[0]["data"]["clientMsgId"]] * 2
    assert [message["payload"]["text"] for message in await told(eve, ann)] == ["hi", "once"]


async def test_whatever_can_be_said_can_be_passed_on_and_no_byte_is_copied(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    headers = {"Authorization": f"Bearer {bob.token}"}
    answer = await bob.http.post("/api/files/upload", files={"file": ("notes.txt", b"all of it")}, headers=headers)
    url = answer.raise_for_status().json()["url"]
    said: list[tuple[str, Envelope]] = [
        ("image", {"url": url, "width": 4, "height": 3}),
        ("voice", {"url": url, "duration": 1.5, "waveform": [1, 50, 100]}),
        ("card", {"userId": eve.user_id, "nickname": "Eve"}),
        ("custom", {"poll": ["yes", "no"]}),
    ]
    for kind, payload in said:
        await bob.post("/api/messages", bob.text(ann, "", type=kind, payload=payload))
    device = await town.device(bob)
    start = {"convType": "c2c", "to": ann.user_id, "type": "stream", "clientMsgId": "s1", "payload": {"text": "I "}}
    stream_id = (await device.ask("start_stream", start))["streamId"]
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        growing = hers.page.locator(".message", has=hers.page.locator(".stream"))
        await expect(growing).to_be_visible()
        await growing.click(button="right")
        await expect(hers.page.get_by_role("menuitem", name="Reply")).to_be_visible()
        await expect(hers.page.get_by_role("menuitem", name="Forward")).to_have_count(0)
        await hers.page.keyboard.press("Escape")
        await device.ask("end_stream", {"streamId": stream_id, "finalText": "I think so"})
        await expect(hers.message("I think so")).to_be_visible()
        for seq in range(1, len(said) + 2):
            message = hers.page.locator(f".message[data-seq='{seq}']")
            await hers.button("More", within=message).focus()
            await hers.page.keyboard.press("Enter")
            await hers.page.get_by_role("menuitem", name="Forward").press("Enter")
            dialog = hers.page.get_by_role("dialog", name="Forward")
            await dialog.get_by_role("checkbox", name=eve.username).check()
            await hers.button("Forward to 1", within=dialog).click()
            await expect(dialog).to_have_count(0)
    passed_on = await told(eve, ann)
    expected = [*said, ("text", {"text": "I think so"})]
    assert [(message["type"], message["payload"]) for message in passed_on] == expected
    assert not any("streamId" in message for message in passed_on)
    bytes_ = await eve.http.get(url, headers={"Authorization": f"Bearer {eve.token}"})
    assert bytes_.content == b"all of it"
    assert (await ann.get("/api/files"))["files"] == []


async def test_what_was_not_meant_to_stay_cannot_be_passed_on(town: World, browser: Browser) -> None:
    ann, bob, eve = await town.circle(3)
    await bob.post("/api/messages", bob.text(ann, "an hour", expireAtMs=4_000_000_000_000))
    regretted = await bob.post("/api/messages", bob.text(ann, "stays?"))
    await ann.post("/api/messages", ann.text(bob, "burns", burnAfterRead=True))
    async with seat(browser, town.base_url, ann) as hers:
        await hers.open(bob.username)
        for text in ("burns", "an hour"):
            await hers.message(text).click(button="right")
            await expect(hers.page.get_by_role("menuitem", name="Reply")).to_be_visible()
            await expect(hers.page.get_by_role("menuitem", name="Forward")).to_have_count(0)
            await hers.page.keyboard.press("Escape")
        dialog = await picker(hers, hers.message("stays?"))
        await dialog.get_by_role("checkbox", name=eve.username).check()
        await bob.post("/api/messages/recall", {key: regretted[key] for key in ("convId", "serverMsgId")})
        await expect(dialog.get_by_role("status")).to_have_text("This message cannot be forwarded any more.")
        await expect(hers.button("Forward to 1", within=dialog)).to_be_disabled()
    assert await told(eve, ann) == []


async def test_on_a_small_phone_it_is_passed_on_by_touch_and_without_a_connection_later(
    town: World, browser: Browser
) -> None:
    ann, bob, *others = await town.circle(4)
    name = "Maximilian-Wilhelm von Hohenzollern-Sigmaringen und so weiter"
    await others[0].put("/api/users/me", {"nickname": name})
    await bob.post("/api/messages", bob.text(ann, "مرحبا بالجميع"))
    async with seat(browser, town.base_url, ann, **SMALL, has_touch=True, is_mobile=True) as hers:
        await hers.row(bob.username).tap()
        press = "(node) => node.dispatchEvent(new PointerEvent('pointerdown', {pointerType: 'touch', bubbles: true}))"
        await hers.page.locator(".message").evaluate(press)  # and held, until the menu comes
        await hers.page.get_by_role("menuitem", name="Forward").tap()
        dialog = hers.page.get_by_role("dialog", name="Forward")
        assert await dialog.locator(".about-text span").evaluate("(each) => getComputedStyle(each).direction") == "rtl"
        for each in (name, *(other.username for other in others[1:])):
            await dialog.get_by_role("checkbox", name=each).tap()
        assert await dialog.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0
        assert not await sticks_out(hers, "dialog .dialog-foot button")
        await hers.go_offline()
        await hers.button("Forward to 2", within=dialog).tap()
        await expect(dialog.get_by_role("status")).to_contain_text("There is no connection.")
        await hers.button("Close", within=dialog).last.tap()
        await expect(dialog).to_have_count(0)
        await hers.context.set_offline(False)
        await expect(hers.page.get_by_text("Forwarded to 2 conversations.")).to_be_visible()
    for other in others:
        assert [message["payload"]["text"] for message in await told(other, ann)] == ["مرحبا بالجميع"]
