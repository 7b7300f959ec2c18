"""The ports of search: what was written to the log since it was looked at last, and the index made of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from goim.model.messages import MessageRow
from goim.model.search import Term


class Written(NamedTuple):
    """A message with its number: numbers rise in the order in which messages were stored, whatever the conversation."""

    number: int
    row: MessageRow


class Touched(NamedTuple):
    """A message that was changed after it was stored, as it is now; `mark` says that it has been seen."""

    mark: int
    message: Written


class LogTail(Protocol):
    """The log in the order in which it was written: for what is made of it later. Contract as in `base.py`."""

    async def after(self, number: int, limit: int) -> list[Written]:
        """Messages stored after a number, in order. Whoever goes on from the last one misses none."""
        ...

    async def last(self) -> int:
        """The number of the message stored last, 0 if there is none."""
        ...

    async def touched(self, limit: int) -> list[Touched]:
        """Changed messages that nobody has seen yet, by mark; one that changed twice may be there twice."""
        ...

    async def seen(self, mark: int) -> None:
        """Forget the changes up to this mark."""
        ...


class Doc(NamedTuple):
    """A message as the index keeps it: its number, its place and its terms."""

    number: int
    conv_id: str
    seq: int
    terms: Sequence[str]


class Hit(NamedTuple):
    """Where a message that may be meant stands."""

    number: int
    conv_id: str
    seq: int


class SearchIndex(Protocol):
    """Terms of messages by conversation. What it says is to be compared with the message: it may lag behind."""

    async def position(self) -> int:
        """Up to which number of the log everything is in here."""
        ...

    async def write(self, docs: Sequence[Doc], position: int | None = None) -> None:
        """Keep these instead of what was here under their numbers, nothing of one without terms; raise the position."""
        ...

    async def find(self, conv_ids: Collection[str], terms: Sequence[Term], before: int | None, limit: int) -> list[Hit]:
        """The latest messages of these conversations with all of these terms, by falling number, below `before`."""
        ...

    async def clear(self) -> None:
        """Forget everything; the position is 0 again."""
        ...


class NumberedIndex(NamedTuple):
    """A log whose rows have numbers, and the index made of it."""

    tail: LogTail
    words: SearchIndex
