"""Kafka's two ends: where a node puts what happened in groups, and the process that works it off."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from uvicorn import Config

from goim.app.ground import group_index
from goim.app.storage import open_stores
from goim.clock import Clock, SystemClock
from goim.config import Settings
from goim.errors import ConfigError, StoreDown
from goim.gateway.server import NodeServer
from goim.metrics import Metrics
from goim.rest.operations import Readiness, operations_app

if TYPE_CHECKING:
    from goim.events.kafka import KafkaGroupConsumer, KafkaGroupEvents, Topic


def topic_of(settings: Settings) -> Topic:
    """Where the events of groups are."""
    from goim.events.kafka import Topic  # aiokafka takes 60 ms to import, and most nodes have no Kafka

    return Topic(brokers=settings.kafka.brokers, name=settings.kafka.group_update_topic)


@contextlib.asynccontextmanager
async def group_events_of(settings: Settings, clock: Clock, metrics: Metrics) -> AsyncIterator[KafkaGroupEvents | None]:
    """Where a node puts events of groups, if there is a Kafka: else it works them off itself."""
    if not settings.kafka.brokers:
        yield None
        return
    from goim.events.kafka import KafkaGroupEvents

    events = KafkaGroupEvents(topic_of(settings), clock, metrics, is_idempotent=settings.kafka.idempotent)
    async with events.running():
        yield events


@contextlib.asynccontextmanager
async def open_consumer(settings: Settings) -> AsyncIterator[tuple[KafkaGroupConsumer, NodeServer]]:
    """A consumer at work, and the server of its /healthz, /readyz and /metrics."""
    if not settings.kafka.brokers:
        raise ConfigError("there is nothing to consume: kafka.brokers is empty", hint="set IM_KAFKA_BROKERS")
    from goim.events.kafka import KafkaGroupConsumer

    clock, metrics = SystemClock(), Metrics()
    async with open_stores(settings) as stores:
        index = group_index(settings, stores, clock, metrics)
        consumer = KafkaGroupConsumer(topic_of(settings), index.apply, clock, metrics)

        async def kafka_answers() -> None:
            if not consumer.is_connected:
                raise StoreDown("no broker can be reached")

        readiness = Readiness(checks={"data": stores.data_answers, "kafka": kafka_answers})
        app = operations_app(readiness, metrics, is_counting=settings.metrics.enabled)
        listen = settings.kafka.consumer_listen
        host: str = listen.host or None  # type: ignore[assignment]  # asyncio: every interface
        config = Config(app, host=host, port=listen.port, log_config=None, access_log=False, server_header=False)
        async with consumer.running():
            yield consumer, NodeServer(config, _nothing_to_drain)


async def _nothing_to_drain() -> None:
    """A consumer has no clients to send elsewhere."""


async def consume(settings: Settings, started: Callable[[str], None]) -> None:
    """Work off events until a signal ends it; `started` is told the URL of its own HTTP."""
    async with open_consumer(settings) as (_, server):
        server.on_started = started
        await server.serve()
