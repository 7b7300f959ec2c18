"""Sends what is in the outbox: each receiver in a lane of its own, so that a slow one keeps nobody waiting."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog
from msgspec import Struct

from goim.batching import Batcher
from goim.clock import Clock
from goim.errors import StoreDown
from goim.ids import new_id
from goim.metrics import Metrics
from goim.model.hooks import retry_seconds
from goim.stores.base_outbox import LaneStats, Outbox, Outcome, Parcel, ParcelState
from goim.tasks import Tasks, beside, outlived

POLL_SECONDS = 1.0
LEASE_SECONDS = 60.0
"""So long a node may take over one parcel, its timeout included."""
KEEP_DONE_MS = 600_000
"""An event that comes again within this time of its delivery is not sent again."""
KEEP_DAYS_MS = 30 * 86_400_000
"""So long after it was given up, or since nobody has looked for it (its endpoint is not configured any more)."""
_TROUBLE = 5
_LONGEST_PAUSE = 60.0
_COUNT_SECONDS = 10.0
_SWEEP_EVERY = 6  # counts
_log = structlog.get_logger(__name__)


class Failure(Struct, frozen=True):
    """Why something was not delivered. `is_final`: and never will be; `retry_after`: not before so many seconds."""

    problem: str
    retry_after: float | None = None
    is_final: bool = False


Deliver = Callable[[Parcel], Awaitable[Failure | None]]


class Lane:
    """What goes to one receiver, or to many alike.

    `is_one` receiver: after some failures in a row it is asked only now and then until it answers. What is of no use
    after `expires_ms` is then forgotten; what has no such time is given up later, and kept to be looked at.
    """

    def __init__(
        self, name: str, deliver: Deliver, *, concurrency: int, is_one: bool = True, expires_ms: int | None = None
    ) -> None:
        self.expires_ms = expires_ms
        self.name = name
        self.deliver = deliver
        self.concurrency = concurrency
        self.is_one = is_one
        self.busy = 0
        self.failures = 0
        self.paused_until = 0.0
        self.wake = asyncio.Event()

    def free(self, now: float) -> int:
        """How many more may be on their way."""
        if not self.is_one or self.failures < _TROUBLE:
            return self.concurrency - self.busy
        return int(not self.busy and now >= self.paused_until)

    def note(self, now: float, *, failed: bool) -> None:
        """Remember how it went."""
        self.failures = self.failures + 1 if failed else 0
        if self.failures >= _TROUBLE:
            self.paused_until = now + min(2.0 ** min(self.failures - _TROUBLE, 10), _LONGEST_PAUSE)


class Courier:
    """Takes parcels that are due, a lane for itself, and notes what became of them.

    Two nodes do not send the same at once. What was on its way when a node crashed is sent again.
    """

    def __init__(
        self,
        outbox: Outbox,
        lanes: Sequence[Lane],
        wake: asyncio.Event,
        clock: Clock,
        metrics: Metrics,
        *,
        give_up_ms: int,
        max_waiting: int,
    ) -> None:
        self._outbox = outbox
        self._lanes = lanes
        self._wake = wake
        self._clock = clock
        self._metrics = metrics
        self._give_up_ms = give_up_ms
        self._max_waiting = max_waiting
        self._tasks = Tasks(grace=3.0)
        self._outcomes: Batcher[Outcome] = Batcher(self._settle)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while the context is open; what is under way at its end has a moment to arrive."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._outcomes.running())
            await stack.enter_async_context(self._tasks)
            for lane in self._lanes:
                await stack.enter_async_context(beside(self._work(lane)))
            await stack.enter_async_context(beside(self._tick()))
            await stack.enter_async_context(beside(self._relay()))
            yield

    @contextlib.asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """Know how much waits, and sweep, while the context is open: on every node that fills the outbox."""
        await self._count()
        async with beside(self._keep_house()):
            yield

    async def _work(self, lane: Lane) -> None:
        while True:
            lane.wake.clear()
            free = lane.free(self._clock.monotonic())
            parcels: list[Parcel] = []
            with outlived("outbox_waits", lane=lane.name):
                parcels = await self._claim(lane, free) if free else []
            for parcel in parcels:
                lane.busy += 1
                self._tasks.start(self._send(lane, parcel))
            if not parcels or len(parcels) == free:
                await lane.wake.wait()

    async def _claim(self, lane: Lane, limit: int) -> list[Parcel]:
        now = self._clock.now_ms()
        return await self._outbox.claim(lane.name, new_id(), now, now + int(LEASE_SECONDS * 1000), limit)

    async def _send(self, lane: Lane, parcel: Parcel) -> None:
        try:
            failure = await lane.deliver(parcel)
        except StoreDown as error:
            failure = Failure(f"the database cannot be reached: {error}")
        except Exception:  # noqa: BLE001 one parcel that cannot be sent must not hold its lane
            _log.exception("delivery_failed", lane=lane.name, event_id=parcel.event_id)
            failure = Failure("something went wrong here")
        finally:
            lane.busy -= 1
            lane.wake.set()
        self._note(lane, parcel, failure)

    def _note(self, lane: Lane, parcel: Parcel, failure: Failure | None) -> None:
        is_lost = failure is not None and not failure.is_final
        lane.note(self._clock.monotonic(), failed=is_lost)
        counted = self._metrics.hooks_failed if failure is not None else self._metrics.hooks_delivered
        counted[lane.name] += 1
        self._outcomes.put(self._outcome(lane, parcel, failure))

    def _outcome(self, lane: Lane, parcel: Parcel, failure: Failure | None) -> Outcome:
        now, attempts = self._clock.now_ms(), parcel.attempts + 1
        if failure is None or failure.is_final:
            problem = "" if failure is None else failure.problem
            return Outcome(parcel.key, parcel.claim, ParcelState.DONE, now + KEEP_DONE_MS, attempts, problem[:255])
        problem = failure.problem[:255]
        if lane.expires_ms is not None and now - parcel.made_at >= lane.expires_ms:
            return Outcome(parcel.key, parcel.claim, ParcelState.DONE, now + KEEP_DONE_MS, attempts, problem)
        if now - parcel.made_at >= self._give_up_ms:
            _log.error("event_given_up", lane=lane.name, event_id=parcel.event_id, problem=problem)
            return Outcome(parcel.key, parcel.claim, ParcelState.DEAD, now, attempts, problem)
        _log.warning("event_not_delivered", lane=lane.name, event_id=parcel.event_id, problem=problem)
        wait = retry_seconds(attempts, random.random(), failure.retry_after)  # noqa: S311 spreads, hides nothing
        return Outcome(parcel.key, parcel.claim, ParcelState.WAITING, now + int(wait * 1000), attempts, problem)

    async def _settle(self, outcomes: list[Outcome]) -> None:
        """What cannot be noted is sent again when its lease is over."""
        with outlived("outcomes_not_noted", outcomes=len(outcomes)):
            await self._outbox.settle(outcomes)

    # waking and counting

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(POLL_SECONDS)
            self._wake.set()

    async def _relay(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for lane in self._lanes:
                lane.wake.set()

    async def _keep_house(self) -> None:
        rounds = 0
        while True:
            await self._clock.sleep(_COUNT_SECONDS)
            rounds += 1
            with outlived("outbox_not_counted"):
                await self._count()
                if rounds % _SWEEP_EVERY == 0:
                    now = self._clock.now_ms()
                    await self._outbox.sweep(now, now - KEEP_DAYS_MS)

    async def _count(self) -> None:
        stats, now = await self._outbox.stats(), self._clock.now_ms()
        for lane in self._lanes:
            parcels, oldest = _find(stats, lane.name, ParcelState.WAITING)
            self._metrics.hooks_waiting[lane.name] = parcels
            self._metrics.hooks_age_seconds[lane.name] = (now - oldest) // 1000 if parcels else 0
            self._metrics.hooks_dead[lane.name] = _find(stats, lane.name, ParcelState.DEAD)[0]

    def is_full(self, lane: str) -> bool:
        """Whether so much waits for a receiver that no more is taken."""
        return self._metrics.hooks_waiting[lane] >= self._max_waiting


def _find(stats: Sequence[LaneStats], lane: str, state: ParcelState) -> tuple[int, int]:
    """How many there are, and the time of the oldest (0: none)."""
    return next(((each.parcels, each.oldest) for each in stats if (each.lane, each.state) == (lane, state)), (0, 0))
