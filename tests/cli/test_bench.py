"""`goimctl bench` as people run it: beside a server of theirs, and with one of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from loadtest.processes import family
from tests.cli.conftest import BINARY, Goimctl
from tests.mysql_server import needs_mariadb
from tests.redis_server import running_redis

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
UNLIMITED = {"IM_WS_SEND_QPS": "1000000", "IM_WS_SEND_BURST": "1000000"}
SHORT = ("--seconds", "0.5", "--warmup", "0.1", "--rest", "0.3")
LONG_ENOUGH = ("--seconds", "3", "--warmup", "0.1", "--rest", "0.3")  # also when somebody stands still for two


def users(goimctl: Goimctl) -> int:
    total: int = goimctl.json("stats")["users"]["total"]
    return total


def test_pairs_on_a_server_of_our_own_lose_nothing(goimctl: Goimctl) -> None:
    few = ("--senders", "3", "--window", "4", "--processes", "2")
    done = goimctl.done("bench", "c2c", *few, "--html", "r.html", *LONG_ENOUGH, "--json")
    page = (goimctl.folder / "r.html").read_text()
    (goimctl.folder / "r.html").unlink()
    assert page.count("<svg") >= 2
    assert "http" not in page.replace("http://127.0.0.1", ""), "it loads nothing"
    report = json.loads(done.stdout)
    assert (report["problems"], report["refused"]) == ({}, {})
    steps = {step["name"]: step for step in report["steps"]}
    assert steps["message"]["count"] > 20
    assert 0 < steps["delivery"]["latencyMs"]["p50"] <= steps["delivery"]["latencyMs"]["max"]
    assert report["generator"]["processes"] == 2
    assert report["server"]["cpuUs"] > 0
    assert report["commitBatch"] >= 1
    assert list(goimctl.folder.iterdir()) == [], "everything was in a temporary folder"


@pytest.mark.timeout(240)
def test_a_server_that_runs_is_measured_and_left_as_it_was(goimctl: Goimctl) -> None:
    with goimctl.serving(**UNLIMITED) as served:
        for scenario in (
            ("c2c", "--senders", "2", "--rate", "50"),
            ("group", "--groups", "2", "--size", "6", "--speakers", "2"),
            ("fanout", "--hearers", "8", "--window", "2"),
            ("idle", "--connections", "20"),
            ("connect", "--connections", "12"),
            ("stream", "--senders", "2", "--chunks", "5"),
            ("mixed", "--senders", "3", "--rate", "60"),
        ):
            done = goimctl.done("bench", *scenario, "--url", served.url(), *SHORT)
            assert "nothing lost, doubled or out of order" in done.stdout
            assert f"(pid {served.process.pid})" in done.stdout, "it is found by its port"
            assert "removing people …" in done.stderr
        left = goimctl.json("stats")
    assert (left["users"]["total"], left["groups"]["total"]) == (0, 0)


def test_an_administrators_token_makes_the_people(goimctl: Goimctl) -> None:
    goimctl.done("users", "create", "root", "--admin", "--generate")
    token = goimctl.done("token", "root").stdout.strip()
    with goimctl.serving(**UNLIMITED, IM_AUTH_REGISTER_PER_MINUTE="1") as served:
        goimctl.done("bench", "c2c", "--senders", "2", "--url", served.url(), *SHORT, GOIM_ADMIN_TOKEN=token)
        assert users(goimctl) == 1


def test_an_interrupt_removes_the_people_too(goimctl: Goimctl) -> None:
    with goimctl.serving(**UNLIMITED) as served:
        command = [str(BINARY), "bench", "c2c", "--senders", "2", "--url", served.url(), "--rest", "0.1"]
        with subprocess.Popen(
            command, cwd=goimctl.folder, env=goimctl.environ(), stderr=subprocess.PIPE, text=True
        ) as run:
            assert run.stderr
            deadline = monotonic() + 60
            while "warming up" not in run.stderr.readline():
                assert monotonic() < deadline
            assert users(goimctl) == 4
            run.send_signal(signal.SIGINT)
            said = run.stderr.read()
        assert users(goimctl) == 0
    assert run.returncode == 130
    assert "removing people …" in said


def test_whoever_is_killed_leaves_no_server_running(goimctl: Goimctl) -> None:
    command = [str(BINARY), "bench", "c2c", "--senders", "2", "--seconds", "60", "--rest", "0.1"]
    environ = goimctl.environ(TMPDIR=str(goimctl.folder))
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        while "warming up" not in (line := run.stderr.readline()):
            assert line, "it has ended"
        below = {pid: os.pidfd_open(pid) for pid in family([run.pid]) if pid != run.pid}
        run.kill()
    assert len(below) >= 2, "a server and those who load it"
    try:
        for pid, ended in below.items():
            assert select.select([ended], [], [], 25)[0], f"{pid} goes on"
    finally:
        for ended in below.values():
            os.close(ended)


def test_a_server_that_lets_devices_send_only_so_fast_is_no_measure(goimctl: Goimctl) -> None:
    with goimctl.serving() as served:
        done = goimctl("bench", "c2c", "--senders", "2", "--url", served.url(), "--seconds", "5", "--rest", "0.1")
        assert users(goimctl) == 0
    assert done.returncode == 1
    assert "RATE_LIMIT" in done.stderr
    assert "hint: start it with IM_WS_SEND_QPS" in done.stderr


@pytest.mark.timeout(240)
def test_two_workers_on_mariadb_are_measured_with_what_the_database_costs(goimctl: Goimctl, tmp_path: Path) -> None:
    needs_mariadb()
    with running_redis(tmp_path / "redis") as redis:
        workers = ("--set", "IM_SERVER_WORKERS=2", "--set", f"IM_REDIS_ADDR={redis.addr}")
        command = ("bench", "c2c", "--senders", "20", "--window", "2", "--store", "mysql")
        done = goimctl.done(*command, *workers, *LONG_ENOUGH, "--json")
    report = json.loads(done.stdout)
    assert report["problems"] == {}
    costs = [(each["name"], each["mainUs"] + each["threadsUs"]) for each in report["server"]["processes"]]
    assert dict(costs)["mariadbd"] > 0
    busiest = max(cost for name, cost in costs if name == "python")
    at_work = [cost for name, cost in costs if name == "python" and cost > busiest / 20]
    assert len(at_work) == 2, f"people are with both workers: {costs}"


def test_locust_is_an_extra(goimctl: Goimctl) -> None:
    assert "hint: --url" in goimctl("bench", "--locust").stderr
    done = goimctl("bench", "--locust", "--url", "http://127.0.0.1:1", "--", "--version")
    if importlib.util.find_spec("locust"):
        assert done.stdout.startswith("locust ")
    else:
        assert done.stderr == "error: locust is not installed\nhint: pip install 'goim[bench]'\n"


def test_wrong_use_is_told_with_a_way_out(goimctl: Goimctl) -> None:
    done = goimctl("bench", "everything")
    assert (done.returncode, done.stderr) == (
        2,
        "error: there is no scenario everything\nhint: one of c2c, group, fanout, idle, connect, stream, mixed\n",
    )
    assert goimctl("bench").returncode == 2
    assert goimctl("bench", "c2c", "--set", "SPEED=1").returncode == 2
    nobody = goimctl("bench", "c2c", "--url", "http://127.0.0.1:1")
    assert nobody.returncode == 5
    assert nobody.stderr.splitlines()[-2:] == [
        "error: nothing answers at http://127.0.0.1:1: Connection refused",
        "hint: goimctl serve",
    ]


def test_a_report_that_would_have_no_place_is_told_before_anything_is_measured(goimctl: Goimctl) -> None:
    done = goimctl("bench", "c2c", "--html", "nowhere/report.html")
    assert (done.returncode, done.stderr) == (2, "error: there is no folder nowhere for the report\n")
