"""Starts a real `goimctl serve` for one run: its own folder, a free port; stops it by its process id."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter

from loadtest.errors import Refused
from loadtest.processes import listening_on
from loadtest.target import Target

ROOT = Path(__file__).resolve().parent.parent
_STARTING_SECONDS = 60.0
_STOPPING_SECONDS = 20.0
_UNLIMITED = "1000000000"
_PORTS = range(20_000, 32_000)
_GOIMCTL = "from goimctl.__main__ import main; main()"
_LEASH = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execvp(sys.argv[1], sys.argv[1:])"
"""Asks Linux for a SIGTERM when the thread that started it is gone (PR_SET_PDEATHSIG), and becomes its arguments."""


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.pid = process.pid
        self.port = port
        self._process = process
        self._log = log

    @property
    def target(self) -> Target:
        return Target("127.0.0.1", self.port)

    def wait_ready(self, workers: int = 1) -> None:
        """Return when all of its workers can serve: the first that listens would get everybody who comes before."""
        deadline = perf_counter() + _STARTING_SECONDS
        while not (self._is_ready() and (workers < 2 or len(listening_on("127.0.0.1", self.port)) >= workers)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                raise Refused(f"the server ended with {self._process.returncode}\n{self.last_words()}")
            if perf_counter() > deadline:
                raise Refused(f"the server is not ready after {_STARTING_SECONDS:.0f} s\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def stop(self) -> None:
        """Ask it to drain, and insist if it does not."""
        self._process.terminate()
        try:
            self._process.wait(_STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.target.url}/readyz", timeout=5) as answer:  # noqa: S310  # our own address
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False


@contextlib.contextmanager
def running_server(environment: Mapping[str, str], folder: Path, *, command: str = "serve") -> Iterator[Server]:
    """A server that is ready, with these variables besides its own; `folder` holds its log.

    With `consume` it is a consumer: that has the same /readyz and /metrics.
    """
    port = free_port()
    log = folder / f"{command}-{port}.log"
    address = dict.fromkeys(("IM_LISTEN_ADDR", "IM_KAFKA_CONSUMER_ADDR"), f"127.0.0.1:{port}")
    variables = {**inherited(), **environment, **address}
    with log.open("wb") as output:
        process = subprocess.Popen(
            leashed([sys.executable, "-c", _GOIMCTL, command]),
            cwd=folder,
            env=variables,
            stderr=output,
            stdout=output,
        )
    server = Server(process, port, log)
    try:
        server.wait_ready(int(environment.get("IM_SERVER_WORKERS", "1")))
        yield server
    finally:
        server.stop()


def leashed(command: list[str]) -> list[str]:
    """The same command, which on Linux ends with us whatever ends us: who is killed stops nothing. For the main thread
    only."""
    return [sys.executable, "-c", _LEASH, *command] if sys.platform == "linux" else command


def migrate(environment: Mapping[str, str], folder: Path) -> None:
    """Make the schema, as those do who have a database server."""
    command = [sys.executable, "-c", _GOIMCTL, "migrate"]
    env = {**inherited(), **environment}
    done = subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Refused(done.stderr)


def environment_of(folder: Path, secret: str) -> dict[str, str]:
    """The settings of a measured server: the embedded default without limits of rate, whatever stands elsewhere."""
    nothing = folder / "goimctl.toml"
    nothing.touch()
    return {
        "GOIM_CONFIG": str(nothing),
        "IM_SERVER_DATA_DIR": str(folder / "data"),
        "IM_SERVER_DRAIN_SECONDS": "0",
        "IM_JWT_SECRET": secret,
        "IM_LOG_LEVEL": "warning",
        "IM_WS_SEND_QPS": _UNLIMITED,
        "IM_WS_SEND_BURST": _UNLIMITED,
        "IM_AUTH_REGISTER_PER_MINUTE": _UNLIMITED,
        "IM_AUTH_LOGIN_PER_MINUTE": _UNLIMITED,
        "IM_AUTH_LOGIN_PER_MINUTE_PER_ADDRESS": _UNLIMITED,
    }


def inherited() -> dict[str, str]:
    """Our environment without settings of goim, and with the source tree if this is one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("IM_", "GOIM_"))}
    if (ROOT / "cli").is_dir():
        kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "cli")])
    return kept


def free_port() -> int:
    """A port nobody listens on now, and none that the kernel gives to whoever wants any before the server has it."""
    while True:
        port = secrets.choice(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
