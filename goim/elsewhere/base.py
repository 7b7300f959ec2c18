"""The port by which nodes know of each other's connections: a crashed node's disappear by themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from msgspec import Struct


class Connected(Struct, frozen=True):
    """A device with a live connection."""

    user_id: str
    device_id: str
    session_id: str
    transport: str
    connected_at: int


Lost = Callable[[list[tuple[str, str]]], None]
"""Called with (user, device) of everybody who was connected to a node that is gone."""


Again = Callable[[], None]
"""Called when this node is known to the others again, who told its people's friends that they went."""


class Elsewhere(Protocol):
    """What other nodes have. Where it cannot be asked, the answer is: nobody. `came` and `went` never wait."""

    def came(self, device: Connected) -> None:
        """A device connected here."""
        ...

    def went(self, device: Connected) -> None:
        """That connection is gone from here; one made elsewhere since stays."""
        ...

    async def online(self, user_ids: Collection[str]) -> set[str]:
        """Which of these have connections to other nodes."""
        ...

    async def devices(self, *user_ids: str) -> list[Connected]:
        """The connections of these users to other nodes."""
        ...

    async def is_news(self, users: Mapping[str, bool]) -> set[str]:
        """Of which of these nobody was told yet that they are online, or are not; now somebody is.

        Of nodes that ask at about the same time only one is told that it is news.
        """
        ...

    def watch(self, everybody: Callable[[], Iterable[Connected]], lost: Lost, again: Again) -> None:
        """Say who is here, should that be forgotten; who is told of nodes that died, each node's people to one of those
        that are left; and who is told that this node had been taken for dead."""
        ...


class Nobody:
    """The answer of a node that is alone."""

    def came(self, device: Connected) -> None: ...

    def went(self, device: Connected) -> None: ...

    async def online(self, user_ids: Collection[str]) -> set[str]:
        del user_ids
        return set()

    async def devices(self, *user_ids: str) -> list[Connected]:
        del user_ids
        return []

    async def is_news(self, users: Mapping[str, bool]) -> set[str]:
        return set(users)

    def watch(self, everybody: Callable[[], Iterable[Connected]], lost: Lost, again: Again) -> None: ...
