"""Which numbers of a conversation were shown, so that each is shown once and in order, whatever way it came. Pure."""

from __future__ import annotations


class Count:
    """Numbers 1, 2, 3 …: everything up to `upto` was shown, and some beyond it."""

    __slots__ = ("_beyond", "upto")

    def __init__(self, upto: int = 0) -> None:
        self.upto = upto
        self._beyond: set[int] = set()

    def has(self, number: int) -> bool:
        return number <= self.upto or number in self._beyond

    def leaves_gap(self, number: int) -> bool:
        """Whether something below `number` is missing."""
        return any(lower not in self._beyond for lower in range(self.upto + 1, number))

    @property
    def is_torn(self) -> bool:
        """Whether something is missing below what was shown."""
        return bool(self._beyond)

    def add(self, number: int) -> None:
        if number <= self.upto:
            return
        self._beyond.add(number)
        self._join()

    def skip_to(self, number: int) -> None:
        """Nothing that is missing up to `number` will come any more."""
        self.upto = max(self.upto, number)
        self._beyond = {each for each in self._beyond if each > self.upto}
        self._join()

    def _join(self) -> None:
        while self.upto + 1 in self._beyond:
            self.upto += 1
            self._beyond.discard(self.upto)


class Progress:
    """Of one conversation: its messages by `seq`, its changes by `change`."""

    __slots__ = ("changes", "messages")

    def __init__(self, seq: int = 0, change: int = 0) -> None:
        self.messages = Count(seq)
        self.changes = Count(change)

    def is_at(self, seq: int, change: int) -> bool:
        """Whether nothing is missing up to this message and this change."""
        return seq <= self.messages.upto and change <= self.changes.upto
