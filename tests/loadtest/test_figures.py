"""What is read from the system and what is made of it."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
from time import thread_time
from xml.etree import ElementTree as ET

import pytest

from loadtest.errors import Refused
from loadtest.flame import flame_graph
from loadtest.histogram import Histogram
from loadtest.plan import Outcome
from loadtest.processes import Sample, Usage, family, listening_on, sample, usage_of
from loadtest.report import as_json, lines, report_of
from loadtest.scenarios import Load, Scenario
from loadtest.server import ROOT
from loadtest.steps import RULES, stacks_of, steps_of
from loadtest.steps import lines as lines_of_steps
from loadtest.target import Target, target_of
from loadtest.watch import Watch
from tests.process import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
_BURN = 0.1


def _burn() -> None:
    end = thread_time() + _BURN
    while thread_time() < end:
        pass


def test_cpu_is_told_apart_by_main_thread_and_others() -> None:
    begun = usage_of(os.getpid())
    _burn()
    half = usage_of(os.getpid())
    assert half.main - begun.main >= _BURN * 0.8
    hold = threading.Event()
    burnt = threading.Event()

    def work() -> None:
        _burn()
        burnt.set()
        hold.wait()

    thread = threading.Thread(target=work)
    thread.start()
    burnt.wait()
    whole = usage_of(os.getpid())
    hold.set()
    thread.join()
    assert whole.threads - half.threads >= _BURN * 0.8
    assert whole.memory > 1_000_000


def test_a_server_is_found_by_its_port_with_the_processes_below_it() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    port = free_port()  # that nobody takes when it ends
    serve = f"import socket\nlistener = socket.create_server(('127.0.0.1', {port}))\nprint('ready', flush=True)"
    child = f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {burn!r} + '\\ninput()'])"
    with subprocess.Popen(
        [sys.executable, "-c", f"{child}\n{serve}\nchild.wait()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        assert listening_on("127.0.0.1", port) == [server.pid]
        assert listening_on("localhost", port) == [server.pid]
        assert listening_on("192.0.2.1", port) == [], "that is another machine"
        assert len(family([server.pid])) == 2
        before = sample([server.pid])
        while sample([server.pid]).cpu - before.cpu < _BURN / 2 and sample([server.pid]).cpu < 0.2:
            pass  # the child burns
        server.communicate("\n")
    assert listening_on("127.0.0.1", port) == []
    assert sample([server.pid]).processes == {}


def test_use_between_two_moments_is_read_off_the_samples_around_them() -> None:
    def at(moment: float, main: float, memory: int) -> Sample:
        database = Usage(name="mariadbd", main=main, threads=0.0, memory=memory * 10)
        return Sample(moment, {7: Usage(name="goimctl", main=main, threads=0.0, memory=memory), 8: database})

    watch = Watch([7])
    watch.samples = [at(0, 1.0, 100), at(10, 2.0, 200), at(20, 4.0, 300)]
    share, _ = watch.shares(5, 15)
    assert share.cpu == pytest.approx(1.5)
    assert watch.grown_since(9) == 100
    share, _ = watch.shares(-5, 25)
    assert share.cpu == pytest.approx(3.0)


def test_percentiles_are_never_too_small_and_less_than_a_percent_too_large() -> None:
    numbers = random.Random(1)
    values = [numbers.lognormvariate(-6, 2) for _ in range(20_000)]
    ordered = sorted(values)
    parts = [Histogram.of(values[:5_000]), Histogram.of(values[5_000:])]
    whole = Histogram({})
    for part in parts:
        whole.add(part)
    found = whole.percentiles()
    assert whole.count == 20_000
    assert found
    for share, ms in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99), (0.999, found.p999), (1.0, found.max)):
        true = ordered[int(20_000 * share) - 1] * 1000
        assert true - 0.001 <= ms <= true * 1.01 + 0.001
    assert Histogram.of([]).percentiles() is None


def _outcome(**more: object) -> Outcome:
    some = {"begun": 0.0, "ended": 2.0, "counts": {"message": 100, "delivery": 1000}, "cpu": 0.5}
    return Outcome(**(some | more))  # type: ignore[arg-type]


def test_a_report_divides_by_what_was_counted() -> None:
    load = Load(scenario=Scenario.FANOUT, hearers=10)
    watch = Watch([7])
    watch.samples = [
        Sample(at, {7: Usage(name="goimctl", main=at * 0.005, threads=at * 0.0025, memory=1 << 20)})
        for at in (0.0, 2.0)
    ]
    counted = {"im_commit_batch_size_sum": 100.0, "im_commit_batch_size_count": 20.0, "im_commit_seconds_sum": 0.1}
    outcome = _outcome(latencies={"message": Histogram.of([0.001] * 100)})
    report = report_of(load, "http://there", {}, [outcome], outcome, watch, counted, [])
    assert report.server
    assert report.server.cpu_us == pytest.approx(15.0)
    assert report.server.processes[0].main_us == pytest.approx(10.0)
    assert report.generator.cpu_us == pytest.approx(500.0)
    assert report.commit_batch == 5.0
    assert report.commit_ms == pytest.approx(5.0)
    told = json.loads(as_json(report))
    assert told["steps"][0]["perSecond"] == 50.0
    assert told["steps"][0]["latencyMs"]["p999"] == 1.0
    assert report.is_good
    assert "nothing lost, doubled or out of order" in "\n".join(lines(report))


def test_what_limited_the_figures_is_said() -> None:
    load = Load(scenario=Scenario.C2C, rate=100.0)
    outcome = _outcome(cpu=1.95, problems={"lost delivery": 3}, refused={"RATE_LIMIT": 2})
    report = report_of(load, "http://there", {}, [outcome], outcome, Watch([]), {}, [])
    assert not report.is_good
    said = "\n".join(lines(report))
    assert "PROBLEM     3 × lost delivery" in said
    assert "REFUSED     2 × RATE_LIMIT" in said
    assert "a generator was 98% busy: it was the limit" in said
    assert "of 100 messages a second only 50 were answered" in said
    assert "its processes are not to be seen from here (--pid)" in said


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8080", Target("127.0.0.1", 8080)),
        ("https://chat.example.org/im/", Target("chat.example.org", 443, is_tls=True, path="/im")),
        ("http://[::1]:8080", Target("::1", 8080)),
    ],
)
def test_a_server_is_named_by_its_url(url: str, target: Target) -> None:
    assert target_of(url) == target


def test_a_url_that_is_none_is_refused() -> None:
    for url in ("127.0.0.1:8080", "ws://there", "http://", "http://there:port"):
        with pytest.raises(Refused, match="is no URL of a server"):
            target_of(url)


def test_a_port_of_nobody_belongs_to_nobody() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert listening_on("127.0.0.1", port) == [os.getpid()]
    assert listening_on("127.0.0.1", port) == []


def test_a_profile_is_summed_up_by_the_steps_of_a_message() -> None:
    node = 'process 7:"python -c import main; main()";thread (7): MainThread;Runner.run (asyncio/runners.py:86)'
    receive = f"{node};DirectProtocol.data_received (goim/gateway/direct.py:175)"
    tell = f"{node};Messages._tell_all (goim/services/messages.py:195);Messages._tell (goim/services/messages.py:220)"
    raw = f"""{node} 4
{receive} 1
{receive};Connection.receive (goim/gateway/connection.py:101) 2
{tell};_answer (goim/actions/messages.py:15) 3
{tell};_message (goim/services/messages.py:375) 5
{tell};ReceiptBook.sent (goim/services/receipts.py:97) 1
{node};uuid4 (uuid.py:1) 4
process 7:"goimctl serve";thread (8): sqlite-reader-0;Worker._work (goim/stores/sqlite_worker.py:110) 9
process 7:"python";process 9:"writer";thread (9): MainThread;main (goim/stores/sqlite_writer.py:81) 9
"""
    stacks = stacks_of(raw, 7)
    shares = steps_of(stacks)
    assert {step: share * 20 for step, share in shares.items() if share} == pytest.approx(
        {"loop and read": 8, "parse": 1, "decode": 2, "ack": 3, "push": 5, "lists and watermarks": 1}
    )
    assert list(shares)[:2] == ["loop and read", "parse"], "in the order in which a message goes through them"
    assert "  push                     2.5 µs  25.0%" in lines_of_steps(stacks, 10.0)
    picture = ET.fromstring(flame_graph(stacks, "c2c & more"))
    titles = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "event loop: 100.0%"
    assert "Messages._tell (goim/services/messages.py): 45.0%" in titles


def test_every_function_that_tells_a_step_is_in_the_code() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "goim").rglob("*.py")}
    known = {*re.findall(r"\bdef (\w+)", "\n".join(sources.values())), "run"}
    for mark in (mark for _, marks in RULES for mark in marks):
        name, _, place = mark.partition("(")
        assert place.startswith("asyncmy/") or any(path.startswith(place) for path in sources), mark
        assert not name or any(each.startswith(name.strip().rpartition(".")[2]) for each in known), mark
