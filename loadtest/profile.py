"""Watches a server with py-spy while it is measured, and says in which functions its time goes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

_RATE = 250
_TOP = 25


class Format(StrEnum):
    """What py-spy writes: `raw` is one collapsed stack a line, and is summed up here."""

    RAW = "raw"
    FLAMEGRAPH = "flamegraph"
    SPEEDSCOPE = "speedscope"

    @property
    def suffix(self) -> str:
        return {"raw": ".txt", "flamegraph": ".svg", "speedscope": ".json"}[self.value]


class ProfilerMissing(Exception):
    """There is no py-spy."""


@contextlib.contextmanager
def profiling(pid: int, seconds: float, target: Path, style: Format) -> Iterator[None]:
    """Record the server for so long; `target` is there at the end."""
    command = [find_profiler(), "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
    command += ["--rate", str(_RATE), "--format", style.value, "--output", str(target), "--function"]
    command += ["--threads", "--subprocesses"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        output, _ = process.communicate(timeout=seconds + 60)
        if process.returncode:
            sys.stderr.write(output.decode(errors="replace"))


def find_profiler() -> str:
    """Where py-spy is: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if not found:
        raise ProfilerMissing("py-spy is not installed: pip install py-spy")
    return found


def top_functions(raw: str) -> list[tuple[str, float, float]]:
    """(function, its own share, its share with all that it called), the most expensive by themselves first."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        names = stack.split(";")
        own[names[-1]] += int(count)
        within.update(dict.fromkeys(names, int(count)))
    total = max(1, own.total())
    return [(name, count / total, within[name] / total) for name, count in own.most_common(_TOP)]
