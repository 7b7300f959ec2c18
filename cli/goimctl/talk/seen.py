"""Which messages of a conversation were shown, so that each is shown once and in order, whatever way it came."""

from __future__ import annotations


class Seen:
    """Everything up to `upto` was, and some beyond it; `change` is the last change that was."""

    def __init__(self, upto: int = 0, change: int = 0) -> None:
        self.upto = upto
        self.change = change
        self._beyond: set[int] = set()

    def has(self, seq: int) -> bool:
        return seq <= self.upto or seq in self._beyond

    def is_at(self, seq: int, change: int) -> bool:
        """Whether nothing is missing up to this message and this change."""
        return seq <= self.upto and change <= self.change

    def leaves_gap(self, seq: int) -> bool:
        """Whether something below `seq` is missing."""
        return any(not self.has(lower) for lower in range(self.upto + 1, seq))

    def add(self, seq: int) -> None:
        self._beyond.add(seq)
        while self.upto + 1 in self._beyond:
            self.upto += 1
            self._beyond.discard(self.upto)

    def skip_to(self, seq: int) -> None:
        """Nothing that is missing up to `seq` will come any more (it has expired)."""
        for lower in range(self.upto + 1, seq + 1):
            self.add(lower)
