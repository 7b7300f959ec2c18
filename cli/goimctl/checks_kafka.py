"""What `goimctl doctor` looks at when there is a Kafka."""

from __future__ import annotations

from time import perf_counter

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from goim.config.settings import Kafka
from goim.events.kafka import CONSUMERS
from goimctl.findings import Finding, State
from goimctl.output import count


async def brokers(kafka: Kafka) -> Finding:
    """Whether a broker answers, and whether anybody works events off."""
    started = perf_counter()
    admin = AIOKafkaAdminClient(bootstrap_servers=list(kafka.brokers), request_timeout_ms=5000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        (answer,) = await admin.describe_consumer_groups([CONSUMERS])
        members = sum(len(group[5]) for group in answer.groups)
    except KafkaError as error:
        way_out = "see that the brokers run and that kafka.brokers (IM_KAFKA_BROKERS) names them"
        found = f"no broker answers at {', '.join(kafka.brokers)} ({type(error).__name__})"
        return Finding(name="kafka", found=found, state=State.WRONG, way_out=way_out)
    finally:
        await admin.close()
    found = f"{count(len(cluster['brokers']), 'broker')}, {count(members, 'consumer')}"
    latency = round((perf_counter() - started) * 1000, 1)
    if members:
        return Finding(name="kafka", found=found, latency_ms=latency)
    return Finding(name="kafka", found=found, latency_ms=latency, state=State.NOTE, way_out="goimctl consume")
