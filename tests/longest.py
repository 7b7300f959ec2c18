"""Which files of tests take longest: those start first, or all the others would wait for the last of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
RECORD = TESTS / "longest.txt"
_LONG = 15.0


def longest() -> list[str]:
    """As they were recorded, longest first."""
    return RECORD.read_text().split()


class Longest:
    """Looks on while all tests run, and writes down which of their files took long."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Starting what a test needs counts, too."""
        self._seconds[report.nodeid.partition("::")[0].removeprefix("tests/")] += report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """A run that broke off says nothing."""
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            ordered = sorted(self._seconds.items(), key=lambda each: -each[1])
            self._record.write_text("".join(f"{name}\n" for name, seconds in ordered if seconds >= _LONG))
