"""Everybody comes at once: logins, handshakes, and all of them again after a node has died under them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from functools import partial
from time import perf_counter, process_time
from typing import TypeVar

from loadtest.connections import Connection
from loadtest.ledger import Ledger
from loadtest.plan import Person
from loadtest.web import WebLink, request
from loadtest.wire import frame
from loadtest.work import Work

_LOGINS = 200  # each costs some 20 ms: more of them would tell nothing new
_LOGINS_AT_ONCE = 8
_SYNC = frame(b'{"action":"sync","id":"back","data":{"convs":[]}}')
T = TypeVar("T")
_ABORT = struct.pack("ii", 1, 0)


class Comer(Connection):
    """Connects, and asks for what it missed, as clients do; `back_at` when it has been told."""

    is_taped = False

    back_at = 0.0

    def opened(self) -> None:
        self.write(_SYNC)

    def receive(self, text: bytes) -> None:
        if b'"action":"synced"' in text:
            self.back_at = self.loop.now


class Storming(Work):
    """Logs some in, connects everybody, cuts everybody off, and has everybody come back."""

    def prepare(self) -> None:
        self._done = {"login": 0, "handshake": 0, "reconnect": 0}

    def measure(self) -> None:
        self.ledger = Ledger(0.0, float("inf"))
        self._timed("login", self._log_in)
        self.wait(self.plan.rest)
        self.begun, cpu = perf_counter(), process_time()
        comers = self._timed("handshake", self._come)
        for each in comers:
            each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)  # cut off, not closed
            self.loop.remove(each)
        cut_at = perf_counter()
        back = self._timed("reconnect", self._come)
        self.ended = perf_counter()
        self.cpu = process_time() - cpu
        self.periods["handshake"] += self.periods["reconnect"]
        for each in (*comers, *back):
            self.ledger.book("handshake", each.opened_at, each.begun_at)
        for each in back:
            self.ledger.book("reconnect", each.back_at, cut_at)

    def counts(self) -> dict[str, int]:
        return self._done | {"handshake": self.loop.opened}

    def finish(self) -> None:
        self.wait(self.plan.rest)

    def _timed(self, name: str, do: Callable[[], T]) -> T:
        """Its rate is counted over its own time."""
        begun = perf_counter()
        result = do()
        self.periods[name] = perf_counter() - begun
        return result

    def _come(self) -> list[Comer]:
        """All connect as fast as the server lets them, and are told what they missed."""
        comers: list[Comer] = []
        self.connect(partial(self._open, comers, person) for person in self.plan.people)
        self.loop.turn_until(lambda _: all(each.back_at for each in comers), self.plan.handshake_patience)
        late = sum(not each.back_at for each in comers)
        if late:
            self.ledger.blame("unanswered sync", "after the handshake", late)
        return [each for each in comers if each.back_at]

    def _open(self, comers: list[Comer], person: Person) -> None:
        comers.append(Comer(self.loop, person))

    def _log_in(self) -> None:
        todo = list(self.plan.people[:_LOGINS])
        wanted = len(todo)
        links = [WebLink(self.loop) for _ in range(min(_LOGINS_AT_ONCE, wanted))]

        def done(_: float) -> bool:
            for link in links:
                if link.is_free and todo:
                    self._ask(link, todo.pop())
            return self._done["login"] >= wanted

        self.loop.turn_until(done, self.plan.handshake_patience)
        for link in links:
            self.loop.remove(link)

    def _ask(self, link: WebLink, person: Person) -> None:
        asked_at = perf_counter()

        def answered(status: int, body: bytes, now: float) -> None:
            self._done["login"] += 1
            if status == 200:
                self.ledger.book("login", now, asked_at)
            else:
                self.ledger.refuse(f"HTTP {status}", body[:200].decode(errors="replace"))

        account = {"username": person.username, "password": person.password}
        link.ask(request(self.plan.target, "POST", "/api/login", body=account), answered)
