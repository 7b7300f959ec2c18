"""Looks a moment later whether what was told is still what is stored, and tells what is.

Two nodes that change one thing at once store in one order, and may be heard in the other. Whoever told what does not
stand finds that here. Its word came first or last: what it tells now comes after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from goim.clock import Clock
from goim.notices import Notices
from goim.tasks import beside, outlived, repeat

SECONDS = 1.0
Told = Mapping[str, Any]
Key = tuple[str, ...]
Look = Callable[[Told], Awaitable[None]]
"""Compares what was told with what is stored; where they differ it tells, and notes that."""


class SecondLook:
    """One look for each thing, at all that was told of it meanwhile. Where there are no other nodes, none."""

    def __init__(self, notices: Notices, clock: Clock) -> None:
        self._notices = notices
        self._clock = clock
        self._noted: dict[Key, tuple[float, Told, Look]] = {}

    def note(self, key: Key, told: Told, look: Look) -> None:
        """This was told of a thing just now."""
        if self._notices.has_company:
            _, earlier, _ = self._noted.pop(key, (0.0, {}, look))
            self._noted[key] = (self._clock.monotonic() + SECONDS, {**earlier, **told}, look)

    async def look(self) -> None:
        """At everything whose time has come."""
        now = self._clock.monotonic()
        for key in [key for key, (due, _, _) in self._noted.items() if due <= now]:
            _, told, look = self._noted.pop(key)
            with outlived("second_look_failed", key=key):
                await look(told)

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Look again and again while the context is open."""
        return beside(repeat(self._clock, SECONDS, self.look, "second_look_failed"))


def differences(told: Told, stored: object) -> dict[str, Any]:
    """What is stored otherwise than it was told."""
    return {name: now for name, was in told.items() if (now := getattr(stored, name)) != was}
