"""Figures: counted now and then, and what this node has done in the last minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from goim.bus.memory import MemoryBus
from goim.delivery import Delivery
from goim.metrics import Metrics
from goim.model.users import Login, User
from goim.notices import Notices
from goim.services.statistics import SAMPLE_SECONDS, Statistics
from goim.stores.memory_accounts import MemoryUsers
from goim.stores.memory_data import MemoryData
from goim.stores.memory_files import MemoryFiles
from goim.stores.memory_overview import MemoryOverview
from tests.fake_clock import FakeClock
from tests.services.reception import Socket


class Bureau:
    """Statistics over the stores in memory."""

    def __init__(self, folder: Path) -> None:
        self.data, self.clock, self.metrics = MemoryData(), FakeClock(), Metrics()
        bus = MemoryBus()
        self.delivery = Delivery(bus, Notices(bus), self.metrics)
        self.statistics = Statistics(
            MemoryOverview(self.data), MemoryFiles(self.data), self.delivery, self.metrics, folder, self.clock
        )

    async def pass_time(self, seconds: float) -> None:
        """Second by second, so that whoever samples does it as often as in life."""
        for _ in range(int(seconds)):
            await self.clock.until_asleep()
            self.clock.advance(1)
        await self.clock.until_asleep()


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau(tmp_path)


async def add_user(bureau: Bureau, name: str) -> None:
    user = User(user_id=name, username=name, nickname=name, password_hash="…", created_at=0)
    await MemoryUsers(bureau.data).add(user)


async def test_messages_of_the_last_minute_are_those_and_no_older_ones(bureau: Bureau) -> None:
    stored = bureau.metrics.commit_batch_size
    async with bureau.statistics.running():
        stored.observe(3)
        stored.observe(4)
        assert bureau.statistics.node().messages_last_minute == 7
        await bureau.pass_time(50)
        stored.observe(5)
        assert bureau.statistics.node().messages_last_minute == 12
        await bureau.pass_time(30)
        assert bureau.statistics.node().messages_last_minute == 5
        await bureau.pass_time(60 + SAMPLE_SECONDS)
        assert bureau.statistics.node().messages_last_minute == 0
        assert bureau.statistics.node().messages_since_start == 12


async def test_connections_are_counted_by_transport_and_by_person(bureau: Bureau) -> None:
    phone, laptop = (Socket(Login("ann", "s1", None), device, 0) for device in ("phone", "laptop"))
    laptop.transport_name = "tcp"
    for socket in (phone, laptop):
        bureau.delivery.attach(socket)
    node = bureau.statistics.node()
    assert (node.connections, node.users_online) == ({"tcp": 1, "websocket": 1}, 1)
    bureau.delivery.detach(laptop)
    assert bureau.statistics.node().connections == {"websocket": 1}


async def test_what_there_is_is_counted_anew_after_ten_seconds(bureau: Bureau) -> None:
    await add_user(bureau, "ann")
    first = await bureau.statistics.totals()
    assert (first.users.total, first.counted_at) == (1, bureau.clock.now_ms())
    await add_user(bureau, "bob")
    bureau.clock.advance(9)
    assert await bureau.statistics.totals() == first
    bureau.clock.advance(1)
    later = await bureau.statistics.totals()
    assert (later.users.total, later.counted_at) == (2, first.counted_at + 10_000)


async def test_databases_of_the_data_folder_are_measured_with_their_write_ahead_logs(
    bureau: Bureau, tmp_path: Path
) -> None:
    (tmp_path / "goim.db").write_bytes(b"x" * 700)
    (tmp_path / "goim.db-wal").write_bytes(b"x" * 300)
    (tmp_path / "search.db").write_bytes(b"x" * 50)
    (tmp_path / "jwt_secret").write_bytes(b"x" * 32)
    storage = (await bureau.statistics.totals()).storage
    assert storage.databases == {"goim": 1000, "search": 50}
    assert storage.free_bytes > 0
