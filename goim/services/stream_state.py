"""What a node knows of the streams that are fed through it."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import msgspec
from msgspec import Struct

from goim.errors import ErrorCode, GoimError
from goim.model.conversations import Conversation
from goim.model.messages import MessageRow, SentKey

_RETRY_MS = 1000


class Live(Struct):
    """A stream under way. `full_at` is its token bucket, `gone_since` when its owner's last connection went.

    `is_found`: taken up where another node left it, and not fed here since. Other nodes may have taken it up, too.
    """

    conv: Conversation
    row: MessageRow
    parts: list[str]
    size: int
    index: int = 0
    is_saved: bool = True
    is_found: bool = False
    full_at: float = 0.0
    gone_since: float | None = None
    writing: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    """Held while its row is written: what is saved must not come after the end."""

    @property
    def owner(self) -> str:
        return self.row.from_user_id

    @property
    def key(self) -> SentKey:
        return (self.conv.conv_id, self.row.from_user_id, self.row.client_msg_id)

    @property
    def text(self) -> str:
        """Everything so far."""
        if len(self.parts) > 1:
            self.parts = ["".join(self.parts)]
        return self.parts[0]


class Over(Struct, frozen=True):
    """A stream that has ended, remembered for a while: its owner is told so, others see nothing."""

    conv: Conversation
    seq: int
    owner: str
    is_recalled: bool


class LiveStreams:
    """By the id of the stream, and by its owner: the ids of all that one has, with the names of their messages."""

    def __init__(self, most_of_one: int) -> None:
        self.by_id: dict[str, Live] = {}
        self._of: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._most_of_one = most_of_one

    def check_room(self, owner: str, client_msg_id: str | None) -> None:
        """`RATE_LIMIT` if somebody has as many as one may have; one that was begun before may be begun again."""
        mine = self._of.get(owner, {})
        if len(mine) >= self._most_of_one and client_msg_id not in mine.values():
            raise GoimError(
                ErrorCode.RATE_LIMIT,
                f"at most {self._most_of_one} streams at the same time; end one",
                retry_after_ms=_RETRY_MS,
            )

    def put(self, stream_id: str, live: Live) -> None:
        self.by_id[stream_id] = live
        self._of[live.owner][stream_id] = live.row.client_msg_id

    def pop(self, stream_id: str) -> Live | None:
        """Let go of a stream, if it is there."""
        live = self.by_id.pop(stream_id, None)
        if live is not None:
            del self._of[live.owner][stream_id]
            if not self._of[live.owner]:
                del self._of[live.owner]
        return live
