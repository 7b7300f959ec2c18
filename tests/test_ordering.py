"""Whatever order pushes arrive in, each goes out once and in its place."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goim.model.conversations import Conversation, c2c, of_group
from goim.ordering import FOLLOWS, MOST_HELD, Filled, Lanes, Missing, Placed, decode_placed, encode_placed
from goim.protocol.frames import Frame, body_of, framed
from tests.thinking import UNHURRIED

CONV = c2c("ann", "bob")

Event = tuple[int, int]
"""(seq, change): a message if change is 0, else a change of that message, or a follower."""


class Desk:
    """Lanes whose gaps are filled from a log that has everything."""

    def __init__(self, log: Sequence[Event] = ()) -> None:
        self.lanes = Lanes(self._sent)
        self.lanes.on_gap = self._gap
        self.sent: list[Event] = []
        self.gaps = 0
        self._log = log

    def _sent(self, conv: Conversation, frame: Frame, but: object, about: int) -> None:
        seq, change = body_of(frame).decode().split()
        assert about == int(seq)
        self.sent.append((int(seq), int(change)))

    def _gap(self, conv_id: str) -> None:
        self.gaps += 1

    def offer(self, event: Event) -> None:
        self.lanes.offer(CONV, *event, frame_for(event))

    def fill(self) -> None:
        """Read the log until nothing is missing, as `CatchUp` does."""
        for _ in range(1000):
            missing = self.lanes.missing(CONV.conv_id)
            if missing is None:
                return
            self._read(missing)
        raise AssertionError("there is no end of missing")

    def _read(self, missing: Missing) -> None:
        if missing.last_seq > missing.after_seq:
            rows = [e for e in self._log if e[1] == 0 and missing.after_seq < e[0] <= missing.last_seq]
            self.lanes.fill(CONV.conv_id, [Filled(e[0], e[0], frame_for(e)) for e in rows], missing.last_seq)
        if missing.last_change > missing.after_change:
            rows = [e for e in self._log if missing.after_change < e[1] <= missing.last_change]
            filled = [Filled(e[1], e[0], frame_for(e)) for e in rows]
            self.lanes.fill_changes(CONV.conv_id, filled, missing.last_change)

    @property
    def seqs(self) -> list[int]:
        return [seq for seq, change in self.sent if change == 0]

    @property
    def changes(self) -> list[int]:
        return [change for _, change in self.sent if change > 0]


def frame_for(event: Event) -> Frame:
    return framed(f"{event[0]} {event[1]}".encode())


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """A log: messages 1…n, and changes 1…m, each of a message that was there before it."""
    log: list[Event] = [(1, 0)]
    changes = 0
    for is_message in draw(st.lists(st.booleans(), max_size=24)):
        newest = max(seq for seq, _ in log)
        if is_message:
            log.append((newest + 1, 0))
        else:
            changes += 1
            log.append((draw(st.integers(1, newest)), changes))
    return log


@settings(UNHURRIED, max_examples=300)
@given(log=histories(), data=st.data())
def test_whatever_comes_late_twice_or_never_each_goes_out_once_and_in_order(
    log: list[Event], data: st.DataObject
) -> None:
    desk = Desk(log)
    desk.offer(log[0])  # where this node begins
    rest = log[1:]
    arriving = data.draw(st.permutations(rest + data.draw(st.lists(st.sampled_from(log), max_size=8))))
    lost = data.draw(st.sets(st.sampled_from(log), max_size=len(log)))
    for event in arriving:
        if event not in lost:
            desk.offer(event)
        if data.draw(st.booleans()):
            desk.fill()
    desk.lanes.looked(CONV.conv_id, 0)
    desk.lanes.expect(CONV.conv_id, max(seq for seq, _ in log), max(change for _, change in log))
    desk.fill()
    assert desk.seqs == list(range(1, max(seq for seq, _ in log) + 1))
    assert desk.changes == sorted(set(desk.changes)), "a change came twice or out of order"
    if desk.changes:
        assert desk.changes == list(range(desk.changes[0], max(change for _, change in log) + 1))
    for place, (seq, change) in enumerate(desk.sent):
        if change > 0:
            assert (seq, 0) in desk.sent[:place], "a change came before its message"


def test_what_is_next_goes_out_at_once_and_asks_for_nothing() -> None:
    desk = Desk()
    for seq in (7, 8, 9):
        desk.offer((seq, 0))
    assert desk.seqs == [7, 8, 9]
    assert desk.gaps == 0
    assert desk.lanes.missing(CONV.conv_id) is None


def test_an_early_message_waits_for_the_one_before_it() -> None:
    desk = Desk()
    desk.offer((1, 0))
    desk.offer((3, 0))
    assert (desk.seqs, desk.gaps) == ([1], 1)
    desk.offer((2, 0))
    assert desk.seqs == [1, 2, 3]
    assert desk.lanes.missing(CONV.conv_id) is None


def test_only_what_lies_in_between_is_asked_for() -> None:
    desk = Desk([(seq, 0) for seq in range(1, 9)])
    for seq in (1, 5, 6, 8):
        desk.offer((seq, 0))
    assert desk.lanes.missing(CONV.conv_id) == Missing(CONV, 1, 4, -1, -1)
    desk.fill()
    assert desk.seqs == list(range(1, 9))
    assert desk.gaps == 1


def test_messages_that_have_expired_are_not_waited_for() -> None:
    desk = Desk([(1, 0), (4, 0)])
    desk.offer((1, 0))
    desk.offer((4, 0))
    desk.fill()
    assert desk.seqs == [1, 4]
    desk.offer((3, 0))
    assert desk.seqs == [1, 4]


def test_what_follows_a_message_does_not_come_before_it() -> None:
    desk = Desk([(1, 0), (2, 0)])
    desk.offer((1, 0))
    desk.offer((2, FOLLOWS))
    assert desk.sent == [(1, 0)]
    desk.offer((2, 0))
    assert desk.sent == [(1, 0), (2, 0), (2, FOLLOWS)]


def test_a_gap_of_any_size_costs_a_bounded_memory_and_loses_nothing() -> None:
    everything = [(seq, 0) for seq in range(1, 2 * MOST_HELD)]
    desk = Desk(everything)
    desk.offer((1, 0))
    for seq in range(3, 2 * MOST_HELD):
        desk.offer((seq, 0))
    assert len(desk.lanes._lanes[CONV.conv_id].messages) == MOST_HELD
    desk.fill()
    assert desk.sent == everything


def test_a_reminder_of_what_was_told_changes_nothing_and_else_it_is_read() -> None:
    desk = Desk([(1, 0), (2, 0)])
    desk.lanes.remind(CONV, 1)
    desk.fill()
    assert desk.seqs == [1]
    desk.lanes.remind(CONV, 1)
    assert desk.lanes.missing(CONV.conv_id) is None
    desk.lanes.remind(CONV, 2)
    desk.fill()
    assert desk.seqs == [1, 2]


def test_a_conversation_is_forgotten_with_its_last_connection() -> None:
    lanes = Lanes(lambda conv, frame, but, seq: None)
    pairs = [c2c("ann", f"friend{n}") for n in range(20)]
    for conv in [*pairs, of_group("g")]:
        lanes.offer(conv, 1, 0, frame_for((1, 0)))
    lanes.user_left("ann", {"friend7"}.__contains__)
    assert [conv.conv_id for conv in lanes.all()] == [pairs[7].conv_id, "group:g"]
    lanes.user_left("friend7", lambda user_id: False)
    lanes.group_left("g")
    assert len(lanes) == 0
    assert not lanes._of_user


@pytest.mark.parametrize("conv", [c2c("ann", "bob"), c2c("ann", "bob", conv_id="c1"), of_group("g")])
def test_a_placed_push_arrives_as_it_was_sent(conv: Conversation) -> None:
    body = random.randbytes(1000)
    placed = decode_placed(encode_placed(conv, 1 << 40, 7, body))
    assert placed == Placed(conv.conv_id, conv.user_a, conv.user_b, conv.group_id, 1 << 40, 7, body)
    assert placed.conv == conv
    assert encode_placed(conv, 1, 0, b"")[:1] not in (b"{", b"\0")


def test_where_only_changes_were_seen_no_message_from_before_is_missing() -> None:
    """A conversation that begins here with a change of an old message must not bring its whole history."""
    log = [*((seq, 0) for seq in range(1, 21)), (20, 1), (20, 2), (20, 3)]
    desk = Desk(log)
    desk.offer((20, 1))
    desk.offer((20, 3))
    desk.fill()
    assert desk.sent == [(20, 1), (20, 2), (20, 3)]


@pytest.mark.parametrize("is_change", [False, True])
def test_who_sent_what_is_told_while_it_is_read_from_the_log_is_not_pushed_it(is_change: bool) -> None:
    """5 is missing; while it and 6 are read, 6 turns out to be of somebody who is answered here."""
    sent: list[tuple[bytes, object]] = []
    lanes = Lanes(lambda _, frame, but, seq: sent.append((body_of(frame), but)))

    def place(number: int) -> Event:
        return (1, number) if is_change else (number, 0)

    if is_change:
        lanes.offer(CONV, 1, 0, frame_for((1, 0)))
    lanes.offer(CONV, *place(4), frame_for(place(4)))
    lanes.offer(CONV, *place(7), frame_for(place(7)))
    lanes.offer(CONV, *place(6), frame_for(place(6)), "me")
    rows = [Filled(number, place(number)[0], frame_for(place(number))) for number in (5, 6)]
    (lanes.fill_changes if is_change else lanes.fill)(CONV.conv_id, rows, 6)
    assert sent[-4:] == [(body_of(frame_for(place(n))), "me" if n == 6 else None) for n in (4, 5, 6, 7)]
