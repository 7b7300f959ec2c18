"""`goimctl bench --locust`: the same people under locust, in a process of its own, which it changes from the ground."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from goim.resources import bundled
from goimctl.output import ExitCode, Failed, say

_PER_SECOND = 10


def run_locust(url: str, people: int, seconds: float, html: Path | None, more: list[str]) -> int:
    """Its web page on port 8089 or, with a file for the report, a run that ends by itself. Returns its exit code."""
    if not url:
        raise Failed("locust needs to know the server", hint="--url http://127.0.0.1:8080", code=ExitCode.WRONG_USE)
    if not all(importlib.util.find_spec(name) for name in ("locust", "websocket")):
        raise Failed("locust is not installed", hint="pip install 'goim[bench]'")
    command = [sys.executable, "-m", "locust", "-f", str(bundled("loadtest") / "locustfile.py"), "--host", url]
    command += ["--users", str(people), "--spawn-rate", str(_PER_SECOND)]
    if html is not None:
        command += ["--headless", "--run-time", f"{max(1, round(seconds))}s", "--html", str(html)]
    elif not more:
        command += ["--web-host", "127.0.0.1"]
        say("locust listens on http://127.0.0.1:8089")
    return subprocess.run(command + more, check=False).returncode
