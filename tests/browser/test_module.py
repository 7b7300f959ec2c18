"""`/web/goim.js` by itself, in a page that has nothing else, over connections that break."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, WebSocketRoute

from tests.browser.blanks import blank, enter, fragile, without_messages
from tests.client import PASSWORD, Person, World
from tests.fake_clock import FakeClock
from tests.node import started_node
from tests.pages import blocks, page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_the_page_shows_runs(town: World, browser: Browser) -> None:
    (example,) = [block.text for block in blocks(page("docs/web.md")) if block.info == "js"]
    (other,) = await town.circle(1)
    ann = await town.person("ann")
    await town.befriend(ann, other)
    device = await town.device(other)
    code = example.replace("import {", "const {").replace("} from", "} = await import(").replace('";', '");', 1)
    async with blank(browser, town.base_url) as opened:
        await opened.evaluate("async (userId) => {" + code + "}", other.user_id)
        assert (await device.push("message"))["payload"] == {"text": "hello"}


async def test_everything_arrives_once_and_in_order_however_often_the_connection_breaks(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    async with fragile(town) as (proxy, url), blank(browser, url) as opened:
        await enter(opened, ann)
        await enter(opened, bob)
        script = """async ([ann, bob, to]) => {
          const sends = Array.from({ length: 60 }, (_, at) => window[ann].client.send(`number ${at}`, { to }));
          await Promise.all(sends);
          await window[bob].until(({ data }) => data.payload?.text === "number 59");
          return window[bob].texts();
        }"""
        running = asyncio.ensure_future(  # noqa: TID251 it is awaited below
            opened.evaluate(script, [ann.username, bob.username, bob.user_id])
        )
        pause = 0.1
        while not running.done():
            proxy.cut()
            await asyncio.wait([running], timeout=pause)
            pause *= 1.1  # on a busy machine nothing might get through in between
        assert await running == [f"number {at}" for at in range(60)]


@pytest.mark.parametrize("is_group", [False, True], ids=["pair", "group"])
async def test_what_came_just_before_ones_own_first_word_is_shown(
    town: World, browser: Browser, is_group: bool
) -> None:
    ann, bob = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        await opened.route_web_socket(lambda _: True, without_messages)
        await enter(opened, ann)
        to: dict[str, Any] = {"to": bob.user_id}
        first: dict[str, Any] = bob.text(ann, "first")
        if is_group:
            group = await ann.post("/api/groups", {"name": "new", "memberIds": [bob.user_id]})
            created = "name => window[name].until(({ event }) => event === 'group_created').then(() => true)"
            assert await opened.evaluate(created, ann.username)
            to = {"group": group["groupId"]}
            first = {"groupId": group["groupId"], "type": "text", "payload": {"text": "first"}}
        await bob.post("/api/messages", first)
        script = """async ([name, to]) => {
          const { seq } = await window[name].client.send("second", to);
          await window[name].until(({ event }) => event === "message");
          return [seq, window[name].texts()];
        }"""
        assert await opened.evaluate(script, [ann.username, to]) == [2, ["first"]]


async def test_a_connection_on_which_nothing_moves_is_left(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    async with fragile(town) as (proxy, url), blank(browser, url) as opened:
        await enter(opened, ann, heartbeat=400)
        proxy.stall()
        gone = "name => window[name].until(({ event }) => event === 'disconnected').then(() => true)"
        assert await opened.evaluate(gone, ann.username)
        await bob.post("/api/messages", bob.text(ann, "are you there?"))
        proxy.restore()
        missed = "name => window[name].until(({ data }) => data.payload?.text === 'are you there?').then(() => true)"
        assert await opened.evaluate(missed, ann.username)


async def test_a_stream_goes_on_over_a_lost_connection(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    async with fragile(town) as (proxy, url), blank(browser, url) as opened:
        await enter(opened, ann)
        begin = """async ([name, to]) => {
          window.stream = await window[name].client.stream({ to, text: "0" });
          return window.stream.started;
        }"""
        begun = await opened.evaluate(begin, [ann.username, bob.user_id])
        for at in range(1, 40):
            await opened.evaluate("delta => { window.stream.write(delta); }", f" {at}")
            if at % 10 == 0:
                proxy.cut()
        await opened.evaluate("() => window.stream.end()")
        history = await bob.get("/api/messages/history", convId=begun["convId"])
        (message,) = history["messages"]
        assert message["payload"]["text"] == " ".join(str(at) for at in range(40))
        assert message["streamStatus"] == "done"


async def test_a_page_that_comes_back_hears_what_it_missed_and_nothing_twice(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    keys = {"session": "session", "cursors": "cursors"}
    await bob.post("/api/messages", bob.text(ann, "before"))
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann, keys)
        await bob.post("/api/messages", bob.text(ann, "while there"))
        heard = "name => window[name].until(({ event }) => event === 'message').then(() => window[name].texts())"
        assert await opened.evaluate(heard, ann.username) == ["while there"]
        await opened.evaluate("name => window[name].client.close()", ann.username)
        for text in ("one", "two"):
            await bob.post("/api/messages", bob.text(ann, text))
        await opened.reload()
        await enter(opened, ann, keys)
        last = "name => window[name].until(({ data }) => data.payload?.text === 'two').then(() => window[name].texts())"
        assert await opened.evaluate(last, ann.username) == ["one", "two"]


async def test_a_token_that_has_run_out_is_replaced_and_a_session_that_has_ended_is_told(
    town: World, browser: Browser
) -> None:
    (ann,) = await town.circle(1)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann, {"session": "session"})
        spoil = """async (name) => {
          const { client, until, heard } = window[name];
          client.close();
          client.http.store.save({ ...client.http.session, token: "spoilt" });
          await client.connect();
          const isAnew = client.http.session.token !== "spoilt" && client.isConnected;
          client.http.store.save({ ...client.http.session, token: "spoilt" });
          return [isAnew, (await client.http.upload(new File(["all"], "a.txt"))).fileName];
        }"""
        assert await opened.evaluate(spoil, ann.username) == [True, "a.txt"]
        await ann.delete(f"/api/users/me/devices/{ann.username}-browser")
        over = """async (name) => {
          await window[name].until(({ event }) => event === "over");
          return window[name].heard.find(({ event }) => event === "over").data.code;
        }"""
        assert await opened.evaluate(over, ann.username) == 4010


async def test_it_goes_on_when_the_token_of_its_connection_ends(browser: Browser, tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        started_node(tmp_path, clock=clock, auth={"token_ttl": 60}) as (_, world),
        blank(browser, world.base_url) as opened,
    ):
        ann, bob = await world.circle(2)
        await enter(opened, ann)
        first = await opened.evaluate("name => window[name].client.http.session.token", ann.username)
        clock.advance(60)
        bob = await world.log_in(bob)
        anew = """async ([name, first]) => {
          const { client, until } = window[name];
          await until(() => client.http.session.token !== first && client.isConnected);
        }"""
        await opened.evaluate(anew, [ann.username, first])
        await bob.post("/api/messages", bob.text(ann, "later"))
        heard = "name => window[name].until(({ data }) => data.payload?.text === 'later').then(() => true)"
        assert await opened.evaluate(heard, ann.username)


async def test_what_waits_when_another_window_takes_over_is_sent_by_whoever_comes_back(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    is_deaf = True

    def without_sends(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(lambda text: None if is_deaf and json.loads(text)["action"] == "send" else server.send(text))

    async with blank(browser, town.base_url) as opened:
        await opened.route_web_socket(lambda _: True, without_sends)
        await enter(opened, ann)
        said = "([name, to]) => { window[name].client.send('still here', { to }).catch(() => {}); }"
        await opened.evaluate(said, [ann.username, bob.user_id])
        same = Person(ann.http, username=ann.username)
        same.token = await opened.evaluate("name => window[name].client.http.token", ann.username)
        over = "name => window[name].until(({ event }) => event === 'over').then(() => true)"
        async with town.online(same, f"{ann.username}-browser"):
            assert await opened.evaluate(over, ann.username)
        is_deaf = False
        back = """async (name) => {
          await window[name].client.connect();
          const heard = await window[name].until(({ event }) => event === "sent");
          return heard.filter(({ event }) => event === "sent").length;
        }"""
        assert await opened.evaluate(back, ann.username) == 1
        (line,) = (await bob.get("/api/conversations"))["conversations"]
        assert (line["lastSeq"], line["lastMessage"]["payload"]["text"]) == (1, "still here")


async def test_a_refusal_has_its_code(town: World, browser: Browser) -> None:
    (ann,) = await town.circle(1)
    stranger = await town.person()
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        script = """async ([name, to]) => {
          const refused = await window[name].client.send("hi", { to }).catch((error) => error);
          return [refused instanceof window[name].goim.GoimError, refused.code];
        }"""
        answer: Any = await opened.evaluate(script, [ann.username, stranger.user_id])
        assert answer == [True, "NOT_FRIEND"]


async def test_who_closes_while_connecting_and_connects_again_has_one_connection(town: World, browser: Browser) -> None:
    (ann,) = await town.circle(1)
    async with blank(browser, town.base_url) as opened:
        sockets: list[str] = []
        opened.on("websocket", lambda socket: sockets.append(socket.url))
        script = """async ({ name, password }) => {
          const { Client } = await import("/web/goim.js");
          const client = new Client();
          await client.login(name, password, "twice");
          const first = client.connect();
          client.close();
          await Promise.all([first, client.connect()]);
          await client.ask("sync", { convs: [] });
          await new Promise((wait) => setTimeout(wait, 300));
          await client.ask("sync", { convs: [] });
        }"""
        await opened.evaluate(script, {"name": ann.username, "password": PASSWORD})
        assert len(sockets) == 1
