"""The JavaScript client's connection: what goes over it once, not at all, and when it is left."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Browser, WebSocketRoute

from tests.browser.blanks import blank, enter, fragile
from tests.client import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_is_asked_as_soon_as_one_is_connected_is_asked_once(town: World, browser: Browser) -> None:
    (ann,) = await town.circle(1)
    asked: list[Any] = []

    def listen(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def pass_on(text: str | bytes) -> None:
            asked.append(json.loads(text)["action"])
            server.send(text)

        route.on_message(pass_on)

    async with blank(browser, town.base_url) as opened:
        await opened.route_web_socket(lambda _: True, listen)
        await enter(opened, ann)
        script = """async (name) => {
          const { client } = window[name];
          client.close();
          const answered = client.once("connected").then(() => client.ask("ping", {}));
          client.on("connected", () => client.ask("sync", { convs: [] }));
          await client.connect();
          await answered;
        }"""
        await opened.evaluate(script, ann.username)
        assert asked == ["sync", "ping"]


async def test_who_typed_while_nothing_moved_is_not_said_to_type_later(town: World, browser: Browser) -> None:
    ann, bob = await town.circle(2)
    await bob.post("/api/messages", bob.text(ann, "hello"))
    (line,) = (await bob.get("/api/conversations"))["conversations"]
    device = await town.device(bob)
    is_stalled = True

    def stall(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(lambda text: None if is_stalled else server.send(text))

    async with blank(browser, town.base_url) as opened:
        await opened.route_web_socket(lambda _: True, stall)
        await enter(opened, ann)
        await opened.evaluate("([name, conv]) => window[name].client.typing(conv)", [ann.username, line["convId"]])
        is_stalled = False
        script = """async ([name, conv]) => {
          const { client } = window[name];
          client.close();
          await client.connect();
          await client.send("here", { conv });
        }"""
        await opened.evaluate(script, [ann.username, line["convId"]])
        await device.push("message")
        assert [push for push in device.pushes if push["action"] == "typing"] == []


async def test_a_connection_on_which_nothing_moves_is_left_though_the_clock_was_put_back(
    town: World, browser: Browser
) -> None:
    (ann,) = await town.circle(1)
    async with fragile(town) as (proxy, url), blank(browser, url) as opened:
        await enter(opened, ann, heartbeat=400)
        await opened.evaluate("() => { const { now } = Date; Date.now = () => now() - 3_600_000; }")
        proxy.stall()
        gone = "name => window[name].until(({ event }) => event === 'disconnected').then(() => true)"
        assert await opened.evaluate(gone, ann.username)


async def test_a_token_is_renewed_where_a_page_may_take_no_locks(town: World, browser: Browser) -> None:
    (ann,) = await town.circle(1)
    async with blank(browser, town.base_url) as opened:
        # as Chromium does in frames of other sites that may keep nothing
        refuse = """() => {
          navigator.locks.request = async () => { throw new DOMException("Access denied", "SecurityError"); };
        }"""
        await opened.evaluate(refuse)
        await enter(opened, ann)
        renewed = """async (name) => {
          const { http } = window[name].client;
          http.store.save({ ...http.session, token: "spoilt" });
          return (await http.get("/api/users/me")).username;
        }"""
        assert await opened.evaluate(renewed, ann.username) == ann.username


async def test_an_upload_that_was_cancelled_before_it_began_is_not_made(town: World, browser: Browser) -> None:
    (ann,) = await town.circle(1)
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann)
        script = """async (name) => {
          const file = new File(["all"], "a.txt");
          return window[name].client.http.upload(file, { signal: AbortSignal.abort() }).catch((error) => error.name);
        }"""
        assert await opened.evaluate(script, ann.username) == "AbortError"
        assert (await ann.get("/api/files"))["files"] == []


async def test_what_is_said_in_a_page_that_was_replaced_is_not_lost_when_another_one_has_said_all(
    town: World, browser: Browser
) -> None:
    ann, bob = await town.circle(2)
    keys = {"session": "session", "outbox": "outbox"}
    async with blank(browser, town.base_url) as opened:
        await enter(opened, ann, keys)
        script = """async ([name, to]) => {
          const { goim, client, until } = window[name];
          const stores = () => ({ session: new goim.LocalStore("session"), outbox: new goim.LocalStore("outbox") });
          const other = new goim.Client(stores());
          await other.connect();
          await until(({ event }) => event === "over");
          client.send("said in the one", { to }).catch(() => {});
          await other.send("said in the other", { to });
          other.close();
          const later = new goim.Client(stores()); // the one is closed, too
          const sent = later.once("sent");
          await later.connect();
          const isLost = later.send("later", { to }).then(() => "lost");
          return Promise.race([sent.then(({ data }) => data.payload.text), isLost]);
        }"""
        assert await opened.evaluate(script, [ann.username, bob.user_id]) == "said in the one"
