"""The order in which files of tests start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.longest import TESTS, Longest, longest


def test_what_is_said_to_take_long_is_there() -> None:
    assert longest()
    assert [name for name in longest() if not (TESTS / name).is_file()] == []


def test_the_files_that_took_long_are_recorded_longest_first(tmp_path: Path) -> None:
    record = tmp_path / "longest.txt"
    looking_on = Longest(record)
    for name, seconds in (
        ("tests/a.py::one", 9.0),
        ("tests/b.py::x", 20.0),
        ("tests/c/c.py", 1.0),
        ("tests/a.py::two", 8.0),
    ):
        looking_on.pytest_runtest_logreport(
            pytest.TestReport(name, (name, 0, name), {}, "passed", None, "call", duration=seconds)
        )
    looking_on.pytest_sessionfinish(pytest.ExitCode.INTERRUPTED)
    assert not record.exists()
    looking_on.pytest_sessionfinish(pytest.ExitCode.OK)
    assert record.read_text() == "b.py\na.py\n"


def test_a_run_of_some_tests_records_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/test_longest.py"],
        cwd=TESTS.parent, env={"GOIM_TEST_RENEW": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "GOIM_TEST_RENEW=1 make test" in done.stderr
