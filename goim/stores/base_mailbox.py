"""The port of the mailbox: what a process without a bus to the nodes leaves for them in the database they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Letter(Struct, frozen=True):
    """What was published to a topic; the greater the id, the later."""

    letter_id: int
    topic: str
    body: bytes


class Mailbox(Protocol):
    """Letters that everybody may read and nobody takes away, for a while. Contract as in `base.py`."""

    async def post(self, letters: Sequence[tuple[str, bytes]], at: int) -> None:
        """Leave (topic, body) in this order, all of them or none.

        Letters appear in the order of their ids: who has read one finds every later one above it.
        """
        ...

    async def newest(self) -> int:
        """The id of the latest letter, 0 if there was never one."""
        ...

    async def after(self, letter_id: int, limit: int) -> list[Letter]:
        """Letters with a greater id, ascending."""
        ...

    async def sweep(self, before: int) -> None:
        """Throw away what was posted before that time. Ids are never given again."""
        ...
