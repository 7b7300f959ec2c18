"""What a node does is what `server.roles` says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from goim.clock import SystemClock
from tests.client import World
from tests.fake_clock import FakeClock
from tests.node import started_node

OPERATIONS = {"/healthz": 200, "/readyz": 200, "/metrics": 200}


async def statuses(people: World, *paths: str) -> dict[str, int]:
    http = await people.http()
    return {path: (await http.get(path)).status_code for path in paths}


async def test_a_node_without_api_answers_only_those_who_run_it_and_sockets(tmp_path: Path) -> None:
    async with started_node(tmp_path) as (_, people):
        ann = await people.person("ann")
    async with started_node(tmp_path, server={"roles": ["gateway"]}) as (_, people):
        assert await statuses(people, *OPERATIONS) == OPERATIONS
        closed = ("/api/users/me", "/files/x/a.txt", "/schema", "/schema/openapi.json")
        assert await statuses(people, *closed) == dict.fromkeys(closed, 404)
        assert "timestamp" in await (await people.device(ann)).ask("ping")


async def test_a_node_without_gateway_has_no_sockets(tmp_path: Path) -> None:
    async with started_node(tmp_path, server={"roles": ["api", "updater"]}) as (_, people):
        ann = await people.person("ann")
        assert await statuses(people, *OPERATIONS) == OPERATIONS
        with pytest.raises(InvalidStatus) as refused:
            await people.device(ann)
        assert refused.value.response.status_code == 403, "an address that is none"


async def test_only_an_updater_sweeps(tmp_path: Path) -> None:
    files = {"retention": 60}
    clock = FakeClock(SystemClock().now_ms())
    async with started_node(tmp_path, clock=clock, server={"roles": ["api"]}, files=files) as (node, people):
        ann = await people.person("ann")
        headers = {"Authorization": f"Bearer {ann.token}"}
        await ann.http.post("/api/files/upload", files={"file": ("a.txt", b"words")}, headers=headers)
        clock.advance(3700)
        for _ in range(20):
            await statuses(people, "/healthz")
        assert (await node.sweeper.stats()).files == 1
    clock = FakeClock(clock.now_ms())
    async with started_node(tmp_path, clock=clock, server={"roles": ["updater"]}, files=files) as (node, people):
        await clock.until_asleep(3)
        clock.advance(3700)
        async with asyncio.timeout(20):
            while (await node.sweeper.stats()).files:
                await statuses(people, "/healthz")
