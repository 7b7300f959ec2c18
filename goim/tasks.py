"""Owns the tasks that nobody awaits one by one: they are awaited here at the end, and their failures are logged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import structlog

from goim.clock import Clock
from goim.errors import GoimError, StoreDown

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` while the context is open, and cancel it at its end; should it fail by itself, that is logged at
    once."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("task_failed", exc_info=task.exception())


@contextlib.contextmanager
def outlived(event: str, **facts: object) -> Iterator[None]:
    """Log as `event` what goes wrong in the block, and go on behind it: what goes wrong once must not end for all what
    is done again and again. That a database is away is no defect."""
    try:
        yield
    except StoreDown as error:
        _log.warning(event, error=str(error), **facts)
    except Exception:  # noqa: BLE001 whatever it is, it is tried again
        _log.exception(event, **facts)


async def repeat(clock: Clock, seconds: float, work: Callable[[], Awaitable[object]], event: str) -> NoReturn:
    """Do `work` every so many seconds, until cancelled; `event` is logged each time that it fails."""
    while True:
        await clock.sleep(seconds)
        with outlived(event):
            await work()


async def answered(ask: Callable[[Callable[[T | GoimError], None]], None]) -> T:
    """What the callback that `ask` is given is called with, or raises it."""
    answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def done(result: T | GoimError) -> None:
        if not answer.done():  # else who asked has gone
            answer.set_exception(result) if isinstance(result, GoimError) else answer.set_result(result)

    ask(done)
    return await answer


class Tasks:
    """Starts tasks; leaving the context waits for them up to `grace` seconds, then cancels the rest."""

    def __init__(self, *, grace: float = 5.0) -> None:
        self._grace = grace
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` on its own."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        _log_failure(task)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                while self._running:  # what is under way may start more
                    await asyncio.wait(self._running)
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
