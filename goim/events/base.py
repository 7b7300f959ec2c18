"""Events of groups: that there are new messages, for those who keep the members' lists in order. At least once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from goim.clock import LATEST_MS


class GroupEvent(Struct, frozen=True, kw_only=True, rename="camel"):
    """The latest message of a group: who sent it, of which type, its seq and when (unix milliseconds).

    A later event of a group contains all earlier ones: only the latest need be worked off.
    """

    group_id: str
    conv_id: str
    from_: str = msgspec.field(name="from")
    type: str
    seq: int
    ts: Annotated[int, Meta(ge=0, le=LATEST_MS)]


class GroupEvents(Protocol):
    """Where a node puts what happened in groups."""

    async def put(self, events: Sequence[GroupEvent]) -> None:
        """Hand over events, at most one of each group; `StoreDown`: none was taken, hand them over again.

        Whoever lists their conversations next should find small groups in their place already, where that can be.
        """
        ...
