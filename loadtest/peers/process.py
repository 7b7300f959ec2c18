"""Starts a server that is not ours on a free port, waits until it takes connections, and stops all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from loadtest.errors import Refused

_STARTING_SECONDS = 60.0
_STOPPING_SECONDS = 15.0
_POLL_SECONDS = 0.05


def takes_connections(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    is_ready: Callable[[], bool],
    *,
    variables: Mapping[str, str] | None = None,
    user: str | None = None,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[int]:
    """The process id of a server that is ready; what it says goes to a log in its folder."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=user,
        )
    try:
        _wait(process, is_ready, log)
        yield process.pid
    finally:
        _stop(process, end)


def _wait(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path) -> None:
    deadline = perf_counter() + _STARTING_SECONDS
    while not is_ready():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
        if process.returncode is not None or perf_counter() > deadline:
            words = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise Refused(f"{log.stem} did not start ({process.returncode})\n{words}")


def _stop(process: subprocess.Popen[bytes], end: signal.Signals) -> None:
    """Ask it, and then end the whole session that it began: nothing of it stays."""
    process.send_signal(end)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOPPING_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
