"""Answers that come late to a page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from playwright.async_api import Page, Route

from tests.browser.pages import PATIENCE


@dataclass
class Late:
    """The first answer from an address: it is as of then, and comes later."""

    page: Page
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    due: asyncio.Event = field(default_factory=asyncio.Event)
    _taken: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, route: Route) -> None:
        answer = await route.fetch()
        is_first = not self._asked.is_set()
        if is_first:
            self._asked.set()
            await self.due.wait()
        await route.fulfill(response=answer)
        if is_first:
            self._taken.set()

    async def is_asked(self) -> None:
        async with asyncio.timeout(PATIENCE / 1000):
            await self._asked.wait()

    async def comes(self) -> None:
        """Let it come, until the page has taken it."""
        self.due.set()
        async with asyncio.timeout(PATIENCE / 1000):
            await self._taken.wait()
        await self.page.evaluate("() => fetch('/healthz').then((answer) => answer.text())")


@contextlib.asynccontextmanager
async def late(page: Page, url: str) -> AsyncIterator[Late]:
    """Within the block, its first answer is late; no address is watched after it."""
    held = Late(page)
    await page.route(url, held.answer)
    try:
        yield held
    finally:
        held.due.set()
        await page.unroute_all(behavior="wait")
