"""What is read from the system and what is made of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from time import thread_time

import pytest

from loadtest.plan import Cpu, Latency, Outcome, latency_of
from loadtest.processes import children_of, cpu_of, memory_of
from loadtest.profile import top_functions
from loadtest.report import as_json, row_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
_BURN = 0.1


def _burn() -> None:
    end = thread_time() + _BURN
    while thread_time() < end:
        pass


def test_cpu_is_told_apart_by_main_thread_and_others() -> None:
    begun = cpu_of(os.getpid())
    _burn()
    half = cpu_of(os.getpid()).since(begun)
    assert half.main >= _BURN * 0.8
    assert half.threads < half.main / 2
    hold = threading.Event()
    burnt = threading.Event()

    def work() -> None:
        _burn()
        burnt.set()
        hold.wait()

    thread = threading.Thread(target=work)
    thread.start()
    burnt.wait()
    whole = cpu_of(os.getpid()).since(begun)
    hold.set()
    thread.join()
    assert whole.threads - half.threads >= _BURN * 0.8
    assert whole.total == whole.main + whole.threads + whole.children


def test_child_processes_are_found_and_counted() -> None:
    before = memory_of(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    program = f"{burn}\nprint('done', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "done\n"
        assert child.pid in children_of(os.getpid())
        assert cpu_of(os.getpid()).children >= _BURN * 0.8
        assert memory_of(os.getpid()) > before
        child.communicate("\n")
    assert child.pid not in children_of(os.getpid())


def test_percentiles_are_those_of_the_sorted_values() -> None:
    values = [float(value) for value in range(1, 1001)]
    assert latency_of(values[::-1]) == Latency(p50=500.0, p99=990.0, max=1000.0)
    assert latency_of([3.0]) == Latency(p50=3.0, p99=3.0, max=3.0)
    assert latency_of([]) is None


def test_a_row_divides_by_what_was_counted() -> None:
    outcome = Outcome(
        seconds=2.0,
        messages=100,
        deliveries=1000,
        server_cpu=Cpu(main=0.01, threads=0.004, children=0.001),
        generator_cpu=0.5,
    )
    counted = {"im_commit_batch_size_sum": 100.0, "im_commit_batch_size_count": 20.0, "im_commit_seconds_sum": 0.1}
    row = row_of("a run", "delivery", outcome, counted)
    assert (row.messages_per_second, row.deliveries_per_second) == (50.0, 500.0)
    assert (row.cpu_us, row.main_us, row.threads_us, row.children_us) == pytest.approx((15.0, 10.0, 4.0, 1.0))
    assert row.generator_busy == 0.25
    assert row.batch == 5.0
    assert row.commit_ms == pytest.approx(5.0)
    assert row_of("a run", "message", outcome, {}).cpu_us == pytest.approx(150.0)
    assert '"cpuUs"' in as_json([row])


def test_a_profile_is_summed_up_by_function() -> None:
    raw = "main;loop;send 3\nmain;loop 1\nmain;loop;send;send 2\nwriter;commit 2\n"
    assert top_functions(raw) == [
        ("send", 5 / 8, 5 / 8),
        ("commit", 2 / 8, 2 / 8),
        ("loop", 1 / 8, 6 / 8),
    ]
