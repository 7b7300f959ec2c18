"""Pages that have nothing but `/web/goim.js`, and clients in them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, Route, WebSocketRoute

from tests.client import PASSWORD, Person, World
from tests.fault_proxy import FaultProxy

# A client of somebody that keeps what it hears; `until` waits for something among it.
LOGGED_IN = """async ({ name, password, heartbeat, more }) => {
  const goim = await import("/web/goim.js");
  const timing = { firstPause: 20, longestPause: 100, heartbeat, patience: 3000 };
  const options = Object.fromEntries(Object.entries(more).map(([each, key]) => [each, new goim.LocalStore(key)]));
  const client = new goim.Client({ timing, ...options });
  const heard = [];
  client.on("*", (data, event) => heard.push({ event, data }));
  const until = async (matches) => {
    for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((go) => setTimeout(go, 20))) {
      if (heard.some(matches)) return heard;
    }
    throw new Error("it never came: " + JSON.stringify(heard.slice(-5)));
  };
  const texts = () => heard.filter(({ event }) => event === "message").map(({ data }) => data.payload.text);
  if (!client.isLoggedIn) await client.login(name, password, `${name}-browser`);
  await client.connect();
  window[name] = { goim, client, heard, until, texts };
}"""


@contextlib.asynccontextmanager
async def blank(browser: Browser, url: str) -> AsyncIterator[Page]:
    context = await browser.new_context()
    try:
        opened = await context.new_page()
        await opened.goto(f"{url}/web/app.webmanifest")
        yield opened
    finally:
        await context.close()


async def enter(opened: Page, person: Person, more: Mapping[str, str] | None = None, heartbeat: int = 20_000) -> None:
    who = {"name": person.username, "password": PASSWORD}
    await opened.evaluate(LOGGED_IN, {**who, "heartbeat": heartbeat, "more": more or {}})


async def only_log(person: Person) -> list[dict[str, Any]]:
    """All messages of the one conversation that somebody has."""
    (line,) = (await person.get("/api/conversations"))["conversations"]
    return await person.whole_log(line["convId"])


@contextlib.asynccontextmanager
async def fragile(world: World) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A way to the node that can be broken."""
    parts = urlsplit(world.base_url)
    async with FaultProxy(parts.hostname or "", parts.port or 0).running() as proxy:
        yield proxy, f"http://127.0.0.1:{proxy.port}"


def without_messages(route: WebSocketRoute) -> None:
    """As a node that has only just heard of a conversation: messages are not pushed, everything else is."""
    server = route.connect_to_server()

    def pass_on(text: str | bytes) -> None:
        if json.loads(text)["action"] != "message":
            route.send(text)

    server.on_message(pass_on)


class Held:
    """The answer to the first request for something waits until it is let go; the others wait for it."""

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        self.has_come = asyncio.Event()
        self._may_go = asyncio.Event()
        self._is_done = asyncio.Event()
        self._answer = answer
        self._is_taken = False

    async def __call__(self, route: Route) -> None:
        if self._is_taken:
            await self._is_done.wait()
            return await route.fallback()
        self._is_taken = True
        answer = self._answer or {"response": await route.fetch()}
        self.has_come.set()
        await self._may_go.wait()
        await route.fulfill(**answer)
        self._is_done.set()

    async def let_go(self) -> None:
        self._may_go.set()
        await self._is_done.wait()
