"""What the JavaScript client shows of conversations that it has only just met, or is no longer in."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Browser

from tests.browser.blanks import Held, blank, enter, without_messages
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEARD = "([name, event]) => window[name].until((each) => each.event === event).then(() => true)"
TEXTS = """async ([name, last]) => {
  await window[name].until(({ data }) => data.payload?.text === last);
  return window[name].texts();
}"""


async def test_who_joins_a_group_is_not_told_what_was_said_before_because_it_changes(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    group = await bob.post("/api/groups", {"name": "old", "joinPolicy": "open"})
    where = {"groupId": group["groupId"], "type": "text"}
    texts = ("one", "two", "three")
    first, *_ = [await bob.post("/api/messages", {**where, "payload": {"text": text}}) for text in texts]
    device = await town.device(bob)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        await ann.post(f"/api/groups/{group['groupId']}/join")
        reaction = {"convId": group["convId"], "serverMsgId": first["serverMsgId"], "emoji": "👍"}
        await device.ask("react", reaction)
        assert await opened.evaluate(HEARD, [ann.username, "reaction"])
        await bob.post("/api/messages", {**where, "payload": {"text": "four"}})
        assert await opened.evaluate(TEXTS, [ann.username, "four"]) == ["four"]


async def test_a_first_message_of_which_one_hears_by_its_change_is_shown(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await opened.route_web_socket(lambda _: True, without_messages)
        await enter(opened, ann)
        first = await bob.post("/api/messages", bob.text(ann, "frist"))
        place = {"convId": first["convId"], "serverMsgId": first["serverMsgId"]}
        await bob.post("/api/messages/edit", {**place, "payload": {"text": "first"}})
        assert await opened.evaluate(HEARD, [ann.username, "edited"])
        assert await opened.evaluate("name => window[name].texts()", ann.username) == ["first"]


async def test_a_stream_that_one_may_not_see_any_more_keeps_none_from_going_on(town: World, browser: Browser) -> None:
    ann, bob, carol = await town.circle(3)
    group = await bob.post("/api/groups", {"name": "left", "memberIds": [ann.user_id]})
    his, hers = await town.device(bob), await town.device(carol)
    async with blank(browser, town.base_url) as opened:
        complaints: list[str] = []
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        await enter(opened, ann)
        began = {"type": "stream", "payload": {"text": "a"}}
        await his.ask("start_stream", {"groupId": group["groupId"], **began})
        assert await opened.evaluate(HEARD, [ann.username, "message"])
        stream = await hers.ask(
            "start_stream", {"convType": "c2c", "to": ann.user_id, **began, "payload": {"text": "b"}}
        )
        await opened.evaluate(TEXTS, [ann.username, "b"])
        await opened.evaluate("name => window[name].client.close()", ann.username)
        await bob.delete(f"/api/groups/{group['groupId']}/members/{ann.user_id}")
        chunk = {"action": "stream_chunk", "data": {"streamId": stream["streamId"], "delta": "c"}}
        await hers.ws.send(json.dumps(chunk))
        await hers.exchange({"action": "ping"})
        await opened.evaluate("name => window[name].client.connect()", ann.username)
        assert await opened.evaluate(HEARD, [ann.username, "stream_text"])
        assert complaints == []


async def test_what_was_written_to_a_stream_is_not_told_after_its_end(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    device = await town.device(bob)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        await opened.evaluate("name => window[name].client.close()", ann.username)
        began = {"convType": "c2c", "to": ann.user_id, "type": "stream", "payload": {"text": "a"}}
        stream = await device.ask("start_stream", began)
        held = Held()
        await opened.route("**/api/conversations?*", held)
        await opened.evaluate("name => window[name].client.connect()", ann.username)
        await held.has_come.wait()
        chunk = {"action": "stream_chunk", "data": {"streamId": stream["streamId"], "delta": "b"}}
        await device.ws.send(json.dumps(chunk))
        await device.ask("end_stream", {"streamId": stream["streamId"]})
        await bob.post("/api/messages", bob.text(ann, "later"))
        await opened.evaluate(
            "name => window[name].client.ask('ping', {})", ann.username
        )  # all that was pushed has come
        await held.let_go()
        await opened.evaluate(TEXTS, [ann.username, "later"])
        await bob.post("/api/messages", bob.text(ann, "last"))
        assert await opened.evaluate(TEXTS, [ann.username, "last"]) == ["ab", "later", "last"]
        chunks = "name => window[name].heard.filter(({ event }) => event === 'stream_chunk')"
        assert await opened.evaluate(chunks, ann.username) == []


async def test_old_changes_of_a_group_one_came_to_late_are_not_told(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    group = await bob.post("/api/groups", {"name": "old", "joinPolicy": "open"})
    where = {"groupId": group["groupId"], "type": "text"}
    old = await bob.post("/api/messages", {**where, "payload": {"text": "old"}})
    device = await town.device(bob)
    place = {"convId": group["convId"], "serverMsgId": old["serverMsgId"]}
    await device.ask("react", {**place, "emoji": "👍"})
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        await ann.post(f"/api/groups/{group['groupId']}/join")
        await bob.post("/api/messages", {**where, "payload": {"text": "new"}})
        assert await opened.evaluate(TEXTS, [ann.username, "new"]) == ["new"]
        await device.ask("react", {**place, "emoji": "🎉"})
        told = """async (name) => {
          await window[name].until(({ data }) => data.emoji === "🎉");
          return window[name].heard.filter(({ event }) => event === "reaction").map(({ data }) => data.emoji);
        }"""
        assert await opened.evaluate(told, ann.username) == ["🎉"]


async def test_what_somebody_else_says_under_an_id_of_ours_is_shown(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        said = "([name, to]) => window[name].client.send('question', { to, clientMsgId: '1' }).then(() => {})"
        await opened.evaluate(said, [ann.username, bob.user_id])
        await bob.post("/api/messages", bob.text(ann, "answer", clientMsgId="1"))
        await bob.post("/api/messages", bob.text(ann, "more"))
        assert await opened.evaluate(TEXTS, [ann.username, "more"]) == ["answer", "more"]
