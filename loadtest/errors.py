"""What ends a load test before it has a result."""

from __future__ import annotations


class Refused(Exception):
    """It cannot be done: why and, where there is one, the way out."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Away(Refused):
    """There is no server where it should be."""
