"""Somebody in front of the screen of `goimctl chat`, at a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from goimctl.talk.screen.app import ChatApp
from goimctl.talk.session import Session
from textual.events import Paste
from textual.pilot import Pilot

from goim.client import Client, Timing
from goim.clock import SystemClock
from tests.client import PASSWORD

_PATIENCE = 45.0
LOOK = 0.02


@dataclass
class Seat:
    """Presses keys, looks at the screen."""

    app: ChatApp
    pilot: Pilot[None]

    @property
    def screen(self) -> str:
        """What is on the screen, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Put in a text in one piece, as the clipboard or an input method does."""
        self.app.post_message(Paste(text))
        await self.pilot.pause()

    async def say(self, text: str) -> None:
        await self.type(text)
        await self.press("enter")

    async def shows(self, *texts: str) -> None:
        """Wait until all of these are on the screen at once."""
        await self.until(lambda: all(text in self.screen for text in texts))

    async def hides(self, text: str) -> None:
        await self.until(lambda: text not in self.screen)

    async def until(self, holds: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                while not holds():
                    await self.pilot.pause(LOOK)
        except TimeoutError:
            raise AssertionError(f"not within {_PATIENCE} s:\n{self.screen}") from None


@contextlib.asynccontextmanager
async def seated(
    url: str, name: str, with_: str | None = None, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[Seat]:
    """`name` in front of a screen of this size."""
    client = Client(url, username=name, password=PASSWORD, device_id="screen", timing=Timing(longest_pause=0.5))
    async with client, asyncio.TaskGroup() as tasks:
        session = Session(client, SystemClock())
        await session.refresh()
        if with_ is not None:
            session.here = await session.find_room(with_)
        app = ChatApp(session)
        async with app.run_test(size=size, notifications=True) as pilot:
            listening = tasks.create_task(session.run(app))
            seat = Seat(app, pilot)
            await seat.shows("● connected")
            yield seat
        listening.cancel()
