"""Watches a server with py-spy while it is measured, to see in which functions its time goes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from loadtest.errors import Refused

_RATE = 250
_FORMATS = {".svg": "flamegraph", ".json": "speedscope"}


def format_of(target: Path) -> str:
    """What py-spy writes, by the name of the file; any other is a stack a line, and is summed up by `steps.py`."""
    return _FORMATS.get(target.suffix, "raw")


class Profiling:
    """Records the server in its measured time; that disturbs the figures of the run."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._program = find_profiler()

    @contextlib.contextmanager
    def of(self, pid: int, start: float, end: float) -> Iterator[None]:
        """Begin at `start` (`perf_counter`), and have the profile written when the block is over."""
        timer = threading.Timer(max(0.0, start - perf_counter()), self._begin, (pid, end - start))
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            if self._process is not None:
                output, _ = self._process.communicate(timeout=end - start + 60)
                if self._process.returncode:
                    sys.stderr.write(output.decode(errors="replace"))

    _process: subprocess.Popen[bytes] | None = None

    def _begin(self, pid: int, seconds: float) -> None:
        command = [self._program, "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
        command += ["--rate", str(_RATE), "--format", format_of(self.target), "--output", str(self.target)]
        command += ["--function", "--threads", "--subprocesses"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def find_profiler() -> str:
    """Where py-spy is: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if not found:
        raise Refused("py-spy is not installed", hint="pip install py-spy")
    return found
