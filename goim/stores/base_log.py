"""The ports of the message log: messages, what happens to them later, and what each member has deleted.

As in `base.py`: a method is atomic, may be called from many tasks at once, and raises `StoreDown` when the database
cannot be reached. What a method does not find it answers with None or leaves out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from goim.model.messages import Change, MessageRow, Reaction, Reactions, RowEdit, Sent, SentKey, Span
from goim.stores.base import Taken


class Stopped(Taken):
    """From a store that cannot undo: these rows stand, then one of this conversation was taken and the rest is not
    stored."""

    def __init__(self, stored: Sequence[MessageRow], conv_id: str) -> None:
        super().__init__(f"taken in {conv_id}, {len(stored)} rows before it stand")
        self.stored = stored
        self.conv_id = conv_id


T = TypeVar("T")
UNDER_WAY_MS = 600_000
"""What was pending so long ago and is not in the log was never sent; what is younger may be stored in a moment."""


class MessageTable(Protocol):
    """The log, dumb on purpose: rows under two unique keys. Who gets which seq is decided in `log.py`."""

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        """Store all rows durably; `Taken` if a (conv_id, seq) or (conv_id, from_user_id, client_msg_id) is there.

        Then nothing is stored, or it is `Stopped` and says which rows are: of a conversation always the first ones, for
        its rows are stored in the order in which they are given. A crash leaves no others, either.
        """
        ...

    async def last_seqs(self, conv_ids: Collection[str]) -> dict[str, int]:
        """The greatest seq of each conversation that has messages."""
        ...

    async def find_sent(self, keys: Collection[SentKey]) -> dict[SentKey, Sent]:
        """Which of these were sent already, and what their ack said."""
        ...

    async def after(self, conv_id: str, seq: int, limit: int, now_ms: int) -> list[MessageRow]:
        """Rows with a greater seq, ascending; those expired at `now_ms` are left out."""
        ...

    async def before(self, conv_id: str, seq: int | None, floor: int, limit: int, now_ms: int) -> list[MessageRow]:
        """The newest rows below `seq` (None: of all) and above `floor`, ascending; expired ones left out."""
        ...

    async def get(self, conv_id: str, seq: int) -> MessageRow | None:
        """One row, expired or not."""
        ...

    async def gone(self, conv_id: str, seqs: Collection[int], now_ms: int) -> set[int]:
        """Which of these messages nobody may read any more: recalled, or expired at `now_ms`."""
        ...

    async def newest(self, floors: Mapping[str, int], now_ms: int) -> dict[str, MessageRow]:
        """The newest row of each conversation that is above the given floor and not expired."""
        ...

    async def sent_by(self, user_id: str, after: tuple[str, int], limit: int) -> list[tuple[str, int]]:
        """Places (conv_id, seq) of not yet emptied messages of one sender, ascending: for erasing an account.

        A scan.
        """
        ...

    async def overwrite(self, conv_id: str, seq: int, edit: RowEdit) -> bool:
        """Set what may change of a message, without a change of its own; False if it is recalled or not there, or is a
        stream that has ended and is not to be emptied: however late this comes, that is the last of it."""
        ...


class Turns(Protocol):
    """Who writes to a conversation next, among nodes that are in each other's way there. The keys stay the judges."""

    async def hold(self, conv_id: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, and keep out until it is done whoever else wants to hold the conversation.

        What it stores is stored when this returns. It may be done again from its beginning.
        """
        ...


class Changes(Protocol):
    """What happened to messages later, numbered 1, 2, 3 … per conversation.

    Who makes a change numbers it: one more than the last. It is done and stored as one thing, whatever happens.
    """

    async def edit(self, conv_id: str, seq: int, edit: RowEdit, change: Change, at: int) -> bool:
        """Set what may change of a message and store the change; False (nothing stored) if the message is recalled.

        An edit that recalls it takes out of its earlier changes what they say, as `forget_words` does.
        `Taken` if the number of the change is, or a store finds that it is not the next one.
        """
        ...

    async def edit_all(self, conv_id: str, edit: RowEdit, changes: Sequence[tuple[int, Change]], at: int) -> int:
        """Do the same edit to several messages of a conversation, each (seq, change) in order; how many stand.

        A store that can undo does all or none; another ends at the first of a recalled message. `Taken` as above, when
        none stands.
        """
        ...

    async def react(self, conv_id: str, seq: int, reaction: Reaction, change: Change, at: int, *, remove: bool) -> bool:
        """Add or remove a reaction and store the change; False (nothing stored) if that is how it was already.

        `Taken` if the number of the change is.
        """
        ...

    async def forget_words(self, conv_id: str, seqs: Collection[int]) -> None:
        """Take out of the changes of these messages what they say; the changes stay. Twice is once."""
        ...

    async def reactions(self, spans: Sequence[Span]) -> Reactions:
        """The reactions to all these messages, each message's in the order of their changes.

        Those that were stored elsewhere, and copied here, by the time, then by user and emoji.
        """
        ...

    async def last_changes(self, conv_ids: Collection[str]) -> dict[str, int]:
        """The greatest change of each conversation that has any."""
        ...

    async def after(self, conv_id: str, change: int, limit: int) -> list[Change]:
        """Changes with a greater number, ascending."""
        ...

    async def of_message(self, conv_id: str, seq: int, action: str) -> Change | None:
        """The last change of one kind that a message went through."""
        ...


class Pending(Protocol):
    """What is still to be done about messages: noted before the message is stored, so that a crash forgets nothing.

    Kinds: `stream` (to be ended), `burn` (to be recalled when read), `expire` (to be emptied at its time).
    """

    async def put(self, kind: str, key: SentKey, at: int) -> None:
        """Note something; of the same again the later time holds."""
        ...

    async def remove(self, kind: str, keys: Collection[SentKey]) -> None: ...

    async def due(self, kind: str, now_ms: int, limit: int) -> list[SentKey]:
        """What is noted for `now_ms` or earlier, earliest first."""
        ...

    async def of_sender(self, kind: str, conv_id: str, user_id: str) -> dict[SentKey, int]:
        """Everything of one kind that somebody sent in one conversation, and the time it is noted for."""
        ...

    async def is_any(self, kind: str, conv_id: str) -> bool:
        """Whether there is anything of one kind in one conversation."""
        ...


class ConvDeletes(Protocol):
    """Up to where somebody deleted a conversation for themselves."""

    async def put(self, user_id: str, conv_id: str, seq: int, at: int) -> None:
        """Hide everything up to `seq`; it only rises."""
        ...

    async def of_user(self, user_id: str, conv_ids: Collection[str]) -> dict[str, int]:
        """Where these conversations begin for the user; 0 is possible and means: deleted while empty."""
        ...
