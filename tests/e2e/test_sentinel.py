"""Two servers at a Redis under Sentinel: its master dies while everybody talks, and nobody misses anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from pathlib import Path

import httpx
import pytest

from goim.clock import SystemClock
from goim.resp.link import RedisDown
from tests.client import world
from tests.e2e.crowd import gathered
from tests.process import ServerProcess
from tests.redis_server import RedisServer, running_redis, running_sentinel

PEOPLE = int(os.environ.get("GOIM_TEST_PEOPLE", "16"))
PATIENCE = 60.0
clock = SystemClock()


@pytest.mark.timeout(300)
async def test_a_failover_costs_nobody_a_message(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        master = stack.enter_context(running_redis(tmp_path / "master"))
        replica = stack.enter_context(running_redis(tmp_path / "replica", "--replicaof", "127.0.0.1", str(master.port)))
        sentinel = stack.enter_context(running_sentinel(tmp_path / "sentinel", master))
        async with asyncio.timeout(PATIENCE):
            while not await sentinel.ask("SENTINEL", "REPLICAS", "mymaster"):
                await clock.sleep(0.1)
        urls = await _servers(stack, tmp_path, sentinel)
        people = await stack.enter_async_context(world(urls[0]))
        crowd = await stack.enter_async_context(gathered(people, PEOPLE, urls))
        async with crowd.talking(0.2):
            await crowd.say_more(5 * PEOPLE)
            master.end(signal.SIGKILL)
            await _is_master(replica)
            await _are_ready(urls)
            await crowd.say_more(5 * PEOPLE)
        await crowd.everybody_has_the_log()


async def _servers(stack: contextlib.AsyncExitStack, folder: Path, sentinel: RedisServer) -> list[str]:
    """Two servers over one folder, and where they are."""
    secret, urls = secrets.token_urlsafe(48), []
    for name in ("one", "two"):
        (folder / name).mkdir()
        server = ServerProcess(
            folder / name,
            IM_SERVER_DATA_DIR=str(folder / "data"),
            IM_REDIS_SENTINELS=f"127.0.0.1:1,{sentinel.addr}",
            IM_JWT_SECRET=secret,
            IM_SERVER_DRAIN_SECONDS="0.1",
        )
        await server.start()
        stack.push_async_callback(server.kill)
        urls.append(server.url)
    return urls


async def _is_master(redis: RedisServer) -> None:
    async with asyncio.timeout(PATIENCE):
        while b"role:master" not in await _replication(redis):
            await clock.sleep(0.1)


async def _replication(redis: RedisServer) -> bytes:
    try:
        said = await redis.ask("INFO", "replication")
    except RedisDown:  # whom a Sentinel makes the master ends all its connections
        return b""
    assert isinstance(said, bytes)
    return said


async def _are_ready(urls: list[str]) -> None:
    """Wait until the servers have found the new one."""
    async with httpx.AsyncClient(verify=False) as http, asyncio.timeout(PATIENCE):
        for url in urls:
            while (await http.get(f"{url}/readyz")).json()["status"] != "ready":
                await clock.sleep(0.1)
