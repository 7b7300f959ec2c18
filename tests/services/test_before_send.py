"""A server that keeps failing to answer is not asked for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from goim.errors import ErrorCode
from goim.metrics import Metrics
from goim.model.conversations import c2c
from goim.outbound.guard import Guard
from goim.outbound.http import HttpPoster
from goim.services.before_send import BeforeSend, question
from tests.fake_clock import FakeClock
from tests.receiver import Receiver, receiving
from tests.services.house import refused

ASKED = question(c2c("ann", "bob"), "ann", "text", '{"text":"hello"}')


@pytest.fixture
async def moderator() -> AsyncIterator[Receiver]:
    async with receiving() as each:
        each.answer = lambda _: (500, b"")
        yield each


async def test_after_some_failures_it_is_asked_once_in_ten_seconds_until_it_answers(moderator: Receiver) -> None:
    clock, metrics = FakeClock(), Metrics()
    poster = HttpPoster(Guard(["127.0.0.1"]))
    asking = BeforeSend(
        moderator.url(), [b"k" * 32], poster, clock, metrics, timeout=60, concurrency=2, allows_on_error=True
    )
    async with poster.running():
        for _ in range(20):
            assert await asking.judge(ASKED) == '{"text":"hello"}'
        assert len(moderator.got) == 5
        assert metrics.before_send == {"error": 5, "paused": 15}
        clock.advance(10)
        for _ in range(3):
            await asking.judge(ASKED)
        assert len(moderator.got) == 6
        moderator.answer = lambda _: (200, b'{"action":"deny","reason":"no"}')
        clock.advance(10)
        for number in (7, 8):
            with refused(ErrorCode.FORBIDDEN):
                await asking.judge(ASKED)
            assert len(moderator.got) == number


async def test_a_success_in_between_begins_the_count_anew(moderator: Receiver) -> None:
    poster = HttpPoster(Guard(["127.0.0.1"]))
    asking = BeforeSend(
        moderator.url(), [b"k" * 32], poster, FakeClock(), Metrics(), timeout=60, concurrency=2, allows_on_error=False
    )
    async with poster.running():
        for round_ in range(3):
            moderator.answer = lambda _: (500, b"")
            for _ in range(4):
                with refused(ErrorCode.UNAVAILABLE):
                    await asking.judge(ASKED)
            moderator.answer = lambda _: (200, b'{"action":"allow"}')
            await asking.judge(ASKED)
            assert len(moderator.got) == 5 * (round_ + 1)
