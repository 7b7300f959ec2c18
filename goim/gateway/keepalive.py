"""Finds out who is still there: one timer pings all connections in turn, each as often as is agreed."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

_SLOTS = 32
"""So many steps a round has."""


class Pinged(Protocol):
    """A connection to be pinged."""

    slot: int
    """Its place on the wheel; -1 when it has none."""

    asked: int
    """The turn of the ping that it has not answered yet, or 0."""

    def ping(self) -> None: ...

    def give_up(self) -> None:
        """End it: it has not answered in time."""
        ...


class Keepalive:
    """A wheel that goes round once per interval: a connection has a place on it, and is pinged when that comes by.

    One that owes an answer is not asked again; when it has owed it for `timeout` seconds, it is given up. Both are
    right to a 32nd of the interval.
    """

    def __init__(self, interval: float, timeout: float) -> None:
        self._step = interval / _SLOTS
        self._patience = math.ceil(timeout / self._step)
        self._turn = self._patience  # from here on no turn is 0, and none that anybody was asked in
        self._slots: list[set[Pinged]] = [set() for _ in range(_SLOTS)]
        self._is_turning = False

    def add(self, each: Pinged) -> None:
        """Ping it an interval from now for the first time."""
        each.slot = self._turn % _SLOTS
        self._slots[each.slot].add(each)
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_later(self._step, self._go_on)

    def drop(self, each: Pinged) -> None:
        """Twice is once."""
        if each.slot >= 0:
            self._slots[each.slot].discard(each)
            each.slot = -1

    def advance(self) -> None:
        """A step: give up who was asked `timeout` ago, and ask who is due."""
        self._turn += 1
        asked_then = self._turn - self._patience
        for each in [each for each in self._slots[asked_then % _SLOTS] if each.asked == asked_then]:
            each.give_up()
        for each in [each for each in self._slots[self._turn % _SLOTS] if not each.asked]:
            each.asked = self._turn
            each.ping()

    def _go_on(self) -> None:
        self.advance()
        self._is_turning = any(self._slots)
        if self._is_turning:
            asyncio.get_running_loop().call_later(self._step, self._go_on)
