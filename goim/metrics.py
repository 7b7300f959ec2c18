"""Everything that is counted: plain integers while it happens, Prometheus text when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

LATENCY_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
SAME_EVERYWHERE = frozenset({"im_bus_lag_seconds", "im_hooks_waiting", "im_hooks_dead", "im_hooks_age_seconds"})
"""Gauges by which every process tells the same thing, or the worst counts: over several of them no sum."""
BATCH = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Histogram:
    """Counts of values by upper bound; observing is one bisect and two additions."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def observe_all(self, values: Sequence[float]) -> None:
        """The same for many, which are mostly much alike."""
        if not values:
            return
        first, last = bisect_left(self.bounds, min(values)), bisect_left(self.bounds, max(values))
        if first == last:
            self.counts[first] += len(values)
        else:
            for value in values:
                self.counts[bisect_left(self.bounds, value)] += 1
        self.total += sum(values)

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts as Prometheus wants them."""
        result: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            running += count
            result.append((bound, running))
        return result


class Metrics:
    """One node's numbers. Names and meaning: `docs/metrics.md`."""

    def __init__(self) -> None:
        self.actions: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.send_latency_ms = Histogram(LATENCY_MS)
        self.deliveries = 0
        self.commit_batch_size = Histogram(BATCH)
        self.commit_seconds = Histogram(SECONDS)
        self.commit_retries = 0
        self.bus_published = 0
        self.bus_received = 0
        self.bus_dropped = 0
        self.bus_reconnects = 0
        self.bus_replayed = 0
        self.bus_lag_seconds = 0.0
        self.limited_alone = 0
        self.connections: Counter[str] = Counter()
        self.closes: Counter[int] = Counter()
        self.send_queue_bytes: Callable[[], int] = int
        self.hooks_delivered: Counter[str] = Counter()
        self.hooks_failed: Counter[str] = Counter()
        self.hooks_dropped: Counter[str] = Counter()
        self.hooks_waiting: Counter[str] = Counter()
        self.hooks_dead: Counter[str] = Counter()
        self.hooks_age_seconds: Counter[str] = Counter()
        self.before_send: Counter[str] = Counter()
        self.before_send_seconds = Histogram(SECONDS)
        self.group_events: Counter[str] = Counter()
        self.group_events_waiting = 0
        self.group_lag = 0
        self.group_members_moved = 0
        self.http: dict[tuple[str, str, int], Histogram] = {}

    def http_done(self, method: str, route: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; `route` is the template, never the path."""
        histogram = self.http.get((method, route, status))
        if histogram is None:
            histogram = self.http[method, route, status] = Histogram(SECONDS)
        histogram.observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """All families, for a Prometheus registry."""
        yield _counter("im_ws_messages", "Requests from sockets by action.", "action", self.actions)
        yield _counter("im_errors", "Requests refused by error code.", "code", self.errors)
        yield _histogram(
            "im_send_latency_ms", "From a send's arrival to its ack, in milliseconds.", self.send_latency_ms
        )
        yield CounterMetricFamily("im_deliveries", "Pushes queued for a connection.", value=self.deliveries)
        yield _histogram("im_commit_batch_size", "Messages written by one commit.", self.commit_batch_size)
        yield _histogram("im_commit_seconds", "Duration of one commit.", self.commit_seconds)
        yield CounterMetricFamily(
            "im_commit_retries", "Commits done again after a lost race.", value=self.commit_retries
        )
        yield from self._bus_families()
        yield _gauge("im_connections", "Live connections by transport.", "transport", self.connections)
        yield _counter("im_closes", "Connections ended by the server, by close code.", "code", self.closes)
        yield GaugeMetricFamily("im_send_queue_bytes", "Bytes queued for slow readers.", value=self.send_queue_bytes())
        yield GaugeMetricFamily("im_workers", "Processes that these figures are of.", value=1)
        yield from self._hooks_families()
        yield from self._group_families()
        yield self._http_family()

    def _hooks_families(self) -> Iterable[Metric]:
        yield _counter("im_hooks_delivered", "Events and pushes delivered, by lane.", "lane", self.hooks_delivered)
        yield _counter("im_hooks_failed", "Attempts to deliver that failed, by lane.", "lane", self.hooks_failed)
        yield _counter("im_hooks_dropped", "Events not taken: too many waited.", "lane", self.hooks_dropped)
        yield _gauge("im_hooks_waiting", "Events and pushes that wait, by lane.", "lane", self.hooks_waiting)
        yield _gauge("im_hooks_dead", "Events and pushes given up, by lane.", "lane", self.hooks_dead)
        yield _gauge("im_hooks_age_seconds", "Age of the oldest that waits, by lane.", "lane", self.hooks_age_seconds)
        yield _counter("im_before_send", "What became of questions before sending.", "said", self.before_send)
        yield _histogram("im_before_send_seconds", "Duration of such a question.", self.before_send_seconds)

    def _group_families(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "im_group_members_moved",
            "Lines of members' lists that new messages moved up.",
            value=self.group_members_moved,
        )
        yield _counter("im_group_events", "Events of groups in Kafka by what came of them.", "what", self.group_events)
        yield GaugeMetricFamily(
            "im_group_events_waiting", "Groups whose event waits for a broker.", value=self.group_events_waiting
        )
        yield GaugeMetricFamily("im_group_lag", "Records that a consumer has not worked off yet.", value=self.group_lag)

    def _bus_families(self) -> Iterable[Metric]:
        yield CounterMetricFamily("im_bus_published", "Things told to other nodes.", value=self.bus_published)
        yield CounterMetricFamily("im_bus_received", "Things told by other nodes.", value=self.bus_received)
        yield CounterMetricFamily("im_bus_dropped", "Things that could not be told.", value=self.bus_dropped)
        yield CounterMetricFamily(
            "im_bus_reconnects", "Connections to the bus after the first.", value=self.bus_reconnects
        )
        yield CounterMetricFamily(
            "im_bus_replayed", "Pushes that the bus did not bring, read from the log.", value=self.bus_replayed
        )
        yield GaugeMetricFamily(
            "im_bus_lag_seconds", "How long the bus took to answer the last ping.", value=self.bus_lag_seconds
        )
        yield CounterMetricFamily(
            "im_limited_alone", "Attempts that this node counted for itself.", value=self.limited_alone
        )

    def _http_family(self) -> Metric:
        family = HistogramMetricFamily(
            "im_http_seconds", "HTTP requests by route template.", labels=["method", "route", "status"]
        )
        for (method, route, status), histogram in self.http.items():
            family.add_metric([method, route, str(status)], buckets=histogram.buckets(), sum_value=histogram.total)
        return family


def _counter(name: str, text: str, label: str, values: Counter[str] | Counter[int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family


def _gauge(name: str, text: str, label: str, values: Counter[str]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=histogram.buckets(), sum_value=histogram.total)
