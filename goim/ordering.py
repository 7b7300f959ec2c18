"""Keeps the pushes of a conversation in order on a node that is not alone: each once, none before the one it follows.

Messages of one conversation are stored by several nodes and come by several ways, so a later one may be here first.
No socket, no clock, no store: what is missing is asked for through `on_gap` and brought by `fill`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from goim.model.conversations import Conversation, ConvType, c2c, of_group
from goim.protocol.frames import Frame, framed

MOST_HELD = 256
"""So many pushes of one conversation wait for an earlier one; those beyond are read from the log."""
FOLLOWS = -1
"""In place of the number of a change: the push has none, but must not come before the message it is about."""
UNKNOWN = -1
"""In place of the last number delivered: nothing was yet, so whatever comes is the first."""

Send = Callable[[Conversation, Frame, object, int], None]
"""Sends what is about the message of a seq to every connection of this node that is in a conversation, except one."""


class Placed(Struct, frozen=True, array_like=True):
    """A push with its place in its conversation, as one node tells another.

    Of a message `seq` is its own and `change` 0; of a change `seq` is that of the message it is about. Without a
    `body` it only says that the message is there.
    """

    conv_id: str
    user_a: str
    user_b: str
    group_id: str
    seq: int
    change: int
    body: bytes

    @property
    def conv(self) -> Conversation:
        """The conversation as far as telling needs it."""
        if self.group_id:
            return of_group(self.group_id)
        return c2c(self.user_a, self.user_b, conv_id=self.conv_id)


_encode = msgspec.msgpack.Encoder().encode
decode_placed = msgspec.msgpack.Decoder(Placed).decode


def encode_placed(conv: Conversation, seq: int, change: int, body: bytes) -> bytes:
    """A push as it goes over the bus; it begins unlike an envelope."""
    return _encode(Placed(conv.conv_id, conv.user_a, conv.user_b, conv.group_id, seq, change, body))


class _Held(NamedTuple):
    """A push that came before one it follows; `seq` is that of the message it is about."""

    seq: int
    frame: Frame
    but: object


class Missing(NamedTuple):
    """What to read from the log: seqs and changes after the first and up to the second number of each pair."""

    conv: Conversation
    after_seq: int
    last_seq: int
    after_change: int
    last_change: int


class Filled(NamedTuple):
    """A push read from the log; `number` is its seq, or that of the change."""

    number: int
    seq: int
    frame: Frame
    but: object = None


class _Lane:
    """How far a conversation was delivered here, and what waits.

    `change_before` is what the last change was when somebody looked: those after it were not delivered if none was.
    """

    __slots__ = (
        "change",
        "change_before",
        "changes",
        "conv",
        "followers",
        "is_waiting",
        "messages",
        "seq",
        "top_change",
        "top_seq",
    )

    def __init__(self, conv: Conversation) -> None:
        self.conv = conv
        self.seq = self.change = self.change_before = UNKNOWN
        self.top_seq = self.top_change = UNKNOWN  # the greatest that are known to exist
        self.messages: dict[int, _Held] = {}
        self.changes: dict[int, _Held] = {}
        self.followers: list[_Held] = []
        self.is_waiting = False

    @property
    def is_complete(self) -> bool:
        return self.seq >= self.top_seq and self.change >= self.top_change


class Lanes:
    """A lane for each conversation that was delivered here and has connections here.

    The first push of a conversation goes out whatever its number: a connection finds what came before by `sync`.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lanes: dict[str, _Lane] = {}
        self._of_user: dict[str, set[str]] = {}
        self.on_gap: Callable[[str], object] = _ignore
        self.on_open: Callable[[str], object] = _ignore
        self.on_seq: Callable[[str, int], object] = _ignore

    def __len__(self) -> int:
        return len(self._lanes)

    def offer(self, conv: Conversation, seq: int, change: int, frame: Frame, but: object = None) -> None:
        """Send a push at once if it is the next, hold it if it is early, drop it if it was sent already."""
        lane = self._lanes.get(conv.conv_id) or self._open(conv)
        if change == 0:
            self._offer_message(lane, seq, frame, but)
        elif change == FOLLOWS:
            self._offer_follower(lane, seq, frame, but)
        else:
            self._offer_change(lane, seq, change, frame, but)

    def take(self, placed: Placed) -> None:
        """The same for what another node published."""
        if placed.change == 0:
            self.on_seq(placed.conv_id, placed.seq)
        lane = self._lanes.get(placed.conv_id)
        conv = placed.conv if lane is None else lane.conv
        if not placed.body:
            return self.remind(conv, placed.seq)
        return self.offer(conv, placed.seq, placed.change, framed(placed.body))

    def _offer_message(self, lane: _Lane, seq: int, frame: Frame, but: object) -> None:
        if lane.seq == UNKNOWN or seq == lane.seq + 1:
            lane.seq = seq
            self._send(lane.conv, frame, but, seq)
            if lane.is_waiting:
                self._release(lane)
        elif seq > lane.seq:
            lane.top_seq = max(lane.top_seq, seq)
            if len(lane.messages) < MOST_HELD:
                lane.messages.setdefault(seq, _Held(seq, frame, but))
            self._wait(lane)

    def _offer_change(self, lane: _Lane, seq: int, change: int, frame: Frame, but: object) -> None:
        if lane.change == UNKNOWN:
            lane.change = change - 1
        if change == lane.change + 1 and _is_after(lane, seq):
            lane.change = change
            self._send(lane.conv, frame, but, seq)
            if lane.is_waiting:
                self._release(lane)
        elif change > lane.change:
            lane.top_change = max(lane.top_change, change)
            if lane.seq != UNKNOWN:  # else no message is missing: what came before a conversation's beginning is not
                lane.top_seq = max(lane.top_seq, seq)
            if len(lane.changes) < MOST_HELD:
                lane.changes.setdefault(change, _Held(seq, frame, but))
            self._wait(lane)

    def _offer_follower(self, lane: _Lane, seq: int, frame: Frame, but: object) -> None:
        if _is_after(lane, seq):
            return self._send(lane.conv, frame, but, seq)
        lane.top_seq = max(lane.top_seq, seq)
        if len(lane.followers) < MOST_HELD:
            lane.followers.append(_Held(seq, frame, but))
        return self._wait(lane)

    def _wait(self, lane: _Lane) -> None:
        if not lane.is_waiting:
            lane.is_waiting = True
            self.on_gap(lane.conv.conv_id)

    def _release(self, lane: _Lane) -> None:
        """Send what waited for what has just been sent."""
        while (held := lane.messages.pop(lane.seq + 1, None)) is not None:
            lane.seq += 1
            self._send(lane.conv, held.frame, held.but, held.seq)
        while (held := lane.changes.get(lane.change + 1)) is not None and _is_after(lane, held.seq):
            lane.change += 1
            del lane.changes[lane.change]
            self._send(lane.conv, held.frame, held.but, held.seq)
        for held in [each for each in lane.followers if _is_after(lane, each.seq)]:
            lane.followers.remove(held)
            self._send(lane.conv, held.frame, held.but, held.seq)
        lane.is_waiting = not lane.is_complete

    # what is missing

    def missing(self, conv_id: str) -> Missing | None:
        """What must come before anything that waits in a conversation; None if nothing waits any more."""
        lane = self._lanes.get(conv_id)
        if lane is None or not lane.is_waiting:
            return None
        last_seq = min(lane.messages, default=lane.top_seq + 1) - 1
        last_change = min(lane.changes, default=lane.top_change + 1) - 1
        return Missing(lane.conv, lane.seq, last_seq, lane.change, last_change)

    def fill(self, conv_id: str, rows: Iterable[Filled], last_seq: int) -> None:
        """Send messages read from the log; there are no others up to `last_seq`."""
        lane = self._lanes.get(conv_id)
        if lane is None:
            return  # nobody is left here
        for row in rows:
            if row.number > lane.seq:
                lane.seq = row.number
                self._send(lane.conv, row.frame, _but(row, lane.messages), row.seq)
        self._reached(lane, max(lane.seq, last_seq), lane.change)

    def fill_changes(self, conv_id: str, rows: Sequence[Filled], last_change: int) -> None:
        """Send changes read from the log, once the messages they are about are filled."""
        lane = self._lanes.get(conv_id)
        if lane is None:
            return
        for row in rows:
            if row.number <= lane.change:
                continue
            if not _is_after(lane, row.seq):  # its message was stored after the messages were read
                lane.top_seq = max(lane.top_seq, row.seq)
                lane.top_change = max(lane.top_change, row.number)
                lane.changes.setdefault(row.number, _Held(row.seq, row.frame, row.but))
                last_change = min(last_change, row.number - 1)
                break
            lane.change = row.number
            self._send(lane.conv, row.frame, _but(row, lane.changes), row.seq)
        self._reached(lane, lane.seq, max(lane.change, last_change))

    def _reached(self, lane: _Lane, seq: int, change: int) -> None:
        lane.seq, lane.change = seq, change
        for number in [number for number in lane.messages if number <= seq]:
            del lane.messages[number]
        for number in [number for number in lane.changes if number <= change]:
            del lane.changes[number]
        was_waiting = lane.is_waiting
        self._release(lane)
        if lane.is_waiting and not was_waiting:
            self.on_gap(lane.conv.conv_id)

    def all(self) -> list[Conversation]:
        """Every conversation that was delivered to somebody who is still here."""
        return [lane.conv for lane in self._lanes.values()]

    def knows(self, conv_id: str) -> bool:
        """Whether messages of a conversation were delivered to those who are here."""
        lane = self._lanes.get(conv_id)
        return lane is not None and lane.seq != UNKNOWN

    def remind(self, conv: Conversation, seq: int) -> None:
        """Message `seq` is in the log: if it was not delivered here, it is missing."""
        self.begin(conv, seq - 1)
        self.expect(conv.conv_id, seq, UNKNOWN)

    def begin(self, conv: Conversation, seq: int) -> None:
        """Deliver what comes after message `seq`, unless the conversation has begun here by itself."""
        lane = self._lanes.get(conv.conv_id) or self._open(conv)
        if lane.seq == UNKNOWN:
            lane.seq = seq

    def looked(self, conv_id: str, last_change: int) -> None:
        """This was the last change when somebody looked, some time after the conversation began here."""
        lane = self._lanes.get(conv_id)
        if lane is not None and lane.change_before == UNKNOWN:
            lane.change_before = last_change

    def expect(self, conv_id: str, last_seq: int, last_change: int) -> None:
        """The log goes at least so far: what was not delivered of it is missing."""
        lane = self._lanes.get(conv_id)
        if lane is None:
            return
        if lane.change == UNKNOWN and last_change > lane.change_before != UNKNOWN:
            lane.change = lane.change_before
        if lane.seq != UNKNOWN:
            lane.top_seq = max(lane.top_seq, last_seq)
        if lane.change != UNKNOWN:
            lane.top_change = max(lane.top_change, last_change)
        if not lane.is_complete:
            self._wait(lane)

    # as long as there is somebody

    def _open(self, conv: Conversation) -> _Lane:
        lane = self._lanes[conv.conv_id] = _Lane(conv)
        if conv.conv_type is ConvType.C2C:
            for user_id in (conv.user_a, conv.user_b):
                self._of_user.setdefault(user_id, set()).add(conv.conv_id)
        self.on_open(conv.conv_id)
        return lane

    def user_left(self, user_id: str, is_here: Callable[[str], bool]) -> None:
        """The last connection of a user is gone: forget their conversations with people who are not here either."""
        for conv_id in list(self._of_user.get(user_id, ())):
            conv = self._lanes[conv_id].conv
            if not is_here(conv.peer_of(user_id)):
                self._close(conv)

    def group_left(self, group_id: str) -> None:
        """The last connection of a group's members is gone."""
        self._lanes.pop(f"group:{group_id}", None)

    def _close(self, conv: Conversation) -> None:
        del self._lanes[conv.conv_id]
        for user_id in (conv.user_a, conv.user_b):
            mine = self._of_user[user_id]
            mine.discard(conv.conv_id)
            if not mine:
                del self._of_user[user_id]


def _but(row: Filled, waiting: Mapping[int, _Held]) -> object:
    """Who is not sent it: what was told while it was read from the log, and waits, knows that better."""
    held = waiting.get(row.number)
    return row.but if held is None else held.but


def _is_after(lane: _Lane, seq: int) -> bool:
    return lane.seq == UNKNOWN or seq <= lane.seq


def _ignore(*_: object) -> None:
    pass
