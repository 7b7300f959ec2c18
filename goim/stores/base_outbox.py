"""The ports of the outbox: what is to be sent to other servers, and up to where each node has put it there.

As in `base.py`: a method is atomic, may be called from many tasks at once, and raises `StoreDown`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from goim.model.messages import MessageRow


class ParcelState(IntEnum):
    """`DONE` ones stay for a while, so that the same event is not sent again; `DEAD` ones were given up."""

    WAITING = 0
    DONE = 1
    DEAD = 2


class ParcelKey(NamedTuple):
    """One event for one receiver: `lane` is the endpoint or kind of push, `target` whose device (empty: none)."""

    event_id: str
    lane: str
    target: str


class Parcel(NamedTuple):
    """A row of the outbox, in the order of its columns. `claim` is whoever sends it now, `problem` why it failed."""

    event_id: str
    lane: str
    target: str
    type: str
    body: str
    made_at: int
    due_at: int
    attempts: int = 0
    state: int = ParcelState.WAITING
    claim: str = ""
    problem: str = ""

    @property
    def key(self) -> ParcelKey:
        return ParcelKey(self.event_id, self.lane, self.target)


class Outcome(NamedTuple):
    """What became of a claimed parcel. `due_at`: when it is to be tried again or, once it is done, forgotten."""

    key: ParcelKey
    claim: str
    state: ParcelState
    due_at: int
    attempts: int
    problem: str


class LaneStats(NamedTuple):
    """How much of a lane is in a state, and since when the oldest of it."""

    lane: str
    state: int
    parcels: int
    oldest: int


class Outbox(Protocol):
    """Parcels to be sent, each by one node at a time."""

    async def put(self, parcels: Sequence[Parcel]) -> None:
        """Store new parcels; one that is there already, in whatever state, stays as it is."""
        ...

    async def claim(self, lane: str, claim: str, now_ms: int, until_ms: int, limit: int) -> list[Parcel]:
        """Take parcels that are due, the first due first, for the sole use of `claim` (never used before).

        Who has not said what became of one by `until_ms` loses it to others.
        """
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of parcels; those that somebody else has claimed meanwhile stay as they are."""
        ...

    async def stats(self) -> list[LaneStats]:
        """What waits and what is dead, by lane."""
        ...

    async def page(self, state: ParcelState, lane: str | None, limit: int, offset: int) -> list[Parcel]:
        """Parcels in a state, the earliest due first."""
        ...

    async def revive(self, lane: str | None, event_id: str | None, now_ms: int) -> int:
        """Let dead parcels wait again as if new, all or those of a lane or event; how many there were."""
        ...

    async def sweep(self, done_before: int, kept_before: int) -> int:
        """Delete what is done and was to be forgotten by then, and the rest that has been due (or dead) since
        before `kept_before`; how many. Not all at once: others get their turn in between.
        """
        ...


class FeedMark(NamedTuple):
    """How far a node is: all its messages from before `safe_at` are in the outbox, as it said at `seen_at`."""

    node_id: str
    safe_at: int
    seen_at: int


class FeedMarks(Protocol):
    """How far every node is."""

    async def put(self, mark: FeedMark) -> None:
        """Say how far a node is, instead of what it said before."""
        ...

    async def remove(self, node_id: str) -> None: ...

    async def all(self) -> list[FeedMark]:
        """What every node said last."""
        ...

    async def take(self, mark: FeedMark, seen_at: int) -> bool:
        """Say something in the name of a node that has said nothing since this mark; of several at once one may."""
        ...


class LogScan(Protocol):
    """The log by time. It has no index for that, so this reads all of it: for after a crash."""

    async def since(self, at: int, after: tuple[str, int], limit: int) -> list[MessageRow]:
        """Messages with that time or a later one, by (conv_id, seq), after that place."""
        ...
