"""Connections that do nothing: what it costs to make them, and to hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter, process_time
from typing import Protocol

from loadtest.connections import Connection
from loadtest.ledger import Ledger
from loadtest.plan import Person
from loadtest.work import Work

_WARMING = 100  # the first connections warm the server up and are not counted


class Opened(Protocol):
    """A connection, whatever it speaks."""

    begun_at: float
    opened_at: float


class Idling(Work):
    """Connects everybody; then holds them for a while and sees that they stay."""

    def prepare(self) -> None:
        self._connections: list[Opened] = []
        self._first = min(_WARMING, len(self.plan.people) // 2)
        self.connect(self._openings(0, self._first))
        self.wait(self.plan.rest)

    def measure(self) -> None:
        self.begun, cpu = perf_counter(), process_time()
        self.connect(self._openings(self._first, len(self.plan.people)))
        self.ended = perf_counter()
        self.cpu = process_time() - cpu
        self.ledger = Ledger(self.begun, self.ended)
        for each in self._connections[self._first :]:
            self.ledger.book("handshake", min(each.opened_at, self.ended - 1e-9), each.begun_at)

    def finish(self) -> None:
        self.wait(self.plan.rest + self.plan.seconds)

    def counts(self) -> dict[str, int]:
        return {"handshake": self.loop.opened}

    def _openings(self, first: int, last: int) -> Iterator[Callable[[], object]]:
        for person in self.plan.people[first:last]:
            yield partial(self._open, person)

    def open(self, person: Person) -> Opened:
        """Begin a connection."""
        return Connection(self.loop, person)

    def _open(self, person: Person) -> None:
        self._connections.append(self.open(person))
