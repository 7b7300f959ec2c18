"""Token buckets: what is taken, what comes back, and how long to wait."""

from __future__ import annotations

import pytest

from goim.ratelimit.memory import MemoryRateLimiter
from tests.fake_clock import FakeClock


@pytest.fixture(name="clock")
def make_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="limiter")
def make_limiter(clock: FakeClock) -> MemoryRateLimiter:
    return MemoryRateLimiter(clock, per_second=2, burst=3)


def _taken(limiter: MemoryRateLimiter, key: str = "k") -> int:
    """How many tokens there are: all of them are taken."""
    count = 0
    while limiter.take(key) == 0:
        count += 1
    return count


def test_a_bucket_starts_full_and_fills_at_its_rate(limiter: MemoryRateLimiter, clock: FakeClock) -> None:
    assert _taken(limiter) == 3
    assert limiter.take("k") == 500
    clock.advance(0.4)
    assert limiter.take("k") in (100, 101)  # rounded up
    clock.advance(0.1)
    assert _taken(limiter) == 1
    clock.advance(1)
    assert _taken(limiter) == 2


def test_a_bucket_never_holds_more_than_its_burst(limiter: MemoryRateLimiter, clock: FakeClock) -> None:
    assert _taken(limiter) == 3
    clock.advance(1_000)
    assert _taken(limiter) == 3


def test_every_key_has_a_bucket_of_its_own(limiter: MemoryRateLimiter) -> None:
    assert _taken(limiter, "one") == _taken(limiter, "other") == 3


def test_a_token_given_back_can_be_taken_again(limiter: MemoryRateLimiter) -> None:
    assert _taken(limiter) == 3
    limiter.give_back("k")
    assert _taken(limiter) == 1


def test_giving_back_never_makes_more_than_the_burst(limiter: MemoryRateLimiter, clock: FakeClock) -> None:
    limiter.take("k")
    clock.advance(10)
    for _ in range(5):
        limiter.give_back("k")
        limiter.give_back("unknown")
    assert _taken(limiter) == 3
    assert _taken(limiter, "unknown") == 3


def test_full_buckets_are_forgotten_and_others_are_not(limiter: MemoryRateLimiter, clock: FakeClock) -> None:
    _taken(limiter, "empty")
    for number in range(9_000):
        limiter.take(f"once-{number}")
    clock.advance(1)
    for number in range(9_000, 11_000):
        limiter.take(f"once-{number}")
    assert len(limiter._full_at) < 2_100
    assert _taken(limiter, "empty") == 2
