"""Remembers who sends what is being stored: if it is read from the log before it was told, its sender is not pushed
it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from goim.model.messages import SentKey

_MOST_RESENT = 1000


class _Sending(Protocol):
    @property
    def sender(self) -> object: ...
    @property
    def sent_key(self) -> SentKey: ...


class InFlight:
    """Batches between their commit and their telling. Beginning and ending one costs nothing per message."""

    def __init__(self) -> None:
        self._batches: list[Sequence[_Sending]] = []
        self._resent: dict[SentKey, object] = {}

    def begin(self, batch: Sequence[_Sending]) -> None:
        """These are about to be stored."""
        self._batches.append(batch)

    def end(self, batch: Sequence[_Sending]) -> None:
        """These were told, or refused."""
        self._batches = [each for each in self._batches if each is not batch]

    def resent(self, key: SentKey, sender: object) -> None:
        """This was stored before, and perhaps told by nobody."""
        if len(self._resent) >= _MOST_RESENT:
            self._resent.clear()
        self._resent[key] = sender

    def sender_of(self, key: SentKey) -> object:
        """The connection that is answered and so not pushed the message, or None."""
        for batch in self._batches:
            for sending in batch:
                if sending.sent_key == key:
                    return sending.sender
        return self._resent.get(key)
