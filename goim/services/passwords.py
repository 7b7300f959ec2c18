"""Passwords: hashed with argon2id in a few threads of their own, never on the event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from goim.errors import ErrorCode, GoimError

_THREADS = 2
_MAX_WAITING = 1024
T = TypeVar("T")

# OWASP's parameters: 19 MiB, two passes, one lane; about 20 ms each.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Passwords:
    """A context manager: the threads end with it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys: str | None = None

    async def __aenter__(self) -> Self:
        self._nobodys = await self.hash("nobody has this password")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def hash(self, password: str) -> str:
        """What is stored instead of a password."""
        return await self._run(functools.partial(_HASHER.hash, password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password. With None (no such account) the answer is no, and takes as long."""
        is_right = await self._run(functools.partial(_verify, password_hash or self._nobodys or "", password))
        return is_right and password_hash is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise GoimError(ErrorCode.UNAVAILABLE, "too many logins at once; try again", retry_after_ms=5000)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
