"""Guesses and registrations on two servers at one Redis count together."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.client import PASSWORD, World
from tests.e2e.test_redis_nodes import two_servers


async def _log_in(world: World, username: str, password: str) -> httpx.Response:
    return await (await world.http()).post("/api/login", json={"username": username, "password": password})


async def test_failed_logins_on_two_servers_count_together(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        here, there = cluster.worlds
        await here.person("ann")
        bob = await here.person("bob")
        for number in range(10):
            answer = await _log_in(cluster.worlds[number % 2], "ann", "a wrong guess")
            assert (answer.status_code, answer.json()["code"]) == (401, "BAD_CREDENTIALS")
        for world in cluster.worlds:
            answer = await _log_in(world, "ANN", PASSWORD)
            assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMIT")
            assert 0 < answer.json()["retryAfterMs"] <= 6000
        for _ in range(20):
            assert (await _log_in(there, bob.username or "", PASSWORD)).status_code == 200, "right ones cost nothing"


async def test_without_redis_each_server_counts_for_itself_and_nobody_is_refused_for_it(tmp_path: Path) -> None:
    async with two_servers(tmp_path) as cluster:
        await cluster.worlds[0].person("ann")
        for _ in range(10):
            assert (await _log_in(cluster.worlds[0], "ann", "a wrong guess")).status_code == 401
        cluster.redis.end()
        answers = [await _log_in(world, "ann", PASSWORD) for world in cluster.worlds]
        assert [answer.status_code for answer in answers] == [429, 200]
        shown = await (await cluster.worlds[1].http()).get("/metrics")
        assert "im_limited_alone_total 2.0" in shown.text
