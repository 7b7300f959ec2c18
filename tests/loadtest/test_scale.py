"""The programs that measure what is large run, on something small, and find nothing wrong."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from goim.resp.link import Server
from loadtest import group_update, ordering, scaling
from loadtest.paced import Chat
from loadtest.plan import Conversation, Person
from loadtest.target import Target
from tests.loadtest.stand_in import stand_in
from tests.mysql_server import MysqlServer

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"), pytest.mark.timeout(240)]


def test_every_member_of_a_group_is_moved_while_pairs_chat(tmp_path: Path) -> None:
    report = group_update.measure({}, tmp_path, members=1_200, rate=50, pairs=2, calm=0.3)
    assert [phase.name for phase in report.phases] == ["before", "during", "after"]
    assert all(phase.messages and phase.latency for phase in report.phases)
    assert (report.lost, report.refused) == (0, 0)
    assert report.phases[1].seconds > 2 * 0.05, "three steps with rests between"
    assert sum(second.messages for second in report.series) > 20


async def test_a_phase_that_is_over_before_anything_was_heard_goes_on_until_then() -> None:
    """As on a machine that stood still for as long as it takes."""
    one, other = Person("one", "one"), Person("other", "other")

    def heard(port: int) -> int:
        chat = Chat([Conversation({"convType": "c2c", "to": "other"}, [one], [other])], Target("127.0.0.1", port), 50)
        chat.go_on(lambda _: True)
        count = len(chat.heard_at)
        chat.pause()
        chat.go_on(lambda _: True)
        chat.end()
        return count

    async with stand_in() as port:
        assert await asyncio.to_thread(heard, port) > 0


@pytest.mark.parametrize(
    "run",
    [
        ordering.Run(name="writers", hot_share=0.3, writers=2, senders=4),
        ordering.Run(name="deaf", hot_share=0.0, writers=2, senders=2, is_deaf=True),
        ordering.Run(name="nodes", hot_share=0.3, writers=2, senders=4, is_real=True, is_warm=True),
    ],
    ids=lambda run: run.name,
)
async def test_writers_and_nodes_leave_no_gap(
    run: ordering.Run, mysql_server: MysqlServer, redis_server: Server
) -> None:
    dsn = mysql_server.url((await mysql_server.empty("goim_ordering")).database)
    redis = f"{redis_server.host}:{redis_server.port}"
    row = await ordering.measured(run, ordering.How(dsn=dsn, redis=redis, cold=20, seconds=0.4, warmup=0.1))
    assert row.problems == {}
    assert row.hot_per_second + row.cold_per_second > 10


def test_a_message_is_measured_beside_much_that_is_not_its_business() -> None:
    how = scaling.How(rate=50, talks=2, seconds=0.5, idle=0.2)
    for dimension in (scaling.Dimension.GROUPS, scaling.Dimension.CONNECTIONS):
        row = scaling.measure(dimension, 20, how)
        assert row.problems == 0
        assert row.latency
