"""The JavaScript client while others log in: nothing of one account is done, or kept, in the name of the next."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Browser, Page, WebSocketRoute

from tests.browser.blanks import Held, blank, only_log
from tests.client import PASSWORD, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW = """async (who) => {
  const goim = await import("/web/goim.js");
  window.client = new goim.Client({ timing: { firstPause: 20, longestPause: 100, patience: 30_000 } });
  window.heard = [];
  client.on("*", (data, event) => heard.push({ event, data }));
  window.enter = (name) => client.login(name, who.password, "shared");
  await enter(who.name);
}"""
SAYS = "([text, to]) => client.send(text, { to }).then(() => {})"


async def shared(opened: Page, person: Person) -> None:
    """A client in a page in which others log in later."""
    await opened.evaluate(NEW, {"name": person.username, "password": PASSWORD})


async def said(person: Person) -> list[str]:
    return [message["payload"]["text"] for message in await only_log(person)]


async def test_what_one_could_not_send_is_not_said_by_who_logs_in_next(town: World, browser: Browser) -> None:
    ann, eve, bob = await town.circle(3)
    async with blank(browser, town.base_url) as opened:
        await shared(opened, ann)
        script = """async ([name, to]) => {
          for (const text of ["one", "two", "three"]) client.send(text, { to }).catch(() => {});
          await client.logout();
          await enter(name);
          await client.connect();
        }"""
        await opened.evaluate(script, [eve.username, bob.user_id])
        await opened.evaluate(SAYS, ["eve's", bob.user_id])
        assert await said(bob) == ["eve's"]


async def test_what_was_too_fast_for_one_is_not_asked_again_by_who_logs_in_next(town: World, browser: Browser) -> None:
    ann, eve, bob = await town.circle(3)
    is_limited = True

    def slow_down(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def pass_on(text: str | bytes) -> None:
            asked = json.loads(text)
            if is_limited and asked["action"] == "send":
                refused = {"code": "RATE_LIMIT", "message": "slower", "action": "send", "retryAfterMs": 1500}
                route.send(json.dumps({"action": "error", "id": asked["id"], "data": refused}))
            else:
                server.send(text)

        route.on_message(pass_on)

    async with blank(browser, town.base_url) as opened:
        await opened.route_web_socket(lambda _: True, slow_down)
        await shared(opened, ann)
        limited = """async (to) => {
          await client.connect();
          client.send("ann's", { to }).catch(() => {});
          await client.ask("sync", { convs: [] });
          window.pause = new Promise((over) => setTimeout(over, 1500)); // after that of the client
        }"""
        await opened.evaluate(limited, bob.user_id)
        is_limited = False
        script = """async (name) => {
          await client.logout();
          await enter(name);
          await client.connect();
          await window.pause;
          await client.ask("sync", { convs: [] });
        }"""
        await opened.evaluate(script, eve.username)
        await opened.evaluate(SAYS, ["eve's", bob.user_id])
        assert await said(bob) == ["eve's"]


async def test_a_token_that_is_renewed_while_one_logs_out_is_not_kept(town: World, browser: Browser) -> None:
    ann, eve = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        held = Held()
        await opened.route("**/api/token/refresh", held)
        await shared(opened, ann)
        script = """() => {
          client.http.store.save({ ...client.http.session, token: "spoilt" });
          window.asking = client.http.get("/api/users/me").then(({ username }) => username, (error) => error.name);
        }"""
        await opened.evaluate(script)
        await held.has_come.wait()
        await opened.evaluate("name => (client.forget(), enter(name))", eve.username)
        await held.let_go()
        assert await opened.evaluate("() => asking") == "SessionOver"
        assert await opened.evaluate("() => client.userId") == eve.user_id


async def test_what_was_not_available_to_one_is_not_asked_again_by_who_logs_in_next(
    town: World, browser: Browser
) -> None:
    ann, eve, bob = await town.circle(3)
    async with blank(browser, town.base_url) as opened:
        problem = {"code": "UNAVAILABLE", "title": "later", "status": 503}
        held = Held({"status": 503, "json": problem})
        await opened.route("**/api/messages", held)
        await shared(opened, ann)
        send = "data => { window.asking = client.http.post('/api/messages', data).catch((error) => error.name); }"
        await opened.evaluate(send, ann.text(bob, "ann's"))
        await held.has_come.wait()
        await opened.evaluate("name => (client.forget(), enter(name))", eve.username)
        await held.let_go()
        assert await opened.evaluate("() => asking") == "SessionOver"
        assert (await bob.get("/api/conversations"))["conversations"] == []


async def test_who_logs_in_next_does_not_go_on_with_the_conversations_of_who_was_connecting(
    town: World, browser: Browser
) -> None:
    ann, eve, bob = await town.circle(3)
    await bob.post("/api/messages", bob.text(ann, "for ann"))
    await bob.post("/api/messages", bob.text(eve, "for eve"))
    async with blank(browser, town.base_url) as opened:
        held = Held()
        await opened.route("**/api/conversations?*", held)
        await shared(opened, ann)
        await opened.evaluate("() => { client.connect(); }")
        await held.has_come.wait()
        await opened.evaluate(
            "name => (client.forget(), enter(name)).then(() => { window.asking = client.connect(); })", eve.username
        )
        await held.let_go()
        told = """async () => {
          await asking;
          await client.ask("sync", { convs: [] });
          const lists = heard.filter(({ event }) => event === "conversations");
          return lists.flatMap(({ data }) => data.map(({ lastMessage }) => lastMessage.payload.text));
        }"""
        assert set(await opened.evaluate(told)) == {"for eve"}


async def test_a_page_is_over_when_somebody_else_logs_in_in_another_one_of_the_same_browser(
    town: World, browser: Browser
) -> None:
    ann, eve, bob = await town.circle(3)
    async with blank(browser, town.base_url) as opened:
        script = """async ({ ann, eve, userId, to, password }) => {
          const { Client, LocalStore } = await import("/web/goim.js");
          const timing = { firstPause: 20, longestPause: 100 };
          const [one, other] = [0, 1].map(() => new Client({ session: new LocalStore("session"), timing }));
          await one.login(ann, password, "shared");
          await one.connect();
          await other.login(eve, password, "other");
          await one.ask("sync", { convs: [] });
          one.close();
          one.send("ann's", { to }).catch(() => {});
          const isOver = await one.connect().catch((error) => error.name);
          const isOther = other.userId === userId && other.isLoggedIn;
          one.forget();
          await one.connect();
          await one.send("eve's", { to });
          return [isOver, isOther, one.userId === userId];
        }"""
        who = {"ann": ann.username, "eve": eve.username, "userId": eve.user_id, "to": bob.user_id, "password": PASSWORD}
        assert await opened.evaluate(script, who) == ["SessionOver", True, True]
        assert await said(bob) == ["eve's"]


async def test_what_one_has_uploaded_is_nothing_to_who_logs_in_next(town: World, browser: Browser) -> None:
    ann, eve = await town.circle(2)
    async with blank(browser, town.base_url) as opened:
        held = Held()
        await opened.route("**/api/files/upload", held)
        await shared(opened, ann)
        upload = """() => {
          const file = new File(["ann's"], "notes.txt");
          window.asking = client.http.upload(file).then(({ url }) => url, (error) => error.name);
        }"""
        await opened.evaluate(upload)
        await held.has_come.wait()
        await opened.evaluate("name => (client.forget(), enter(name))", eve.username)
        await held.let_go()
        assert await opened.evaluate("() => asking") == "SessionOver"
