"""`goimctl serve`: says where it listens and what to do next, or why it does not."""

from __future__ import annotations

import signal
import socket
from contextlib import closing
from pathlib import Path

import httpx

from tests.cli.conftest import Goimctl
from tests.process import free_port


def test_it_welcomes_serves_and_ends_on_a_signal(goimctl: Goimctl, tmp_path: Path) -> None:
    with goimctl.serving() as server:
        url = server.url()
        assert httpx.get(f"{url}/readyz").json()["status"] == "ready"
        assert f"goimctl chat alice --with bob --url {url}" in server.said
        assert f"{url}/schema" in server.said
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
    assert (tmp_path / "data" / "jwt_secret").stat().st_mode & 0o777 == 0o600
    assert "Traceback" not in server.said


def test_ctrl_c_is_a_good_end_too(goimctl: Goimctl) -> None:
    with goimctl.serving() as server:
        server.url()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=20) == 0


def test_an_address_in_use_is_told_before_anything_is_opened(goimctl: Goimctl, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = goimctl("serve", IM_LISTEN_ADDR=address)
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error == f"error: cannot listen on {address}: the address is in use"
    assert hint.startswith("hint: stop what listens there, or choose another port: IM_LISTEN_ADDR=")
    assert not (tmp_path / "data").exists()


def test_a_tcp_address_in_use_is_told_too(goimctl: Goimctl) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = goimctl("serve", IM_LISTEN_ADDR="127.0.0.1:0", IM_TCP_ADDR=address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: cannot listen on {address}: the address is in use\n")
    assert "choose another port: IM_TCP_ADDR=" in done.stderr


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
