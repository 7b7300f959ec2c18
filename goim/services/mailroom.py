"""Joins commands to the nodes at their database where no bus does: they post letters, the nodes look for them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import structlog

from goim.bus.base import Alarm, Receiver
from goim.clock import Clock
from goim.delivery import Delivery
from goim.stores.base_mailbox import Letter, Mailbox
from goim.tasks import beside, repeat

POLL_SECONDS = 0.5
HEARD_SECONDS = 2 * POLL_SECONDS
"""So long after a letter was posted every node has done what it says."""
KEPT_SECONDS = 600.0
"""Much longer than a node that lives goes without looking."""
_AT_ONCE = 500
_log = structlog.get_logger(__name__)


class Postbox:
    """A `Bus` that only sends: what is published is posted when the context ends, in one piece.

    Also when it ends with an error, since what was done until then was done. Nothing ever arrives here.
    """

    def __init__(self, mailbox: Mailbox, clock: Clock) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._letters: list[tuple[str, bytes]] = []

    @property
    def has_company(self) -> bool:
        return True  # there may be a node at this database: nobody knows

    @property
    def ahead_ms(self) -> int:
        return 0  # not known here

    def publish(self, topic: str, body: bytes) -> None:
        self._letters.append((topic, body))

    def subscribe(self, topic: str) -> None: ...

    def unsubscribe(self, topic: str) -> None: ...

    def listen(self, receiver: Receiver) -> None: ...

    def on_interruption(self, alarm: Alarm) -> None: ...

    async def settled(self) -> None: ...

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Post at the end, and throw away what every node has read long ago."""
        try:
            yield
        finally:
            if self._letters:
                now = self._clock.now_ms()
                await self._mailbox.post(self._letters, now)
                await self._mailbox.sweep(now - int(KEPT_SECONDS * 1000))


class Mailroom:
    """Looks for letters twice a second and delivers them as if the bus had brought them."""

    def __init__(self, mailbox: Mailbox, delivery: Delivery, clock: Clock) -> None:
        self._mailbox = mailbox
        self._delivery = delivery
        self._clock = clock
        self._read = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver what is posted while the context is open; what lay there before was for those before us."""
        self._read = await self._mailbox.newest()
        async with beside(repeat(self._clock, POLL_SECONDS, self.collect, "letters_wait")):
            yield

    async def collect(self) -> None:
        """Deliver what has come since the last time."""
        is_more = True
        while is_more:
            letters = await self._mailbox.after(self._read, _AT_ONCE)
            for letter in letters:
                self._read = letter.letter_id
                self._deliver(letter)
            is_more = len(letters) == _AT_ONCE

    def _deliver(self, letter: Letter) -> None:
        try:
            self._delivery.arrive(letter.topic, letter.body)
        except Exception:  # noqa: BLE001 - of another release, perhaps; the next one must still be read
            _log.exception("letter_not_understood", topic=letter.topic)
