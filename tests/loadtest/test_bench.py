from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadtest.bench import How, Kind, Prepare, Run, Store, measure
from loadtest.server import Pin
from tests.mysql_server import needs_mariadb

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize(
    ("run", "prepare"),
    [
        (Run(Kind.C2C, 2, 1), Prepare.API),
        (Run(Kind.C2C, 3, 4), Prepare.DIRECT),
        (Run(Kind.FANOUT, 5, 2), Prepare.API),
        (Run(Kind.FANOUT, 20, 1), Prepare.DIRECT),
    ],
)
def test_a_real_server_delivers_every_message_once_and_in_order(run: Run, prepare: Prepare, tmp_path: Path) -> None:
    how = How(seconds=0.5, warmup=0.1, settling=0.1, prepare=prepare, pin=Pin.NONE, folder=tmp_path)
    row = measure(run, how)
    assert row.problems == {}, row.examples
    assert row.messages_per_second > 20
    assert row.deliveries_per_second > 20
    assert row.cpu_us > 0
    assert row.batch
    assert row.batch >= 1


def test_a_server_on_mariadb_is_measured_with_what_the_database_costs(tmp_path: Path) -> None:
    needs_mariadb()
    direct = Prepare.DIRECT
    how = How(seconds=0.5, warmup=0.1, settling=0.1, prepare=direct, pin=Pin.NONE, store=Store.MYSQL, folder=tmp_path)
    row = measure(Run(Kind.C2C, 3, 2), how)
    assert row.problems == {}, row.examples
    assert row.messages_per_second > 20
    assert row.database_us > 0


def test_idle_connections_stay_and_have_a_price(tmp_path: Path) -> None:
    how = How(seconds=0.1, warmup=0.0, settling=0.1, prepare=Prepare.DIRECT, pin=Pin.NONE, folder=tmp_path)
    row = measure(Run(Kind.IDLE, 200), how)
    assert row.problems == {}, row.examples
    assert row.cpu_us > 0
    assert row.bytes_per_connection
