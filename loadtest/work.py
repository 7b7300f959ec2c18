"""What all kinds of load have in common: connect, say that one is ready, begin together, measure, report."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Iterable, Iterator
from math import inf
from time import perf_counter, process_time

import msgspec

from loadtest.histogram import Histogram
from loadtest.ledger import Ledger
from loadtest.plan import Event, Go, Outcome, Plan, Progress, Ready
from loadtest.sockets import Loop


class Boss:
    """The benchmark that started this generator; it is spoken to by stdin and stdout."""

    def read_plan(self) -> Plan:
        return msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)

    def tell(self, event: Event) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
        sys.stdout.buffer.flush()

    def said_go(self) -> Go | None:
        """None if it has not yet."""
        if not select.select((sys.stdin,), (), (), 0)[0]:
            return None
        return msgspec.json.decode(sys.stdin.buffer.readline() or b'{"at":0}', type=Go)

    def wait_for_end(self) -> None:
        """Stay connected until it is looked at what that costs."""
        sys.stdin.buffer.read()


class Work:
    """One run of one generator; each kind of load says what it does at each step."""

    def __init__(self, plan: Plan, boss: Boss) -> None:
        self.plan = plan
        self.loop = Loop(plan.target)
        self.ledger = Ledger(0.0, 0.0)
        self.cpu = self.begun = self.ended = 0.0
        self.periods: dict[str, float] = {}
        self.acknowledged = 0
        self._boss = boss

    def prepare(self) -> None:
        """Connect everybody."""

    def begin(self, at: float) -> None:
        """The first moment under load."""

    def counts(self) -> dict[str, int]:
        """What was done so far, by its name."""
        return {}

    def done(self) -> int:
        """How much that is of what the measured time is for."""
        return sum(self.counts().values())

    def latest_ms(self) -> list[float]:
        """Some of the newest latencies."""
        return []

    def finish(self) -> None:
        """Send nothing more, wait for what is under way, judge."""

    def run(self) -> Outcome:
        self.prepare()
        self._boss.tell(Ready())
        went = self._wait_for_go()
        self.begun = went + self.plan.warmup
        self.ended = self.begun + self.plan.seconds
        self.ledger = Ledger(self.begun, self.ended, by_due=self.plan.rate > 0)
        self.begin(went)
        self.loop.tick = lambda _: self._boss.tell(Progress(self.counts(), self.latest_ms()))
        self.measure()
        self.finish()
        return self._outcome()

    def measure(self) -> None:
        """Let time pass under load, and count what it costs us. Where the machine did something else all the time, it
        goes on until enough was done."""
        self.wait_until(self.begun)
        cpu, enough = process_time(), self.done() + self.plan.least
        self.wait_until(self.ended)
        if self.done() < enough:
            self.ledger.end = inf
            self.loop.turn_until(lambda _: self.done() >= enough, self.plan.patience)
            self.ended = self.ledger.end = perf_counter()
        while self.loop.alarm is not None and self.loop.alarm(self.ended) <= self.ended:
            pass  # what was due in time is said, if it was us who stood still
        self.cpu = process_time() - cpu

    def _outcome(self) -> Outcome:
        for why in self.loop.losses:
            self.ledger.blame("lost connection", why)
        times = self.ledger.times
        return Outcome(
            begun=self.begun,
            ended=self.ended,
            counts=dict(self.ledger.counts),
            periods=self.periods,
            latencies={kind: Histogram.of(values) for kind, values in times.items()},
            cpu=self.cpu,
            problems=dict(self.ledger.problems),
            refused=dict(self.ledger.refused),
            examples=self.ledger.examples,
            acknowledged=self.acknowledged,
        )

    def connect(self, openings: Iterable[Callable[[], object]]) -> None:
        """Open connections, a limited number of handshakes at once."""
        begun, rest, is_over = self.loop.opened, iter(openings), False

        def done(_: float) -> bool:
            nonlocal begun, is_over
            while not is_over and begun - self.loop.opened < self.plan.opening_at_once:
                is_over = not _open_one(rest)
                begun += not is_over
            return is_over and self.loop.opened + len(self.loop.losses) >= begun

        if not self.loop.turn_until(done, self.plan.handshake_patience):
            raise TimeoutError(f"{begun - self.loop.opened} handshakes got no answer")

    def wait(self, seconds: float) -> None:
        self.wait_until(perf_counter() + seconds)

    def wait_until(self, end: float) -> None:
        self.loop.turn_until(lambda now: now >= end, end - perf_counter() + self.plan.patience)

    def _wait_for_go(self) -> float:
        found: list[float] = []

        def done(_: float) -> bool:
            go = self._boss.said_go()
            found.extend([go.at] if go else [])
            return bool(found)

        self.loop.turn_until(done, float("inf"))
        self.wait_until(found[0])
        return found[0]


def _open_one(rest: Iterator[Callable[[], object]]) -> bool:
    """Whether there was one more."""
    opening = next(rest, None)
    if opening is not None:
        opening()
    return opening is not None
