"""Health, readiness and metrics, as those who run goim see them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from goim.errors import StoreDown
from goim.rest import operations
from goim.rest.operations import Readiness
from tests.client import World
from tests.node import started_node


async def _counted(people: World, **labels: str) -> float:
    """How many requests of a kind were counted."""
    text = (await (await people.http()).get("/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "im_http_seconds_count" and labels.items() <= sample.labels.items()
    )


async def test_a_live_process_says_so_whatever_its_database_does(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, world):
        http = await world.http()

        async def fail() -> None:
            raise StoreDown

        node.readiness.checks = {"data": fail}
        node.readiness.is_draining = True
        answer = await http.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_readiness_names_every_dependency(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, world):
        http = await world.http()
        answer = await http.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ready", "dependencies": {"data": "ok", "messages": "ok"}}

        async def fail() -> None:
            raise StoreDown("/var/lib/goim/data.db")

        node.readiness.checks = {**node.readiness.checks, "messages": fail}
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "dependencies": {"data": "ok", "messages": "down"}}


async def test_a_draining_node_is_not_ready(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (node, world):
        node.readiness.is_draining = True
        answer = await (await world.http()).get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["status"] == "draining"


async def test_a_dependency_that_does_not_answer_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(operations, "_PATIENCE", 0.01)
    report = await Readiness(checks={"slow": never}).report()
    assert (report.status, report.dependencies) == ("unavailable", {"slow": "down"})


async def test_metrics_are_prometheus_text(people: World) -> None:
    answer = await (await people.http()).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"im_ws_messages", "im_send_latency_ms", "im_connections", "process_open_fds"} <= names


async def test_metrics_can_be_switched_off(tmp_path: Path) -> None:
    async with started_node(tmp_path, metrics={"enabled": False}) as (_, world):
        answer = await (await world.http()).get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_requests_are_counted_by_route_template(people: World) -> None:
    alice = await people.person()
    for _ in range(3):
        await alice.get(f"/api/users/{alice.user_id}")
    assert await _counted(people, route="/api/users/{user_id}", method="GET", status="200") == 3
    assert await _counted(people, route="/api/register", method="POST", status="201") == 1


async def test_refusals_are_counted_too(people: World) -> None:
    http = await people.http()
    await http.get("/api/friends")
    await http.delete("/api/friends")
    for path in ("/nonsense", "/more/nonsense"):
        await http.get(path)
    assert await _counted(people, route="/api/friends", status="401") == 1
    assert await _counted(people, route="unmatched", status="405") == 1
    assert await _counted(people, route="unmatched", status="404") == 2
