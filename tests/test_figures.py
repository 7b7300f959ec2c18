"""The figures of several processes as one: sums that only rise, whoever dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from goim.figures import JointFigures, NodeFigures, Page
from goim.metrics import Metrics


class Process:
    """A process that counts; all of them are this one, unless they have died."""

    def __init__(self, folder: Path, number: int) -> None:
        self.metrics = Metrics()
        self.figures = JointFigures(self.metrics, folder, number)
        self._file = folder / f"{number}.figures"

    def shows(self, name: str) -> float:
        """A number as it answers with it, over all labels but those of processes."""
        return sum(
            sample.value for metric in self.figures.collect() for sample in metric.samples if sample.name == name
        )

    def die(self) -> None:
        """Be another process than this one, that is no more."""
        self.shows("im_workers")  # is written down
        page = msgspec.json.decode(self._file.read_bytes(), type=Page)
        self._file.write_bytes(msgspec.json.encode(msgspec.structs.replace(page, pid=gone())))


def gone() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture
def two(tmp_path: Path) -> tuple[Process, Process]:
    return Process(tmp_path, 1), Process(tmp_path, 2)


def test_whoever_is_asked_tells_the_sums(two: tuple[Process, Process]) -> None:
    one, other = two
    for process, times in ((one, 2), (other, 3)):
        process.metrics.actions["send"] += times
        process.metrics.commit_seconds.observe(0.004, times)
        process.metrics.connections["tcp"] += times
        process.metrics.http_done("GET", f"/{times}", 200, 0.1)
        process.shows("im_workers")  # is written down
    for process in two:
        assert process.shows("im_ws_messages_total") == 5
        assert process.shows("im_commit_seconds_count") == 5
        assert process.shows("im_commit_seconds_sum") == pytest.approx(0.02)
        assert process.shows("im_connections") == 5
        assert process.shows("im_http_seconds_count") == 2
        assert process.shows("im_workers") == 2


def test_what_all_count_alike_is_not_added_up(two: tuple[Process, Process]) -> None:
    one, other = two
    one.metrics.hooks_waiting["crm"] = 7
    other.metrics.hooks_waiting["crm"] = 6
    one.metrics.bus_lag_seconds = 0.01
    other.metrics.bus_lag_seconds = 0.02
    other.shows("im_workers")
    assert one.shows("im_hooks_waiting") == 7
    assert one.shows("im_bus_lag_seconds") == 0.02


def test_what_a_process_had_counted_when_it_died_stays_counted(two: tuple[Process, Process], tmp_path: Path) -> None:
    one, other = two
    other.metrics.actions["send"] += 3
    other.metrics.connections["tcp"] += 3
    other.die()
    assert one.shows("im_ws_messages_total") == 3
    assert one.shows("im_connections") == 0, "who was connected to it is not any more"
    assert one.shows("im_workers") == 1
    successor = Process(tmp_path, 2)
    successor.metrics.actions["send"] += 1
    assert successor.shows("im_ws_messages_total") == 4
    assert one.shows("im_ws_messages_total") == 4
    assert one.shows("im_workers") == 2


def test_processes_are_told_one_by_one(two: tuple[Process, Process]) -> None:
    one, other = two
    other.shows("im_workers")
    registry = CollectorRegistry()
    registry.register(one.figures)
    text = generate_latest(registry).decode()
    assert 'process_open_fds{worker="1"}' in text
    assert 'process_open_fds{worker="2"}' in text
    assert text.count("# TYPE process_open_fds gauge") == 1


def test_alone_a_process_tells_the_same_names(tmp_path: Path) -> None:
    alone, joint = NodeFigures(Metrics()), JointFigures(Metrics(), tmp_path, 1)
    assert [family.name for family in alone.collect()] == [family.name for family in joint.collect()]


def test_a_folder_that_is_gone_costs_the_others_figures_only(two: tuple[Process, Process], tmp_path: Path) -> None:
    one, _ = two
    one.metrics.actions["send"] += 1
    for path in tmp_path.iterdir():
        path.unlink()
    tmp_path.rmdir()
    assert one.shows("im_ws_messages_total") == 1
