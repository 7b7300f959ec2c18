"""Looks at the server while it is under load: what its processes use, as a series over time."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from msgspec import Struct

from loadtest.processes import Sample, Usage, sample

_EVERY_SECONDS = 0.5


class Share(Struct, frozen=True, kw_only=True, rename="camel"):
    """What one process of the server used in the measured time: CPU seconds, resident bytes at its end."""

    pid: int
    name: str
    main: float
    threads: float
    memory: int

    @property
    def cpu(self) -> float:
        return self.main + self.threads


class Watch:
    """The server's processes, if they are ours to see."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids = list(pids)
        self.samples: list[Sample] = []

    def turn(self) -> None:
        """Take a sample if it is time."""
        if self.pids and (not self.samples or perf_counter() - self.samples[-1].at >= _EVERY_SECONDS):
            self.samples.append(sample(self.pids))

    def finish(self) -> None:
        """One more sample, whatever the time."""
        if self.pids:
            self.samples.append(sample(self.pids))

    def shares(self, start: float, end: float) -> list[Share]:
        """What each process used between two moments; between two samples use is taken as even."""
        pids = dict.fromkeys(pid for each in self.samples for pid in each.processes)
        return [share for pid in pids if (share := self._share(pid, start, end)) is not None]

    def grown_since(self, moment: float) -> int:
        """Resident bytes more than at the sample nearest to a moment, without those of databases, which fill caches."""
        before = min(self.samples, key=lambda each: abs(each.at - moment))
        return self.samples[-1].memory_without_databases - before.memory_without_databases

    def _share(self, pid: int, start: float, end: float) -> Share | None:
        seen = [(each.at, each.processes[pid]) for each in self.samples if pid in each.processes]
        main = _at(end, [(at, usage.main) for at, usage in seen]) - _at(start, [(at, usage.main) for at, usage in seen])
        others = [(at, usage.threads) for at, usage in seen]
        threads = _at(end, others) - _at(start, others)
        last: Usage = max((each for each in seen if each[0] <= end + _EVERY_SECONDS), default=seen[-1])[1]
        if main + threads <= 0 and seen[-1][0] < end:
            return None  # it ended before
        return Share(pid=pid, name=last.name, main=main, threads=max(0.0, threads), memory=last.memory)


def _at(moment: float, points: Sequence[tuple[float, float]]) -> float:
    """The value of a rising series at a moment, on the line between the samples around it."""
    before = max((point for point in points if point[0] <= moment), default=points[0])
    after = min((point for point in points if point[0] > moment), default=points[-1])
    if after[0] <= before[0]:
        return before[1]
    share = min(1.0, max(0.0, (moment - before[0]) / (after[0] - before[0])))
    return before[1] + share * (after[1] - before[1])
