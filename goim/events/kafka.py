"""Events of groups through Kafka: nodes put them into a topic, consumers of one group share its partitions.

Keyed by group, so one consumer has all events of a group, in order. The value is the JSON of a `GroupEvent`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from msgspec import Struct

from goim.clock import Clock
from goim.errors import StoreDown
from goim.events.base import GroupEvent, GroupEvents
from goim.events.under_way import UnderWay
from goim.metrics import Metrics
from goim.tasks import beside

CONSUMERS = "im-group-consumer"
"""The consumer group that all processes of `goimctl consume` belong to."""
DEAD = ".dead"
"""What is no event goes to a topic of the same name with this at its end."""
_MAX_WAITING = 100_000
_FIRST_RETRY, _LAST_RETRY = 0.5, 15.0
_POLL_MS, _BUSY_POLL_MS = 1000, 100
_AT_ONCE = 1000
_MOST_UNDER_WAY = 10_000
"""Records that were read and are not applied; of more, the brokers keep the rest."""
_POLL_INTERVAL_MS = 30 * 60_000  # a group of a million takes minutes, and who is at work is not dead
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(GroupEvent).decode
_log = structlog.get_logger(__name__)


class Topic(Struct, frozen=True, kw_only=True):
    """Where the events are."""

    brokers: tuple[str, ...]
    name: str


class Backoff:
    """Longer and longer waits, until something works again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seconds = _FIRST_RETRY

    def reset(self) -> None:
        self._seconds = _FIRST_RETRY

    async def wait(self) -> None:
        await self._clock.sleep(self._seconds)
        self._seconds = min(self._seconds * 2, _LAST_RETRY)


class KafkaGroupEvents(GroupEvents):
    """The producing side. While the brokers are away the latest event of each group waits, in bounds."""

    def __init__(
        self, topic: Topic, clock: Clock, metrics: Metrics, *, is_idempotent: bool, max_waiting: int = _MAX_WAITING
    ) -> None:
        self._topic = topic
        self._metrics = metrics
        self._is_idempotent = is_idempotent
        self._backoff = Backoff(clock)
        self._max = max_waiting
        self._waiting: dict[str, GroupEvent] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def put(self, events: Sequence[GroupEvent]) -> None:
        for event in events:
            self._waiting.pop(event.group_id, None)  # the later one contains it, and goes to the end
            self._waiting[event.group_id] = event
        self._bound()
        self._idle.clear()
        self._wake.set()

    @property
    def is_busy(self) -> bool:
        """Whether anything has not been acknowledged by a broker yet."""
        return not self._idle.is_set()

    @contextlib.asynccontextmanager
    async def running(self, *, grace: float = 5.0) -> AsyncIterator[None]:
        """Send what is put; at the end, what waits has `grace` seconds to get away."""
        async with beside(self._run()):
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._idle.wait()
        if self._waiting:
            _log.warning("group_events_lost", groups=len(self._waiting))

    async def _run(self) -> None:
        while True:
            try:
                async with self._producer() as producer:
                    await self._send_all(producer)
            except KafkaError as error:
                _log.warning("kafka_away", error=repr(error), waiting=len(self._waiting))
                await self._backoff.wait()

    @contextlib.asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        await self._wake.wait()  # no connection before there is something to say
        producer = AIOKafkaProducer(
            bootstrap_servers=list(self._topic.brokers),
            acks="all",
            enable_idempotence=self._is_idempotent,
            request_timeout_ms=10_000,
        )
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()

    async def _send_all(self, producer: AIOKafkaProducer) -> None:
        """Send what waits, in batches, until something goes wrong."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, {}
            try:
                sent = [
                    await producer.send(self._topic.name, _encode(event), key=event.group_id.encode())
                    for event in batch.values()
                ]
                await asyncio.gather(*sent)
            except BaseException:
                self._waiting = batch | self._waiting  # perhaps sent twice; a newer one of the same group stays
                self._bound()
                self._wake.set()
                raise
            self._metrics.group_events["sent"] += len(batch)
            self._metrics.group_events_waiting = len(self._waiting)
            self._backoff.reset()
            if not self._waiting:
                self._idle.set()

    def _bound(self) -> None:
        """Too many groups wait: forget those that have waited longest. Their next message makes up for it."""
        for group_id in list(self._waiting)[: max(0, len(self._waiting) - self._max)]:
            del self._waiting[group_id]
            self._metrics.group_events["dropped"] += 1
        self._metrics.group_events_waiting = len(self._waiting)


class KafkaGroupConsumer:
    """The consuming side: reads, applies of each group only the latest event, and commits what is done.

    Groups are worked on side by side, so that a small one does not wait for a huge one. Nothing is committed before it
    and all before it is applied, so a crash, a lost connection or a rebalance has it applied again. While the database
    is away the same events are tried again and again. A record that is no event goes to the dead letters.
    """

    def __init__(
        self, topic: Topic, apply: Callable[[GroupEvent], Awaitable[None]], clock: Clock, metrics: Metrics
    ) -> None:
        self.is_connected = False
        self._topic = topic
        self._metrics = metrics
        self._apply = apply
        self._clock = clock
        self._backoff = Backoff(clock)
        self._is_store_away = False

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Consume while the context is open; at its end what is half done is left to the others of the group."""
        return beside(self._run())

    async def _run(self) -> None:
        while True:
            try:
                under_way = UnderWay(self._apply_in_the_end)
                async with self._consumer(under_way) as consumer, under_way.running():
                    await self._consume(consumer, under_way)
            except KafkaError as error:
                _log.warning("kafka_away", error=repr(error))
            finally:
                self.is_connected = False
            await self._backoff.wait()

    @contextlib.asynccontextmanager
    async def _consumer(self, under_way: UnderWay) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=list(self._topic.brokers),
            group_id=CONSUMERS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_interval_ms=_POLL_INTERVAL_MS,
        )
        consumer.subscribe([self._topic.name], listener=_Rebalance(under_way))
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    async def _consume(self, consumer: AIOKafkaConsumer, under_way: UnderWay) -> None:
        self.is_connected = True
        while True:
            await self._read(consumer, under_way)
            self._metrics.group_lag = await _lag(consumer) + len(under_way)
            if under_way.failed:
                await self._bury(under_way)
            if reached := under_way.reached():
                await self._commit(consumer, under_way, reached)

    async def _read(self, consumer: AIOKafkaConsumer, under_way: UnderWay) -> None:
        """Begin with what has come; while something is under way look often whether it is done."""
        room = _MOST_UNDER_WAY - len(under_way)
        if room <= 0:
            return await self._clock.sleep(_BUSY_POLL_MS / 1000)
        timeout = _BUSY_POLL_MS if len(under_way) else _POLL_MS
        records = await consumer.getmany(timeout_ms=timeout, max_records=min(room, _AT_ONCE))
        for record in (record for each in records.values() for record in each):
            under_way.read(record)
            try:
                under_way.begin(_decode(record.value or b""), record)
            except (msgspec.MsgspecError, RecursionError) as error:
                under_way.failed.append((record, str(error)))
        return None

    async def _apply_in_the_end(self, event: GroupEvent) -> str | None:
        """Wait for the database if need be; what is wrong with an event that cannot be applied at all."""
        backoff = Backoff(self._clock)
        while True:
            try:
                await self._apply(event)
            except StoreDown as error:
                if not self._is_store_away:  # said once, however many groups wait
                    _log.warning("group_events_wait", group_id=event.group_id, error=str(error))
                self._is_store_away = True
                await backoff.wait()
            except Exception as error:  # noqa: BLE001 one broken event must not keep all later ones
                _log.exception("group_event_failed", group_id=event.group_id)
                return repr(error)
            else:
                self._is_store_away = False
                return None

    async def _commit(
        self, consumer: AIOKafkaConsumer, under_way: UnderWay, reached: dict[TopicPartition, int]
    ) -> None:
        mine = {partition: end for partition, end in reached.items() if partition in consumer.assignment()}
        try:
            if mine:
                await consumer.commit(mine)
        except (
            IllegalStateError,
            CommitFailedError,
        ):  # a partition went to another consumer meanwhile, which does it once more
            _log.info("commit_lost_to_rebalance", partitions=len(mine))
        else:
            self._metrics.group_events["consumed"] += under_way.committed(mine)
            self._backoff.reset()

    async def _bury(self, under_way: UnderWay) -> None:
        """Keep what is no event where somebody can look at it; only then may it be committed."""
        producer = AIOKafkaProducer(bootstrap_servers=list(self._topic.brokers), acks="all")
        try:
            await producer.start()
            while under_way.failed:
                record, why = under_way.failed[0]
                headers = [("error", why.encode()), ("from", f"{record.partition}:{record.offset}".encode())]
                await producer.send_and_wait(
                    self._topic.name + DEAD, record.value or b"", key=record.key, headers=headers
                )
                self._metrics.group_events["dead"] += 1
                _log.warning("group_event_dead", partition=record.partition, offset=record.offset, error=why)
                under_way.failed.pop(0)
                under_way.done(record)
        finally:
            await producer.stop()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Partitions are given out anew; those that stay here are read again from what is committed, too."""

    def __init__(self, under_way: UnderWay) -> None:
        self._under_way = under_way

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._under_way.forget(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._under_way.forget(assigned)  # what had been read by then and came too late


async def _lag(consumer: AIOKafkaConsumer) -> int:
    """Records of our partitions that were not read yet, as far as is known."""
    lag = 0
    for partition in consumer.assignment():
        with contextlib.suppress(IllegalStateError):  # it is being given to another consumer
            end = consumer.highwater(partition)
            lag += 0 if end is None else max(0, end - int(await consumer.position(partition)))
    return lag
