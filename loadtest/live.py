"""What a run looks like while it goes on: the newest figures as a table, and all of them as a series for charts."""

from __future__ import annotations

from time import perf_counter

from msgspec import Struct
from rich.table import Table

from loadtest.plan import Progress
from loadtest.report import Moment
from loadtest.scenarios import Load
from loadtest.watch import Watch

_MIB = 1024**2


class Point(Struct, frozen=True):
    """What the generators told at one moment."""

    at: float
    counts: dict[str, int]
    latest_ms: list[float]


class Live:
    """Follows a run; `start` and `end` bound the measured time."""

    def __init__(self, load: Load, watch: Watch) -> None:
        self._load = load
        self._watch = watch
        self._points: list[Point] = []
        self._start = self._end = 0.0

    def begin(self, start: float, end: float) -> None:
        self._start, self._end = start, end

    def turn(self, progress: Progress) -> None:
        """Take down what is new."""
        if progress.counts and (not self._points or progress.counts != self._points[-1].counts):
            self._points.append(Point(perf_counter(), progress.counts, sorted(progress.latest_ms)))

    @property
    def phase(self) -> str:
        now = perf_counter()
        if not self._start:
            return "connecting"
        if now < self._start:
            return f"warming up, {self._start - now:.0f} s"
        return f"measuring, {self._end - now:.0f} s to go" if now < self._end else "checking every message"

    def table(self) -> Table:
        """The newest figures."""
        table = Table(title=f"{self._load.title}: {self.phase}", title_justify="left", box=None, padding=(0, 3, 0, 0))
        for title in ("", "per second", "so far"):
            table.add_column(title, justify="left" if not title else "right", min_width=12)
        rates = self._rates(len(self._points) - 1)
        for name, number in (self._points[-1].counts if self._points else {}).items():
            table.add_row(name, f"{rates.get(name, 0):,.0f}", f"{number:,}")
        latest = self._points[-1].latest_ms if self._points else []
        if latest:
            table.add_row("newest, ms", f"p50 {_share(latest, 0.5):.1f}", f"p99 {_share(latest, 0.99):.1f}")
        busy = self._busy(len(self._watch.samples) - 1)
        if busy is not None:
            table.add_row("server", f"{busy:.0%} CPU", f"{self._watch.samples[-1].memory / _MIB:.0f} MiB")
        return table

    def moments(self, start: float, end: float) -> list[Moment]:
        """The series of the measured time."""
        return [self._moment(index, start) for index, each in enumerate(self._points) if start <= each.at <= end]

    def _moment(self, index: int, start: float) -> Moment:
        point = self._points[index]
        nearest = min(
            range(len(self._watch.samples)), key=lambda each: abs(self._watch.samples[each].at - point.at), default=-1
        )
        return Moment(
            at=point.at - start,
            per_second=self._rates(index),
            latest_p50_ms=_share(point.latest_ms, 0.5) if point.latest_ms else None,
            latest_p99_ms=_share(point.latest_ms, 0.99) if point.latest_ms else None,
            server_busy=self._busy(nearest),
            server_memory_bytes=self._watch.samples[nearest].memory if nearest >= 0 else None,
        )

    def _rates(self, index: int) -> dict[str, float]:
        """What was done per second, over about the last second."""
        if index < 1:
            return {}
        newest = self._points[index]
        older = next(each for each in self._points[: index + 1] if each.at > newest.at - 1.2)
        seconds = newest.at - older.at
        if seconds <= 0:
            return {}
        return {name: (count - older.counts.get(name, 0)) / seconds for name, count in newest.counts.items()}

    def _busy(self, index: int) -> float | None:
        """Cores' worth of CPU between a sample and the one before."""
        if index < 1:
            return None
        one, other = self._watch.samples[index - 1 : index + 1]
        return max(0.0, other.cpu - one.cpu) / max(1e-9, other.at - one.at)


def _share(ordered: list[float], share: float) -> float:
    return ordered[int((len(ordered) - 1) * share)]
