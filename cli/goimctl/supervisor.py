"""Several processes on one port: who starts them, starts those again that die, and ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from goim.workers import DRAIN, END, Worker
from goimctl.output import ExitCode, Failed

STEADY_SECONDS = 30.0
"""Who served so long is started again without delay, as if it were the first time."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_TOLD_TO_END = (0, -signal.SIGTERM)
_log = structlog.get_logger(__name__)

Welcome = Callable[[str], None]


class WorkerProcess:
    """One of them, which may be started again after its end."""

    def __init__(self, worker: Worker, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.number = worker.number
        self.url = ""
        self.ready_at: float | None = None
        self._command = command
        self._environment = {**environment, **worker.environment}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it serves, or did until it ended."""
        return self.ready_at is not None

    async def start(self) -> bool:
        """Return when it serves, or has ended before: whether it does."""
        self.ready_at = None
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the supervisor, which tells the others
        )
        assert process.stdout is not None
        self.url = (await process.stdout.readline()).decode().strip()
        if self.url:
            self.ready_at = asyncio.get_running_loop().time()
        return self.is_ready

    async def ended(self) -> int:
        """Its exit code, or the signal that ended it as a negative number; 0 for one that was never started."""
        return 0 if self._process is None else await self._process.wait()

    def drain(self) -> None:
        """Have it send its clients elsewhere and end; one that does not serve yet just ends."""
        self._tell(DRAIN, signal.SIGTERM)

    def end(self) -> None:
        """Have it end at once, what is under way finished."""
        self._tell(END, signal.SIGKILL)

    def kill(self) -> None:
        """Do not ask."""
        if self._process is not None and self._process.returncode is None:
            self._signal(self._process, signal.SIGKILL)

    def _tell(self, word: bytes, otherwise: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        if self.is_ready:
            assert self._process.stdin is not None
            self._process.stdin.write(word)
        else:
            self._signal(self._process, otherwise)

    @staticmethod
    def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
        """What asyncio has for this asks first whether the process has ended, and takes the exit code of one that just
        has from the loop, which then knows none and says 255."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


class Supervisor:
    """Keeps its workers running until a signal ends them all.

    The first start is a test: one that cannot serve then has said why, and ends all of it. Later it is tried again
    and again, with growing pauses: the others serve, and what is in its way may go.
    """

    def __init__(self, workers: Sequence[WorkerProcess], welcome: Welcome) -> None:
        self._workers = workers
        self._welcome = welcome
        self._stopping = asyncio.Event()
        self._signals = 0

    async def run(self) -> int:
        """The exit code of it all."""
        self._listen()
        try:
            failed = await self._start_all()
            if failed is not None:
                return await self._give_up(failed)
            async with asyncio.TaskGroup() as tasks:
                kept = [tasks.create_task(self._keep(worker)) for worker in self._workers]
            return ExitCode.DONE if all(task.result() in _TOLD_TO_END for task in kept) else ExitCode.FAILED
        finally:
            for worker in self._workers:
                worker.kill()  # nobody is left unless something went wrong here

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(one) is not signal.SIG_IGN:  # nohup: the end of the terminal is none of ours
                loop.add_signal_handler(one, self.stop)

    def stop(self) -> None:
        """The first signal drains all, a second one ends them, a third one kills what is left."""
        self._stopping.set()
        self._signals += 1
        for worker in self._workers:
            (worker.drain, worker.end, worker.kill)[min(self._signals, 3) - 1]()

    async def _start_all(self) -> WorkerProcess | None:
        """First one alone, since what is in its way would be in the way of all. Returns one that cannot serve."""
        for some in (self._workers[:1], self._workers[1:]):
            if not self._stopping.is_set():
                await asyncio.gather(*(self._start(worker) for worker in some))
            for worker in some:
                if not worker.is_ready:
                    return worker
        if not self._stopping.is_set():
            self._welcome(self._workers[0].url)
        return None

    async def _start(self, worker: WorkerProcess) -> None:
        if await worker.start() and self._stopping.is_set():
            worker.drain()

    async def _give_up(self, failed: WorkerProcess) -> int:
        was_told = self._stopping.is_set()
        if not was_told:
            self.stop()
        for worker in self._workers:
            await worker.ended()
        code = await failed.ended()
        if not was_told and code <= 0:  # it could not say anything itself
            raise Failed(f"worker {failed.number} ended before it served: {_described(code)}")
        return ExitCode.DONE if was_told else code

    async def _keep(self, worker: WorkerProcess) -> int:
        """Start it again whenever it ends, until all end; its last exit code."""
        pause = 0.0
        while True:
            code = await worker.ended()
            if self._stopping.is_set():
                return code
            pause = 0.0 if self._was_steady(worker) else min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
            _log.error("worker_ended", worker=worker.number, how=_described(code), again_in_seconds=pause)
            if await self._stops_within(pause):
                return 0
            await self._start(worker)
            if worker.is_ready:
                _log.info("worker_serves_again", worker=worker.number)

    def _was_steady(self, worker: WorkerProcess) -> bool:
        now = asyncio.get_running_loop().time()
        return worker.ready_at is not None and now - worker.ready_at > STEADY_SECONDS

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()


def _described(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def supervise(count: int, arguments: Sequence[str], environment: Mapping[str, str], welcome: Welcome) -> int:
    """Run `goimctl` so many times with these arguments until a signal ends them all; the exit code."""
    command = [sys.executable, "-P", "-m", "goimctl", *arguments]
    with tempfile.TemporaryDirectory(prefix="goim-", ignore_cleanup_errors=True) as folder:
        each = (Worker(number, Path(folder)) for number in range(1, count + 1))
        supervisor = Supervisor([WorkerProcess(worker, command, environment) for worker in each], welcome)
        return asyncio.run(supervisor.run())


def say_ready(url: str) -> None:
    """Tell the supervisor that this worker serves; what is written to stdout from now on goes to stderr."""
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
