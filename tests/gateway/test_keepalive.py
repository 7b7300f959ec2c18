"""The wheel that pings connections, a step at a time: 32 steps are an interval."""

from __future__ import annotations

import pytest

from goim.gateway.keepalive import Keepalive


class Caller:
    """A connection that counts its pings and answers when told to."""

    def __init__(self) -> None:
        self.slot, self.asked = -1, 0
        self.pings = 0
        self.is_given_up = False

    def ping(self) -> None:
        self.pings += 1

    def give_up(self) -> None:
        self.is_given_up = True


def steps(wheel: Keepalive, count: int) -> None:
    for _ in range(count):
        wheel.advance()


async def test_a_connection_is_pinged_once_an_interval_as_long_as_it_answers() -> None:
    wheel, one = Keepalive(3600, 5400), Caller()
    steps(wheel, 7)
    wheel.add(one)
    steps(wheel, 31)
    assert one.pings == 0
    for times in range(1, 5):
        steps(wheel, 1)
        assert one.pings == times
        one.asked = 0
        steps(wheel, 31)
    assert not one.is_given_up


@pytest.mark.parametrize(("patience", "due"), [(1800, 16), (3600, 32), (5400, 48), (9000, 80)])
async def test_one_that_does_not_answer_is_asked_once_and_given_up_when_its_time_is_over(
    patience: float, due: int
) -> None:
    wheel, silent, other = Keepalive(3600, patience), Caller(), Caller()
    wheel.add(silent)
    wheel.add(other)
    steps(wheel, 32)
    for _ in range(due - 1):
        other.asked = 0
        wheel.advance()
    assert (silent.pings, silent.is_given_up) == (1, False)
    wheel.advance()
    assert silent.is_given_up
    assert not other.is_given_up


async def test_those_who_came_at_different_times_are_pinged_at_different_times() -> None:
    wheel, first, second = Keepalive(3600, 5400), Caller(), Caller()
    wheel.add(first)
    steps(wheel, 10)
    wheel.add(second)
    steps(wheel, 22)
    assert (first.pings, second.pings) == (1, 0)
    steps(wheel, 10)
    assert (first.pings, second.pings) == (1, 1)


async def test_one_that_is_gone_is_left_alone() -> None:
    wheel, gone = Keepalive(3600, 3600), Caller()
    wheel.add(gone)
    wheel.drop(gone)
    wheel.drop(gone)
    steps(wheel, 200)
    assert gone.pings == 0
