"""Where calls are while they live: at most one for each user, whatever happens at once on however many nodes."""

from __future__ import annotations

from typing import Protocol

from goim.model.calls import LiveCall


class LiveCalls(Protocol):
    """Calls that ring or run. Every method is atomic; `StoreDown` when what keeps them cannot be reached."""

    async def begin(self, call: LiveCall) -> LiveCall | None:
        """Store a call if both its people are free and return None, else the call that keeps one of them busy.

        Of two at once that share a person only one is stored.
        """
        ...

    async def get(self, call_id: str) -> LiveCall | None:
        """A call that is live or was over not long ago: who comes too late is told so."""
        ...

    async def of_user(self, user_id: str) -> LiveCall | None:
        """The live call a user is in."""
        ...

    async def swap(self, before: LiveCall, after: LiveCall) -> bool:
        """Put `after` in place of `before`, or return False if that is not what is stored any more.

        If `after` is over, its people are free at once, and its record is owed.
        """
        ...

    async def due(self, now_ms: int) -> list[LiveCall]:
        """Live calls whose `due_at` has come, until they are swapped for what they become."""
        ...

    async def owed(self, before_ms: int) -> list[LiveCall]:
        """Calls that were over before a time and whose record is still owed: who should write it may be dead."""
        ...

    async def recorded(self, call_id: str) -> None:
        """The record is stored."""
        ...

    async def bound_here(self) -> list[LiveCall]:
        """Live calls that nobody can carry on when this process ends."""
        ...
