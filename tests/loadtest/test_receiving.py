from __future__ import annotations

import sys

import pytest

from loadtest.receiving import by_generator, by_nobody


@pytest.mark.skipif(sys.platform != "linux", reason="the generator has epoll")
def test_what_receiving_costs_is_measured_with_and_without_the_generator() -> None:
    assert 0 < by_nobody(5, rounds=2, times=2) < 10_000
    assert 0 < by_generator(5, rounds=2, times=2) < 10_000
