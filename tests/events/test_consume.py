"""`goimctl serve` and `goimctl consume` as processes of their own, with Kafka between them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from goim.events.kafka import Topic
from tests.client import Person, World
from tests.process import ServerProcess, free_port, running_server

PATIENCE = 45.0
SECRET = "long enough to be believed by everybody"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def variables(topic: Topic) -> dict[str, str]:
    return {
        "IM_JWT_SECRET": SECRET,
        "IM_KAFKA_BROKERS": ",".join(topic.brokers),
        "IM_KAFKA_GROUP_UPDATE_TOPIC": topic.name,
    }


SLOWLY = {"IM_GROUP_BATCH_SIZE": "1", "IM_GROUP_BATCH_SLEEP_MS": "600000"}
"""One person, and a rest until the end of the test: there is time to be killed in the middle."""


@contextlib.asynccontextmanager
async def consuming(folder: Path, variables: dict[str, str]) -> AsyncIterator[ServerProcess]:
    consumer = ServerProcess(folder, command="consume", **variables)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.kill()


async def moved(people: list[Person], conv_id: str, at: int) -> list[Person]:
    """In whose lists the conversation has moved up to a time."""
    lists = [(person, await person.get("/api/conversations")) for person in people]
    return [
        person
        for person, page in lists
        if any(line["convId"] == conv_id and line["updatedAt"] == at for line in page["conversations"])
    ]


async def group_talk(world: World, names: tuple[str, ...]) -> tuple[list[Person], str, dict[str, Any]]:
    """A group of friends in which the first one says something: its people, its conversation, the ack."""
    people = await world.friends(*names)
    made = await people[0].post("/api/groups", {"name": "g", "memberIds": [each.user_id for each in people[1:]]})
    ack = await people[0].post(
        "/api/messages", {"groupId": made["groupId"], "type": "text", "payload": {"text": "hello all"}}
    )
    return people, made["convId"], ack


async def counted(http: httpx.AsyncClient) -> set[str]:
    """The lines of a process's figures."""
    return set((await http.get("/metrics")).text.splitlines())


async def test_a_killed_consumer_leaves_its_group_to_the_next_one(tmp_path: Path, variables: dict[str, str]) -> None:
    async with running_server(tmp_path, **variables) as (_, world):
        people, conv_id, ack = await group_talk(world, tuple(f"person{number}" for number in range(6)))
        assert await moved(people, conv_id, ack["timestamp"]) == [], "nobody consumes yet"
        async with consuming(tmp_path, variables | SLOWLY), asyncio.timeout(PATIENCE):
            while not await moved(people, conv_id, ack["timestamp"]):
                pass
        assert len(await moved(people, conv_id, ack["timestamp"])) < len(people), "killed in the middle"
        async with consuming(tmp_path, variables), asyncio.timeout(PATIENCE):
            while await moved(people, conv_id, ack["timestamp"]) != people:
                pass


async def test_a_consumer_says_how_it_is_and_ends_when_it_is_told(tmp_path: Path, variables: dict[str, str]) -> None:
    async with running_server(tmp_path, **variables) as (_, world), consuming(tmp_path, variables) as consumer:
        people, conv_id, ack = await group_talk(world, ("ann", "bob"))
        async with asyncio.timeout(PATIENCE):
            while await moved(people, conv_id, ack["timestamp"]) != people:
                pass
        async with httpx.AsyncClient(base_url=consumer.url) as http:
            assert (await http.get("/healthz")).json() == {"status": "ok"}
            ready = await http.get("/readyz")
            assert ready.json() == {"status": "ready", "dependencies": {"data": "ok", "kafka": "ok"}}
            async with asyncio.timeout(PATIENCE):  # the database has it a moment before the consumer counts it
                while not {"im_group_lag 0.0", "im_group_members_moved_total 2.0"} <= await counted(http):
                    pass
            assert (await http.get("/api/users/me")).status_code == 404
        assert await consumer.end(signal.SIGTERM) == 0


async def test_without_a_broker_a_node_serves_and_a_consumer_says_that_it_is_not_ready(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    variables = {"IM_JWT_SECRET": SECRET, "IM_KAFKA_BROKERS": nowhere}
    async with running_server(tmp_path, **variables) as (server, world), consuming(tmp_path, variables) as consumer:
        people, conv_id, ack = await group_talk(world, ("ann", "bob"))
        assert (await people[1].get("/api/messages/history", convId=conv_id))["messages"][0]["seq"] == ack["seq"]
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{server.url}/readyz")).status_code == 200
            async with asyncio.timeout(PATIENCE):
                while "im_group_events_waiting 1.0" not in (await http.get(f"{server.url}/metrics")).text:
                    pass
            ready = await http.get(f"{consumer.url}/readyz")
        assert ready.status_code == 503
        assert ready.json()["dependencies"] == {"data": "ok", "kafka": "down"}
