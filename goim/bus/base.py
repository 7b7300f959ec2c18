"""The bus: nodes tell each other things, quickly and at most once. It is a hint; the log is the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

NOTICES = "im:notices"
"""The topic of what every node must know: nothing published before or after overtakes it."""
Receiver = Callable[[str, bytes], None]
"""Called with (topic, body) for everything another node published to a topic this node subscribed to."""


class Interruption(Struct, frozen=True):
    """Since `since` (unix milliseconds) things may not have arrived here, and with `is_mutual` not at the others."""

    since: int
    is_mutual: bool


Alarm = Callable[[Interruption], None]


class Bus(Protocol):
    """A node's access to the bus. A node never receives what it published itself."""

    @property
    def has_company(self) -> bool:
        """Whether there may be another node at all: if not, nobody need take the trouble to publish."""
        ...

    @property
    def ahead_ms(self) -> int:
        """How far the clock that all nodes of this bus have in common is ahead of this node's own."""
        ...

    def publish(self, topic: str, body: bytes) -> None:
        """Send to every other node that subscribed to `topic`, in the order of calls. Never waits and never fails.

        Of two topics either may be first, unless one is `NOTICES` and both are carried by the same server.
        """
        ...

    def subscribe(self, topic: str) -> None:
        """Receive `topic` from now on. Twice is once."""
        ...

    def unsubscribe(self, topic: str) -> None: ...

    def listen(self, receiver: Receiver) -> None:
        """Say who gets what arrives; once, before the first subscribe."""
        ...

    def on_interruption(self, alarm: Alarm) -> None:
        """Say who is told when the bus works again after a time in which things may have been lost; once."""
        ...

    async def settled(self) -> None:
        """Return when what was subscribed to before is received, or cannot be soon."""
        ...
