"""Starts the load generators, has them begin together, and puts together what they report."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import msgspec

from loadtest.errors import Refused
from loadtest.histogram import Histogram
from loadtest.plan import Event, Failed, Finished, Go, Outcome, Plan, Progress, Ready

ROOT = Path(__file__).resolve().parent.parent
_AHEAD_SECONDS = 0.1  # so that all have heard of it when it is time to begin
_TURN_SECONDS = 0.25

E = TypeVar("E", Ready, Finished)
Turn = Callable[[Progress], None]
"""Called several times a second, with the newest of all generators together."""


class Generators:
    """The running ones; ended with the block, whatever happens."""

    def __init__(self, plans: list[Plan]) -> None:
        self._plans = plans
        self._processes: list[subprocess.Popen[bytes]] = []
        self._listeners: list[threading.Thread] = []
        self._events: queue.Queue[tuple[int, Event | None]] = queue.Queue()
        self._progress: dict[int, Progress] = {}

    def run(self, turn: Turn, begun: Callable[[float, float], None]) -> list[Outcome]:
        """Wait until all are ready, let them go, and wait for their results. `begun` is told the measured time."""
        self._collect(Ready, turn)
        at = perf_counter() + _AHEAD_SECONDS
        for process in self._processes:
            assert process.stdin
            process.stdin.write(msgspec.json.encode(Go(at)) + b"\n")
            process.stdin.flush()
        start = at + self._plans[0].warmup
        begun(start, start + self._plans[0].seconds)
        return [event.outcome for event in self._collect(Finished, turn)]

    def _collect(self, kind: type[E], turn: Turn) -> list[E]:
        """One event of this kind from each."""
        found: list[E] = []
        while len(found) < len(self._processes):
            with contextlib.suppress(queue.Empty):
                number, event = self._events.get(timeout=_TURN_SECONDS)
                match event:
                    case Failed():
                        raise Refused(event.message, hint=event.hint)
                    case None:
                        raise Refused("a load generator ended without a result")
                    case Progress():
                        self._progress[number] = event
                    case kind():
                        found.append(event)
            turn(self._together())
        return found

    def _together(self) -> Progress:
        counts: Counter[str] = Counter()
        for each in self._progress.values():
            counts.update(each.counts)
        return Progress(dict(counts), [ms for each in self._progress.values() for ms in each.latest_ms])

    def start(self) -> None:
        for number, plan in enumerate(self._plans):
            process = subprocess.Popen(
                [sys.executable, "-m", "loadtest.generator"],
                env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is ours: we end them, and tidy up
            )
            self._processes.append(process)
            assert process.stdin
            process.stdin.write(msgspec.json.encode(plan) + b"\n")
            process.stdin.flush()
            self._listeners.append(threading.Thread(target=self._listen, args=(number, process), daemon=True))
            self._listeners[-1].start()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()
        for listener in self._listeners:
            listener.join()

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                self._events.put((number, msgspec.json.decode(line, type=Event)))
        self._events.put((number, None))


@contextlib.contextmanager
def generators(plans: list[Plan]) -> Iterator[Generators]:
    made = Generators(plans)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def together(outcomes: list[Outcome]) -> Outcome:
    """One outcome of several."""
    counts: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    latencies: dict[str, Histogram] = {}
    for each in outcomes:
        counts.update(each.counts)
        problems.update(each.problems)
        refused.update(each.refused)
        for kind, histogram in each.latencies.items():
            latencies.setdefault(kind, Histogram({})).add(histogram)
    return Outcome(
        begun=min(each.begun for each in outcomes),
        ended=max(each.ended for each in outcomes),
        counts=dict(counts),
        periods={name: max(each.periods[name] for each in outcomes) for name in outcomes[0].periods},
        latencies=latencies,
        cpu=sum(each.cpu for each in outcomes),
        problems=dict(problems),
        refused=dict(refused),
        examples=[example for each in outcomes for example in each.examples][:12],
        acknowledged=sum(each.acknowledged for each in outcomes),
    )
