"""The real `goimctl`, as a process of its own in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BINARY = Path(sys.executable).with_name("goimctl")


class Goimctl:
    """Runs `goimctl` in `folder`, with no settings in the environment but those that are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("IM_", "GOIM_"))}
        return subprocess.run(
            [BINARY, *args],
            cwd=self.folder,
            env={**inherited, **environ},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def goimctl(tmp_path: Path) -> Goimctl:
    return Goimctl(tmp_path)
