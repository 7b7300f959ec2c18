"""One of several processes that write to one log as nodes do, without sockets: `loadtest.ordering` starts them.

Reads its orders from stdin, says `ready`, waits for a line, writes for a while, and prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from functools import partial
from time import perf_counter, process_time

import msgspec
from msgspec import Struct

from goim.batching import Batcher
from goim.clock import SystemClock
from goim.config import parse_dsn
from goim.metrics import Metrics
from goim.model.conversations import of_group
from goim.model.messages import Draft, Sent
from goim.services.contested import Append, Contested
from goim.stores.log import Log
from goim.stores.mysql import MysqlEngine
from goim.stores.sql import SqlMessages
from goim.stores.sql_turns import SqlTurns

HOT = "hot"
_LEAST = 3


class Orders(Struct, frozen=True, kw_only=True):
    """What to write: `senders` people, each with one message under way and `think` seconds between two.

    The `cold` conversations are this writer's own, unless `is_deaf`: then all write to the same ones, and none believes
    anything of them, as a node that does not hear of a conversation.
    """

    dsn: str
    name: str
    prefix: str
    cold: int
    hot_share: float
    senders: int
    think: float
    has_turns: bool
    is_deaf: bool
    is_warm: bool = False
    warmup: float
    seconds: float


class Written(Struct, frozen=True, kw_only=True):
    """What came of it: milliseconds from send to ack, and what it took."""

    hot_ms: list[float]
    cold_ms: list[float]
    cpu: float
    lost_races: int
    batches: int
    stored: int


def has_measured(hot: Sequence[tuple[float, float]], cold: Sequence[tuple[float, float]], start: float) -> bool:
    """Whether somebody has written at least a few times since the start: (when, how long it took) of each time."""
    return sum(at >= start for each in (hot, cold) for at, _ in each[-_LEAST:]) >= _LEAST


class _Asked(Draft):
    """A draft, and who waits for it."""

    answer: asyncio.Future[Sent] = msgspec.field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Writer:
    """The way of a message through a node from `Messages` down: batches, and contested conversations beside them."""

    def __init__(self, engine: MysqlEngine, orders: Orders) -> None:
        self.metrics = Metrics()
        self.stored = 0
        turns = SqlTurns(engine) if orders.has_turns else None
        self._log = Log(SqlMessages(engine), SystemClock(), self.metrics, is_shared=lambda: True, turns=turns)
        self._log.hears = lambda conv_id: not orders.is_deaf or conv_id.endswith(HOT)
        self.contested: Contested[_Asked] = Contested(self._log, partial(self._append, append=self._log.append_alone))
        self.batches: Batcher[_Asked] = Batcher(self._commit)

    @property
    def batch_count(self) -> int:
        return sum(self.metrics.commit_batch_size.counts)

    async def send(self, draft: _Asked) -> Sent:
        self.batches.put(draft)
        return await draft.answer

    async def _commit(self, batch: list[_Asked]) -> None:
        drafts = self.contested.take_out(batch)
        if drafts:
            await self._append(drafts, append=self._log.append)

    async def _append(self, drafts: list[_Asked], append: Append) -> None:
        places: Sequence[Sent | None] = await append(drafts)
        for draft, place in zip(drafts, places, strict=True):
            assert place is not None, "a store that undoes leaves nothing half done"
            draft.answer.set_result(place)
        self.stored += len(drafts)


class Sender:
    """Somebody who writes, to the hot conversation or to any of the cold ones."""

    def __init__(self, writer: Writer, orders: Orders, number: int) -> None:
        self.hot: list[tuple[float, float]] = []
        self.cold: list[tuple[float, float]] = []
        self._name = f"{orders.name}-{number}"
        self._cold = f"{orders.prefix}-{'all' if orders.is_deaf else orders.name}"
        self._writer = writer
        self._orders = orders
        self._dice = random.Random(self._name)
        self._clock = SystemClock()

    async def write(self, start: float, until: float) -> None:
        """Until then, and at least a few times since the start, however long the machine did something else."""
        orders, count = self._orders, 0
        while perf_counter() < until or not has_measured(self.hot, self.cold, start):
            is_hot = self._dice.random() < orders.hot_share
            conv = of_group(f"{orders.prefix}-{HOT}" if is_hot else f"{self._cold}-{self._dice.randrange(orders.cold)}")
            started = perf_counter()
            await self._writer.send(
                _Asked(
                    conv=conv,
                    from_user_id=self._name,
                    client_msg_id=f"{orders.prefix}-{count}",
                    type="text",
                    payload=f'{{"text":"{"x" * 100}"}}',
                )
            )
            (self.hot if is_hot else self.cold).append((started, (perf_counter() - started) * 1000))
            count += 1
            if orders.think:
                await self._clock.sleep(orders.think * self._dice.uniform(0.5, 1.5))


async def work(orders: Orders) -> Written:
    """Write, and measure after the warm-up."""
    async with MysqlEngine(parse_dsn(orders.dsn)) as engine:
        writer = Writer(engine, orders)
        senders = [Sender(writer, orders, number) for number in range(orders.senders)]
        _say(b"ready\n")
        await asyncio.to_thread(sys.stdin.buffer.readline)
        start = perf_counter() + orders.warmup
        async with writer.contested.batches.running(), writer.batches.running(), asyncio.TaskGroup() as tasks:
            for sender in senders:
                tasks.create_task(sender.write(start, start + orders.seconds))
            await SystemClock().sleep(orders.warmup)
            cpu, races, batches = process_time(), writer.metrics.commit_retries, writer.batch_count
        return Written(
            hot_ms=[ms for sender in senders for at, ms in sender.hot if at >= start],
            cold_ms=[ms for sender in senders for at, ms in sender.cold if at >= start],
            cpu=process_time() - cpu,
            lost_races=writer.metrics.commit_retries - races,
            batches=writer.batch_count - batches,
            stored=writer.stored,
        )


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    _say(msgspec.json.encode(asyncio.run(work(told))))
