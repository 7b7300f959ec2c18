"""What is in the outbox is delivered: each receiver for itself, again after a failure, not for ever, by one node."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.model.hooks import retry_seconds
from goim.services.courier import Courier, Failure, Lane
from goim.stores.base_outbox import Parcel, ParcelState
from goim.stores.memory_outbox import MemoryOutbox
from tests.fake_clock import FakeClock

BROKEN = Failure("answered 500")
LOOPS = 3
"""What sleeps of a courier's own: its tick, its housekeeping, and nothing else."""


class Street:
    """Receivers: `answers` is what each says next (nothing: thanks), `got` what came, `held` ones do not answer."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.outbox = MemoryOutbox()
        self.metrics = Metrics()
        self.got: list[Parcel] = []
        self.answers: dict[str, list[Failure | Exception | None]] = {}
        self.always: dict[str, Failure] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.at_once = self.most_at_once = 0
        self._news = asyncio.Event()

    async def deliver(self, parcel: Parcel) -> Failure | None:
        self.got.append(parcel)
        self._news.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if parcel.lane in self.held:
                await self.held[parcel.lane].wait()
        finally:
            self.at_once -= 1
        queue = self.answers.get(parcel.lane, [])
        answer = queue.pop(0) if queue else self.always.get(parcel.lane)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def put(self, *parcels: tuple[str, str]) -> None:
        now = self.clock.now_ms()
        await self.outbox.put([Parcel(event_id, lane, "", "t", "{}", now, now) for event_id, lane in parcels])

    @contextlib.asynccontextmanager
    async def courier(
        self, *lanes: str, concurrency: int = 4, is_one: bool = True, expires_ms: int | None = None
    ) -> AsyncIterator[Courier]:
        made = [
            Lane(name, self.deliver, concurrency=concurrency, is_one=is_one, expires_ms=expires_ms)
            for name in lanes or ("a",)
        ]
        courier = Courier(
            self.outbox,
            made,
            asyncio.Event(),
            self.clock,
            self.metrics,
            give_up_ms=3_600_000,
            max_waiting=10,
        )
        async with courier.counting(), courier.running():
            await self.clock.until_asleep(2)
            yield courier

    async def until(self, number: int) -> list[str]:
        """Wait until so many came."""
        async with asyncio.timeout(20):
            while len(self.got) < number:
                self._news.clear()
                await self._news.wait()
        return [each.event_id for each in self.got]

    async def settled(self) -> None:
        """Everything that can happen now has happened."""
        for _ in range(30):
            await asyncio.get_running_loop().run_in_executor(None, int)

    async def pass_time(self, seconds: float) -> None:
        """Let it pass second by second, as the courier looks."""
        for _ in range(round(seconds)):
            self.clock.advance(1)
            await self.settled()

    async def state(self, event_id: str) -> Parcel:
        for state in ParcelState:
            for parcel in await self.outbox.page(state, None, 100, 0):
                if parcel.event_id == event_id:
                    return parcel
        raise KeyError(event_id)


@pytest.fixture
def street() -> Street:
    return Street()


async def test_what_waits_at_the_start_and_what_comes_later_is_delivered_once(street: Street) -> None:
    await street.put(("e1", "a"), ("e2", "a"))
    async with street.courier():
        await street.until(2)
        await street.put(("e3", "a"))
        street.clock.advance(1)
        assert sorted(await street.until(3)) == ["e1", "e2", "e3"]
        await street.pass_time(3)
    assert len(street.got) == 3
    assert (await street.state("e1")).state == ParcelState.DONE
    assert street.metrics.hooks_delivered == {"a": 3}


async def test_a_slow_receiver_keeps_nobody_else_waiting(street: Street) -> None:
    street.held["slow"] = asyncio.Event()
    await street.put(
        *((f"s{number}", "slow") for number in range(9)), *((f"q{number}", "quick") for number in range(9))
    )
    async with street.courier("slow", "quick"):
        await street.settled()
        lanes = [each.lane for each in street.got]
        assert (lanes.count("slow"), lanes.count("quick")) == (4, 9)
        street.held["slow"].set()
        await street.until(18)


async def test_no_more_than_so_many_requests_are_on_their_way_to_one_receiver(street: Street) -> None:
    street.held["a"] = asyncio.Event()
    await street.put(*((f"e{number}", "a") for number in range(20)))
    async with street.courier(concurrency=3):
        await street.settled()
        street.held["a"].set()
        await street.until(20)
    assert street.most_at_once == 3


async def test_a_failure_is_tried_again_later_and_later(street: Street) -> None:
    street.answers["a"] = [BROKEN, BROKEN, StoreDown("away"), ValueError("a defect")]
    await street.put(("e1", "a"))
    async with street.courier():
        await street.until(1)
        await street.settled()
        first = await street.state("e1")
        assert (first.attempts, first.problem) == (1, "answered 500")
        assert 3_750 <= first.due_at - street.clock.now_ms() <= 6_250
        await street.pass_time(7)
        assert len(street.got) == 2
        second = await street.state("e1")
        await street.pass_time(3)
        assert len(street.got) == 2
        assert second.due_at - street.clock.now_ms() > 0
        await street.pass_time(120)
        assert len(street.got) == 5
        assert (await street.state("e1")).state == ParcelState.DONE
    assert street.metrics.hooks_failed == {"a": 4}


def test_waits_double_up_to_an_hour_and_are_spread() -> None:
    assert [retry_seconds(attempts, 0.5) for attempts in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert (retry_seconds(1, 0.0), retry_seconds(1, 1.0)) == (3.75, 6.25)
    assert retry_seconds(50, 0.5) == 3600
    assert retry_seconds(1, 0.5, 100) == 100
    assert retry_seconds(1, 0.5, 1e9) == 3600


async def test_what_fails_for_too_long_is_given_up_and_may_be_revived(street: Street) -> None:
    street.always["a"] = BROKEN
    await street.put(("e1", "a"))
    async with street.courier():
        await street.until(1)
        await street.settled()
        street.clock.advance(3_600)
        await street.settled()
        await street.pass_time(70)
        dead = await street.state("e1")
        assert (dead.state, dead.problem) == (ParcelState.DEAD, "answered 500")
        seen = len(street.got)
        await street.pass_time(10)
        assert (len(street.got), street.metrics.hooks_dead["a"]) == (seen, 1)
        street.always.clear()
        assert await street.outbox.revive("a", None, street.clock.now_ms()) == 1
        await street.pass_time(2)
        assert (await street.state("e1")).state == ParcelState.DONE


async def test_what_can_never_be_delivered_is_not_tried_again(street: Street) -> None:
    street.answers["a"] = [Failure("gone", is_final=True)]
    await street.put(("e1", "a"))
    async with street.courier():
        await street.until(1)
        await street.pass_time(30)
    assert len(street.got) == 1
    assert (await street.state("e1")).state == ParcelState.DONE


async def test_a_receiver_that_is_down_is_asked_seldom_and_gets_everything_when_it_is_back(street: Street) -> None:
    street.always["a"] = BROKEN
    await street.put(*((f"e{number}", "a") for number in range(100)))
    async with street.courier():
        await street.pass_time(60)
        assert len(street.got) < 30
        street.always.clear()
        await street.pass_time(100)
        assert {(await street.state(f"e{number}")).state for number in range(100)} == {ParcelState.DONE}


async def test_one_of_many_receivers_in_a_lane_does_not_make_it_pause(street: Street) -> None:
    street.always["a"] = BROKEN
    await street.put(*((f"e{number}", "a") for number in range(50)))
    async with street.courier(is_one=False):
        await street.until(50)


async def test_what_is_of_no_use_after_a_time_is_forgotten_then_and_not_given_up(street: Street) -> None:
    street.always["a"] = BROKEN
    await street.put(("e1", "a"))
    async with street.courier(expires_ms=60_000):
        await street.until(1)
        await street.settled()
        assert (await street.state("e1")).state == ParcelState.WAITING
        street.clock.advance(60)
        await street.settled()
        await street.pass_time(70)
        assert (await street.state("e1")).state == ParcelState.DONE


async def test_two_nodes_do_not_send_the_same(street: Street) -> None:
    await street.put(*((f"e{number}", "a") for number in range(50)))
    async with street.courier(), street.courier():
        await street.until(50)
        await street.pass_time(5)
    assert len(street.got) == 50


async def test_what_a_crashed_node_was_sending_is_sent_again_by_another(street: Street) -> None:
    await street.put(("e1", "a"))
    now = street.clock.now_ms()
    await street.outbox.claim("a", "crashed", now, now + 60_000, 1)
    async with street.courier():
        await street.pass_time(59)
        assert street.got == []
        await street.pass_time(2)
        assert len(street.got) == 1


async def test_the_outbox_is_counted_and_swept(street: Street) -> None:
    street.always["a"] = BROKEN
    await street.put(*((f"e{number}", "a") for number in range(12)), ("done", "b"))
    async with street.courier("a", "b") as courier:
        await street.pass_time(25)
        assert street.metrics.hooks_waiting == {"a": 12, "b": 0}
        assert street.metrics.hooks_age_seconds["a"] == 20
        assert (courier.is_full("a"), courier.is_full("b"), courier.is_full("unknown")) == (True, False, False)
        assert (await street.state("done")).state == ParcelState.DONE
        street.clock.advance(700)
        await street.settled()
        await street.pass_time(61)
        with pytest.raises(KeyError):
            await street.state("done")
