"""Counts latencies in buckets less than one percent wide, so that those of several processes can be put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import Self

from msgspec import Struct

_DIGITS = 8  # a bucket holds the values whose eight leading bits are the same


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class Histogram(Struct):
    """How often which latency was seen: microseconds by bucket, and the greatest as it was."""

    counts: dict[int, int] = {}
    max_us: int = 0

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self:
        """Everything in one go."""
        values = [max(0, round(each * 1e6)) for each in seconds]
        return cls(dict(Counter(map(bucket_of, values))), max(values, default=0))

    def add(self, other: Histogram) -> None:
        """Take in what another process has seen."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.max_us = max(self.max_us, other.max_us)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def percentiles(self) -> Latency | None:
        """None if nothing was seen."""
        if not self.counts:
            return None
        p50, p90, p99, p999 = (self._at(share) for share in (0.5, 0.9, 0.99, 0.999))
        return Latency(p50=p50, p90=p90, p99=p99, p999=p999, max=self.max_us / 1000)

    def curve(self, shares: Iterable[float]) -> list[float]:
        """Milliseconds that these shares of all values do not exceed."""
        return [self._at(share) for share in shares]

    def _at(self, share: float) -> float:
        wanted, seen = max(1, ceil(self.count * share)), 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return min(upper_us(bucket), self.max_us) / 1000
        return self.max_us / 1000


def bucket_of(us: int) -> int:
    """The bucket of a number of microseconds."""
    shift = max(0, us.bit_length() - _DIGITS)
    return (shift << _DIGITS) | (us >> shift)


def upper_us(bucket: int) -> int:
    """The greatest number of microseconds in a bucket: no latency is told smaller than it was."""
    shift, leading = bucket >> _DIGITS, bucket & ((1 << _DIGITS) - 1)
    return ((leading + 1) << shift) - 1
