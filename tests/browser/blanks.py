"""Pages that have nothing but `/web/goim.js`, and clients in them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page

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


@contextlib.asynccontextmanager
async def fragile(world: World) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A way to the node that can be broken."""
    parts = urlsplit(world.base_url)
    async with FaultProxy(parts.hostname or "", parts.port or 0).running() as proxy:
        yield proxy, f"http://127.0.0.1:{proxy.port}"
