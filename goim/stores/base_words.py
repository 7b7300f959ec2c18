"""The port of the index of words that is kept conversation by conversation, for logs whose rows have no numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from goim.model.search import Term
from goim.stores.base_search import Doc, Hit


class Mark(NamedTuple):
    """How far a conversation is indexed: its messages up to `seq`, what happened to them up to `change`."""

    seq: int = 0
    change: int = 0


class WordIndex(Protocol):
    """Terms of messages by conversation. What it says is to be compared with the message: it may lag behind."""

    async def marks(self, conv_ids: Collection[str]) -> dict[str, Mark]:
        """How far these conversations are indexed; those of which nothing is are left out."""
        ...

    async def advance(self, conv_id: str, seen: Mark, mark: Mark, docs: Sequence[Doc]) -> bool:
        """Keep these documents instead of what was here of them, nothing of one without terms, and move the mark.

        False, and nothing is kept, if the mark is not the one seen any more: somebody else indexed meanwhile.
        """
        ...

    async def remove(self, conv_id: str, seq: int) -> None:
        """Forget the terms of one message."""
        ...

    async def find(self, conv_ids: Collection[str], terms: Sequence[Term], before: int | None, limit: int) -> list[Hit]:
        """The latest messages of these conversations with all of these terms, by falling number, below `before`."""
        ...
