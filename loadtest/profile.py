"""Watches a server with py-spy while it is measured, to see in which functions its time goes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from loadtest.errors import Refused
from loadtest.flame import flame_graph
from loadtest.steps import stacks_of

_RATE = 250


class Profiling:
    """Records the server in its measured time; that disturbs the figures of the run.

    The target is written by py-spy for speedscope (`.json`) or as stacks, one a line; or it is a flame graph (`.svg`)
    that is drawn from those.
    """

    def __init__(self, target: Path) -> None:
        self.stacks: list[tuple[str, int]] = []
        """What the main thread of the server was at, and how often."""
        self._target = target
        self._program = find_profiler()

    @contextlib.contextmanager
    def of(self, pid: int, start: float, end: float, title: str) -> Iterator[None]:
        """Begin at `start` (`perf_counter`), and have the profile written when the block is over."""
        with tempfile.TemporaryDirectory(prefix="goim-profile-") as folder:
            written = Path(folder) / "stacks" if self._target.suffix == ".svg" else self._target
            timer = threading.Timer(max(0.0, start - perf_counter()), self._begin, (pid, end - start, written))
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
                    else:
                        self._read(written, pid, title)

    _process: subprocess.Popen[bytes] | None = None

    def _begin(self, pid: int, seconds: float, written: Path) -> None:
        kind = "speedscope" if written.suffix == ".json" else "raw"
        command = [self._program, "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
        command += ["--rate", str(_RATE), "--format", kind, "--output", str(written)]
        command += ["--function", "--threads", "--subprocesses"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _read(self, written: Path, pid: int, title: str) -> None:
        if written.suffix != ".json":
            self.stacks = stacks_of(written.read_text(encoding="utf-8"), pid)
        if written != self._target:
            self._target.write_text(flame_graph(self.stacks, title), encoding="utf-8")


def find_profiler() -> str:
    """Where py-spy is: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if not found:
        raise Refused("py-spy is not installed", hint="pip install py-spy")
    return found
