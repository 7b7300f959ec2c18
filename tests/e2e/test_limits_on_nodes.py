"""Guesses on two servers at one Redis count together, and so does what a device sends on one and then the other."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import httpx

from goim.clock import SystemClock
from tests.client import PASSWORD, Device, Person, Refused, World
from tests.e2e.test_redis_nodes import two_servers

TWO_A_MINUTE = {"IM_AUTH_LOGIN_PER_MINUTE": "2"}
"""So few that a busy machine makes as many within the half minute after which one more is free."""


async def _log_in(world: World, username: str, password: str) -> httpx.Response:
    return await (await world.http()).post("/api/login", json={"username": username, "password": password})


async def test_failed_logins_on_two_servers_count_together(tmp_path: Path) -> None:
    async with two_servers(tmp_path, **TWO_A_MINUTE) as cluster:
        here, there = cluster.worlds
        await here.person("ann")
        bob = await here.person("bob")
        for world in cluster.worlds:
            answer = await _log_in(world, "ann", "a wrong guess")
            assert (answer.status_code, answer.json()["code"]) == (401, "BAD_CREDENTIALS")
        for world in cluster.worlds:
            answer = await _log_in(world, "ANN", PASSWORD)
            assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMIT")
            assert 0 < answer.json()["retryAfterMs"] <= 30_000
        for _ in range(5):
            assert (await _log_in(there, bob.username or "", PASSWORD)).status_code == 200, "right ones cost nothing"


async def test_without_redis_each_server_counts_for_itself_and_nobody_is_refused_for_it(tmp_path: Path) -> None:
    async with two_servers(tmp_path, **TWO_A_MINUTE) as cluster:
        await cluster.worlds[0].person("ann")
        for _ in range(2):
            assert (await _log_in(cluster.worlds[0], "ann", "a wrong guess")).status_code == 401
        cluster.redis.end()
        answers = [await _log_in(world, "ann", PASSWORD) for world in cluster.worlds]
        assert [answer.status_code for answer in answers] == [429, 200]
        shown = await (await cluster.worlds[1].http()).get("/metrics")
        assert "im_limited_alone_total 2.0" in shown.text


async def _refused_after(phone: Device, sender: Person, to: Person) -> tuple[int, int]:
    """How many messages the phone may send, and how long it must wait then."""
    for count in itertools.count():
        try:
            await phone.ask("send", sender.text(to, f"number {count}"))
        except Refused as refused:
            return count, _wait_of(refused)
    raise AssertionError


def _wait_of(refused: Refused) -> int:
    assert refused.code == "RATE_LIMIT"
    return int(refused.data["retryAfterMs"])


async def test_a_device_that_connects_to_the_other_server_owes_what_it_has_sent(tmp_path: Path) -> None:
    async with two_servers(tmp_path, IM_WS_SEND_QPS="0.05", IM_WS_SEND_BURST="5") as cluster:
        here, there = cluster.worlds
        ann, bob = await here.friends("ann", "bob")
        async with here.online(ann, "phone") as phone:
            assert (await _refused_after(phone, ann, bob))[0] == 5
        async with asyncio.timeout(20):
            while not await cluster.redis.ask("KEYS", "im:rl:send:*"):  # it says so when it has noticed
                await SystemClock().sleep(0.05)
        again = await there.device(ann, "phone")
        count, wait_ms = await _refused_after(again, ann, bob)
        assert count <= 5
        async with asyncio.timeout(20):
            while count and wait_ms <= 20_000:  # it sent before this server knew, and will have to pay that back
                await SystemClock().sleep(0.05)
                more, wait_ms = await _refused_after(again, ann, bob)
                count += more
