"""What of a conversation was shown, so that each is shown once and in order, whatever way it came."""

from __future__ import annotations

from goim.client.progress import Count


class Seen(Count):
    """Its messages; `change` is the last change that was shown."""

    def __init__(self, upto: int = 0, change: int = 0) -> None:
        super().__init__(upto)
        self.change = change

    def is_at(self, seq: int, change: int) -> bool:
        """Whether nothing is missing up to this message and this change."""
        return seq <= self.upto and change <= self.change
