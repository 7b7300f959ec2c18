"""The real `goimctl`, as a process of its own in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

BINARY = Path(sys.executable).with_name("goimctl")


class Goimctl:
    """Runs `goimctl` in `folder`, with no settings in the environment but those that are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def environ(self, **environ: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("IM_", "GOIM_"))}
        return {**inherited, **environ}

    def __call__(self, *args: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BINARY, *args],
            cwd=self.folder,
            env=self.environ(**environ),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def done(self, *args: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it and see that it does what it is asked."""
        result = self(*args, stdin=stdin, **environ)
        assert result.returncode == 0, result.stderr
        return result

    def json(self, *args: str, **environ: str) -> Any:
        """What it prints with `--json`."""
        return json.loads(self.done(*args, "--json", **environ).stdout)

    async def meanwhile(self, *args: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """`done` beside what runs in the test's loop."""
        return await asyncio.to_thread(self.done, *args, stdin=stdin, **environ)

    @contextlib.contextmanager
    def serving(self, **environ: str) -> Iterator[Served]:
        """A real server in the folder, until the block ends."""
        environ = {"IM_LISTEN_ADDR": "127.0.0.1:0", "IM_SERVER_DRAIN_SECONDS": "0.1"} | environ
        log = self.folder / "serve.log"
        with log.open("w") as stderr:
            process = subprocess.Popen([BINARY, "serve"], cwd=self.folder, env=self.environ(**environ), stderr=stderr)
        try:
            yield Served(process, log)
        finally:
            process.kill()
            process.wait()


class Served:
    """A `goimctl serve` that was started."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        """All that it wrote to stderr so far."""
        return self._log.read_text()

    def url(self) -> str:
        """Where it listens, as soon as it says so."""
        deadline = monotonic() + 60
        while not (welcome := re.search(r"goim listens on (\S+)", self.said)):
            assert self.process.poll() is None, self.said
            assert monotonic() < deadline, self.said
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
        return welcome[1]


@pytest.fixture
def goimctl(tmp_path: Path) -> Goimctl:
    return Goimctl(tmp_path)
