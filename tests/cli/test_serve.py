"""`goimctl serve`: says where it listens and what to do next, or why it does not."""

from __future__ import annotations

import errno
import signal
import socket
import sys
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from goimctl.serve import check_free

from goim.config import Address
from tests.cli.conftest import Goimctl
from tests.process import free_port


def test_it_welcomes_serves_and_ends_on_a_signal(goimctl: Goimctl, tmp_path: Path) -> None:
    with goimctl.serving() as server:
        url = server.url()
        assert httpx.get(f"{url}/readyz").json()["status"] == "ready"
        assert f"goimctl chat alice --with bob --url {url}" in server.said
        assert f"{url}/schema" in server.said
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
    assert (tmp_path / "data" / "jwt_secret").stat().st_mode & 0o777 == 0o600
    assert "Traceback" not in server.said


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_are_good_ends_too(goimctl: Goimctl, how: signal.Signals) -> None:
    with goimctl.serving() as server:
        server.url()
        server.process.send_signal(how)
        assert server.process.wait(timeout=60) == 0
    assert "drained" in server.said


def test_a_second_server_on_the_same_folder_is_refused(goimctl: Goimctl) -> None:
    with goimctl.serving() as server:
        server.url()
        second = goimctl("serve", IM_LISTEN_ADDR="127.0.0.1:0")
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        "error: a server runs on data already",
        "hint: stop it, or have this one keep its data elsewhere: IM_SERVER_DATA_DIR=…",
    ]


def test_an_address_in_use_is_told_before_anything_is_opened(goimctl: Goimctl, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = goimctl("serve", IM_LISTEN_ADDR=address)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error == f"error: cannot listen on {address}: the address is in use"
    assert hint.startswith("hint: stop what listens there, or choose another port: IM_LISTEN_ADDR=")
    assert not (tmp_path / "data").exists()


def test_nobody_is_let_in_while_an_address_is_only_looked_at() -> None:
    """They would be thrown out without an answer: a client that comes back while its node starts again, for one."""
    port = free_port()
    place = Address("127.0.0.1", port)
    look = partial(check_free, "IM_LISTEN_ADDR", place.with_port(port), place)
    looking = threading.Thread(target=lambda: [look() for _ in range(8_000)])
    answers = set()
    patience = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # in turns as short as can be
    looking.start()
    while looking.is_alive():
        with closing(socket.socket()) as client:
            answers.add(client.connect_ex((place.host, place.port)))
    sys.setswitchinterval(patience)
    assert answers == {errno.ECONNREFUSED}


def test_a_tcp_address_in_use_is_told_too(goimctl: Goimctl) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = goimctl("serve", IM_LISTEN_ADDR="127.0.0.1:0", IM_TCP_ADDR=address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot listen on {address}: the address is in use\n")
    assert "choose another port: IM_TCP_ADDR=" in done.stderr


def test_one_address_for_two_things_is_told(goimctl: Goimctl, tmp_path: Path) -> None:
    port = free_port()
    refused = goimctl("serve", IM_LISTEN_ADDR=f":{port}", IM_TCP_ADDR=f"127.0.0.1:{port}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines() == [
        f"error: cannot listen on 127.0.0.1:{port}: server.listen_addr has that port",
        "hint: choose another port: IM_TCP_ADDR=127.0.0.1:8081",
    ]
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_not_ours_is_told(goimctl: Goimctl) -> None:
    done = goimctl("serve", IM_LISTEN_ADDR=f"192.0.2.1:{free_port()}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot listen on 192.0.2.1:")
    assert "hint: this machine has no such address" in done.stderr


def test_workers_that_could_not_work_together_are_refused(goimctl: Goimctl) -> None:
    done = goimctl("serve", "--workers", "2", IM_LISTEN_ADDR="127.0.0.1:0")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: cannot serve with 2 workers: they tell each other things over Redis, and redis.addr is empty",
        "hint: IM_REDIS_ADDR=127.0.0.1:6379",
    ]
    redis = {"IM_REDIS_ADDR": "127.0.0.1:1"}
    done = goimctl("serve", IM_LISTEN_ADDR="127.0.0.1:0", IM_SERVER_WORKERS="3", **redis)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot serve with 3 workers: SQLite lets one process write at a time\nhint: ")
    report = goimctl("doctor", "--no-server", IM_SERVER_WORKERS="3", **redis)
    assert report.returncode == 3
    assert "error: workers: SQLite lets one process write at a time" in report.stderr


def test_wrong_settings_are_wrong_use(goimctl: Goimctl, tmp_path: Path) -> None:
    (tmp_path / "goimctl.toml").write_text("[server]\nlisten_adr = 1\n")
    done = goimctl("serve")
    assert done.returncode == 2
    assert done.stderr.startswith("error: goimctl.toml: unknown key server.listen_adr")


def test_what_is_wrong_deep_inside_a_node_is_told_as_plainly(goimctl: Goimctl) -> None:
    tcp = {"IM_TCP_ADDR": "127.0.0.1:0", "IM_SERVER_TCP_CERTIFICATE": "/nowhere/chain.pem"}
    done = goimctl("serve", IM_LISTEN_ADDR="127.0.0.1:0", **tcp)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: server.tcp_certificate /nowhere/chain.pem: cannot be used: ")
    assert "Traceback" not in done.stderr


def test_an_edited_schema_is_refused_with_the_way_out(goimctl: Goimctl, tmp_path: Path) -> None:
    goimctl.done("migrate")
    spoil(tmp_path, "UPDATE schema_migrations SET checksum = 'another' WHERE version = 1")
    done = goimctl("serve", IM_LISTEN_ADDR="127.0.0.1:0")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "error: 0001_structured.sql was edited after it was applied",
        "hint: restore the file and put what is new into a new one",
    ]


def spoil(folder: Path, sql: str) -> None:
    """Change the database behind goim's back."""
    import sqlite3

    with closing(sqlite3.connect(folder / "data" / "goim.db")) as database, database:
        database.execute(sql)


def test_doctor_finds_a_running_server_well(goimctl: Goimctl) -> None:
    listening = {"IM_LISTEN_ADDR": f"127.0.0.1:{free_port()}", "IM_TCP_ADDR": f"127.0.0.1:{free_port()}"}
    with goimctl.serving(**listening) as server:
        server.url()
        report = goimctl.json("doctor", **listening)
    assert report["ok"] is True
    checks = {check["name"]: check for check in report["checks"]}
    assert {check["state"] for check in checks.values()} == {"ok"}
    assert checks["server"]["found"] == f"ready at http://{listening['IM_LISTEN_ADDR']}"
    assert checks["server"]["latencyMs"] > 0
    assert checks["tcp"]["latencyMs"] > 0
