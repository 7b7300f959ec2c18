"""Events of groups go through a real Kafka at least once, whatever happens to brokers, consumers and the database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from goimctl import checks_kafka
from goimctl.findings import State

from goim.clock import SystemClock
from goim.config.settings import Kafka
from goim.errors import StoreDown
from goim.events.base import GroupEvent
from goim.events.kafka import DEAD, KafkaGroupConsumer, KafkaGroupEvents, Topic
from goim.metrics import Metrics
from tests.events.broker import Broker

PATIENCE = 45.0
pytestmark = pytest.mark.timeout(240)


def event(group_id: str, ts: int = 1, seq: int = 1) -> GroupEvent:
    return GroupEvent(group_id=group_id, conv_id=f"group:{group_id}", from_="ann", type="text", seq=seq, ts=ts)


class Work:
    """What consumers do: notes what they apply; may be told to fail, or to hang, with all groups or with the `huge`."""

    def __init__(self, huge: str = "") -> None:
        self.huge = huge
        self.applied: list[GroupEvent] = []
        self.failures: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def apply(self, event: GroupEvent) -> None:
        self.begun.set()
        if self.huge in ("", event.group_id):
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        self.applied.append(event)

    @property
    def latest(self) -> dict[str, int]:
        """When each group moved last."""
        times: dict[str, int] = {}
        for event in self.applied:
            times[event.group_id] = max(event.ts, times.get(event.group_id, 0))
        return times


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 it has no way to tell
            await asyncio.sleep(0.02)  # noqa: TID251 it happens in another process


@contextlib.asynccontextmanager
async def producing(topic: Topic, metrics: Metrics | None = None) -> AsyncIterator[KafkaGroupEvents]:
    events = KafkaGroupEvents(topic, SystemClock(), metrics or Metrics(), is_idempotent=True)
    async with events.running(grace=PATIENCE):
        yield events


@contextlib.asynccontextmanager
async def consuming(topic: Topic, work: Work, metrics: Metrics | None = None) -> AsyncIterator[KafkaGroupConsumer]:
    consumer = KafkaGroupConsumer(topic, work.apply, SystemClock(), metrics or Metrics())
    async with consumer.running():
        yield consumer


async def test_what_a_node_puts_a_consumer_applies(topic: Topic) -> None:
    work, metrics = Work(), Metrics()
    async with producing(topic, metrics) as events, consuming(topic, work, metrics):
        await events.put([event("g1", 5), event("g2", 6)])
        await until(lambda: work.latest == {"g1": 5, "g2": 6})
        await until(lambda: metrics.group_events["consumed"] == 2)
        await until(lambda: not events.is_busy)  # the broker may give it to a consumer before it says that it has it
        assert metrics.group_events["sent"] == 2
        assert metrics.group_events_waiting == 0


async def test_the_record_is_the_one_of_the_protocol_keyed_by_group(topic: Topic) -> None:
    async with producing(topic) as events:
        await events.put([event("g1", 5, seq=7)])
    async with reading(topic.name, topic) as records:
        (record,) = [await records.getone()]
    assert record.key == b"g1"
    assert record.value == b'{"groupId":"g1","convId":"group:g1","from":"ann","type":"text","seq":7,"ts":5}'


async def test_what_is_committed_is_not_applied_again(topic: Topic) -> None:
    first, second, metrics = Work(), Work(), Metrics()
    async with producing(topic) as events:
        async with consuming(topic, first, metrics):
            await events.put([event("g1", 5)])
            await until(lambda: metrics.group_events["consumed"] == 1)
        await events.put([event("g2", 6)])
        async with consuming(topic, second):
            await until(lambda: second.latest == {"g2": 6})
    assert [each.group_id for each in second.applied] == ["g2"]


async def test_of_a_group_only_the_latest_of_what_waits_is_applied(topic: Topic) -> None:
    work = Work()
    async with producing(topic) as events:
        for ts in range(1, 21):
            await events.put([event("g1", ts)])
            await until(lambda: not events.is_busy)
    async with consuming(topic, work):
        await until(lambda: work.latest == {"g1": 20})
    assert len(work.applied) < 20


async def test_a_consumer_that_dies_in_the_middle_leaves_its_work_to_another(topic: Topic) -> None:
    dying, heir = Work(), Work()
    dying.gate.clear()
    async with producing(topic) as events:
        await events.put([event("g1", 5), event("g2", 6)])
        async with consuming(topic, dying):
            await asyncio.wait_for(dying.begun.wait(), PATIENCE)
        async with consuming(topic, heir):
            await until(lambda: heir.latest == {"g1": 5, "g2": 6})
    assert dying.applied == []


async def test_small_groups_do_not_wait_for_a_huge_one_and_nothing_of_it_is_lost(topic: Topic) -> None:
    slow, heir, metrics = Work(huge="huge"), Work(), Metrics()
    slow.gate.clear()
    small = {f"g{number}": 1 for number in range(30)}  # some of them in the same partition
    async with producing(topic) as events:
        await events.put([event("huge", 5)])
        async with consuming(topic, slow, metrics):
            await asyncio.wait_for(slow.begun.wait(), PATIENCE)
            await events.put([event(group_id) for group_id in small])
            await until(lambda: slow.latest == small)
            await events.put([event("huge", 7)])
            await until(lambda: metrics.group_events["consumed"] > 0)
            assert metrics.group_lag > 0
        assert metrics.group_events["consumed"] < len(small), "what comes after the huge one is not committed"
        async with consuming(topic, heir, metrics):
            await until(lambda: heir.latest.get("huge") == 7)
            await until(lambda: metrics.group_events["consumed"] == len(small) + 2)  # each once, by either
            await until(lambda: metrics.group_lag == 0)


async def test_several_consumers_share_the_groups_and_take_over_from_one_that_leaves(topic: Topic) -> None:
    works = [Work(), Work()]
    groups = {f"g{number}": 1 for number in range(30)}
    async with producing(topic) as events, consuming(topic, works[0]):
        async with consuming(topic, works[1]):
            async with asyncio.timeout(PATIENCE):
                while not all(work.applied for work in works):
                    groups = {group_id: ts + 1 for group_id, ts in groups.items()}
                    await events.put([event(group_id, ts) for group_id, ts in groups.items()])
                    await until(lambda: not events.is_busy)
        groups = {group_id: ts + 1 for group_id, ts in groups.items()}
        await events.put([event(group_id, ts) for group_id, ts in groups.items()])
        await until(lambda: _joint(works) == groups)


def _joint(works: list[Work]) -> dict[str, int]:
    joint: dict[str, int] = {}
    for work in works:
        for group_id, ts in work.latest.items():
            joint[group_id] = max(ts, joint.get(group_id, 0))
    return joint


async def test_while_the_database_is_away_an_event_is_tried_again(topic: Topic) -> None:
    work, metrics = Work(), Metrics()
    work.failures = [StoreDown("away"), StoreDown("still away")]
    async with producing(topic) as events, consuming(topic, work, metrics):
        await events.put([event("g1", 5)])
        await until(lambda: work.latest == {"g1": 5})
    assert metrics.group_events["dead"] == 0


async def test_what_is_no_event_goes_to_the_dead_letters_and_keeps_nothing_waiting(topic: Topic) -> None:
    work, metrics = Work(), Metrics()
    poison = [b"", b"not json", b"[" * 100_000, b'{"groupId":"g1"}', b'{"groupId":1}', b"\xff\xfe"]
    async with writing(topic) as producer:
        for value in poison:
            await producer.send_and_wait(topic.name, value, key=b"g1")
        far = b'{"groupId":"g1","convId":"group:g1","from":"a","type":"text","seq":1,"ts":99999999999999999}'
        await producer.send_and_wait(topic.name, far, key=b"g1")
    async with producing(topic) as events, consuming(topic, work, metrics):
        await events.put([event("g1", 5)])
        await until(lambda: work.latest == {"g1": 5})
        await until(lambda: metrics.group_events["consumed"] == len(poison) + 2)
    async with reading(topic.name + DEAD, topic) as records:
        dead = [await records.getone() for _ in range(len(poison) + 1)]
    assert [record.value for record in dead] == [*poison, far]
    assert all(dict(record.headers)["error"] for record in dead)


async def test_an_event_that_cannot_be_applied_is_dead_too(topic: Topic) -> None:
    work, metrics = Work(), Metrics()
    work.failures = [ValueError("a mistake of ours")]
    async with producing(topic) as events, consuming(topic, work, metrics):
        await events.put([event("g1", 5)])
        await until(lambda: metrics.group_events["dead"] == 1)
        await events.put([event("g2", 6)])
        await until(lambda: work.latest == {"g2": 6})


async def test_what_is_put_while_the_broker_is_away_goes_out_when_it_is_back(broker: Broker, topic: Topic) -> None:
    work, metrics = Work(), Metrics()
    async with producing(topic, metrics) as events, consuming(topic, work):
        await events.put([event("g1", 5)])
        await until(lambda: work.latest == {"g1": 5})
        broker.kill()
        for ts in range(6, 30):
            await events.put([event("g1", ts), event(f"h{ts}", ts)])
        assert metrics.group_events_waiting
        broker.start()
        await until(lambda: len(work.latest) == 25)
        await until(lambda: work.latest["g1"] == 29)


async def test_while_no_broker_answers_only_the_latest_of_each_group_waits_in_bounds() -> None:
    metrics = Metrics()
    nowhere = Topic(brokers=("127.0.0.1:1",), name="none")
    events = KafkaGroupEvents(nowhere, SystemClock(), metrics, is_idempotent=True, max_waiting=3)
    async with events.running(grace=0.0):
        for ts in range(10):
            await events.put([event("g1", ts)])
        assert metrics.group_events_waiting == 1
        await events.put([event(f"g{number}") for number in range(2, 6)])
        assert metrics.group_events_waiting == 3
        assert metrics.group_events["dropped"] == 2


async def test_the_doctor_tells_whether_brokers_answer_and_anybody_consumes(topic: Topic) -> None:
    settings = Kafka(brokers=topic.brokers, group_update_topic=topic.name)
    work = Work()
    async with producing(topic) as events, consuming(topic, work):
        await events.put([event("g1", 5)])
        await until(lambda: work.latest == {"g1": 5})
        busy = await checks_kafka.brokers(settings)
    idle = await checks_kafka.brokers(settings)
    away = await checks_kafka.brokers(Kafka(brokers=("127.0.0.1:1",)))
    assert [busy.state, idle.state, away.state] == [State.OK, State.NOTE, State.WRONG]
    assert busy.found == "1 broker, 1 consumer"
    assert idle.way_out == "goimctl consume"
    assert "IM_KAFKA_BROKERS" in (away.way_out or "")


@contextlib.asynccontextmanager
async def reading(name: str, topic: Topic) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(name, bootstrap_servers=list(topic.brokers), auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            yield consumer
    finally:
        await consumer.stop()


@contextlib.asynccontextmanager
async def writing(topic: Topic) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=list(topic.brokers))
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
