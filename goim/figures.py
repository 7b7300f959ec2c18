"""What several processes of one node count, as if it were one: each writes its figures down, and whichever is asked
adds them up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct, structs
from prometheus_client import Metric, ProcessCollector
from prometheus_client.registry import Collector

from goim.clock import Clock
from goim.metrics import SAME_EVERYWHERE, Metrics
from goim.tasks import beside

WRITE_SECONDS = 1.0
_SUFFIX = ".figures"
_Series = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a sample and its labels."""
_log = structlog.get_logger(__name__)


class Sample(Struct, frozen=True, array_like=True):
    """One number."""

    name: str
    labels: dict[str, str]
    value: float


class Family(Struct, frozen=True, array_like=True):
    """Numbers of one name, as Prometheus has them."""

    name: str
    text: str
    kind: str
    samples: list[Sample]


class Page(Struct, frozen=True, kw_only=True):
    """What a process has written down: of all that it counts, and of itself as a process."""

    pid: int
    counted: list[Family]
    process: list[Family]

    def is_of_the_living(self) -> bool:
        """Whether the process that wrote it is there."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


class NodeFigures(Collector):
    """The figures of a node that is one process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterable[Metric]:
        yield from self._metrics.collect()
        yield from self._process.collect()


class JointFigures(Collector):
    """The figures of all processes that write theirs down in `folder`: sums, and of the processes one by one.

    What is counted only rises: a process goes on from what the one before it with its `number` had counted, and what
    it answers with is written down before. Of a process that died, what it counted in its last second is missing.
    """

    def __init__(self, metrics: Metrics, folder: Path, number: int) -> None:
        self._metrics = metrics
        self._folder = folder
        self._number = str(number)
        self._process = ProcessCollector(registry=None)
        before = self._pages().get(self._number)
        self._before = [] if before is None else _lasting(before.counted)

    @contextlib.asynccontextmanager
    async def running(self, clock: Clock) -> AsyncIterator[None]:
        """Write the figures down every second while the context is open, and at its end."""
        self._write()
        async with beside(self._run(clock)):
            yield
        self._write()

    def collect(self) -> Iterable[Metric]:
        counted: list[list[Family]] = []
        processes: list[list[Family]] = []
        for page in {**self._pages(), self._number: self._write()}.values():
            is_alive = page.is_of_the_living()
            counted.append(page.counted if is_alive else _lasting(page.counted))
            processes += [page.process] if is_alive else []
        for family in [*added(counted), *added(processes)]:
            metric = Metric(family.name, family.text, family.kind)
            for sample in family.samples:
                metric.add_sample(sample.name, sample.labels, sample.value)
            yield metric

    async def _run(self, clock: Clock) -> None:
        while True:
            await clock.sleep(WRITE_SECONDS)
            self._write()

    def _write(self) -> Page:
        page = Page(
            pid=os.getpid(),
            counted=added([self._before, [*_families(self._metrics.collect(), {})]]),
            process=[*_families(self._process.collect(), {"worker": self._number})],
        )
        target = self._folder / f"{self._number}{_SUFFIX}"
        fresh = target.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.json.encode(page))
            fresh.replace(target)
        except OSError as error:
            _log.warning("figures_not_written", error=str(error))
        return page

    def _pages(self) -> dict[str, Page]:
        pages = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            with contextlib.suppress(FileNotFoundError):
                pages[path.stem] = msgspec.json.decode(path.read_bytes(), type=Page)
        return pages


def added(pages: Iterable[Sequence[Family]]) -> list[Family]:
    """One family of each name: its numbers are sums, or the largest where all count the same thing."""
    families: dict[str, Family] = {}
    numbers: dict[str, dict[_Series, float]] = {}
    for family in (family for page in pages for family in page):
        families.setdefault(family.name, family)
        known = numbers.setdefault(family.name, {})
        for sample in family.samples:
            series = sample.name, tuple(sample.labels.items())
            before = known.get(series, 0.0)
            is_same = family.name in SAME_EVERYWHERE
            known[series] = max(before, sample.value) if is_same else before + sample.value
    return [structs.replace(family, samples=_samples(numbers[name])) for name, family in families.items()]


def _samples(numbers: dict[_Series, float]) -> list[Sample]:
    return [Sample(name, dict(labels), value) for (name, labels), value in numbers.items()]


def _families(metrics: Iterable[Metric], labels: dict[str, str]) -> Iterator[Family]:
    for metric in metrics:
        samples = [Sample(each.name, {**each.labels, **labels}, each.value) for each in metric.samples]
        yield Family(metric.name, metric.documentation, metric.type, samples)


def _lasting(families: Sequence[Family]) -> list[Family]:
    """What stays true of a process that is gone: what it counted, not how it stood."""
    return [family for family in families if family.kind != "gauge"]
