"""Judges a run: looks for every message in what the connections received, and counts what is wrong."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from loadtest.talk import DIGITS, Envelope, Talk, read_envelope
from loadtest.wire import TEXT, split

Tape = list[tuple[float, bytes]]
"""What one connection received: when, and which bytes."""

_EXAMPLES = 12


class Arrivals:
    """Which messages of a talk reached one place."""

    __slots__ = ("missing", "next")

    def __init__(self) -> None:
        self.next = 1
        self.missing: set[int] = set()

    def note(self, number: int) -> str | None:
        """Book an arrival and name what is wrong with it. A gap is wrong if it is never filled, or filled late."""
        if number == self.next:
            self.next += 1
            return None
        if number > self.next:
            self.missing.update(range(self.next, number))
            self.next = number + 1
            return None
        if number in self.missing:
            self.missing.discard(number)
            return "reordered"
        return "duplicate"

    def absent(self, sent: int) -> set[int]:
        """What has not arrived of the messages up to `sent`."""
        return self.missing | set(range(self.next, sent + 1))


class Ledger:
    """The sums of a run: counts and latencies (seconds) of the measured time by their names, problems of all of it.

    Counted is what ends in the measured time. With `by_due` the latencies are those of what was due in it, however late
    it came: else a server that falls behind would look good.
    """

    def __init__(self, start: float, end: float, *, by_due: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.times: dict[str, array[float]] = {}
        self.problems: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.examples: list[str] = []
        self.end = end
        self._start = start
        self._by_due = by_due

    def book(self, kind: str, now: float, since: float) -> None:
        """Something took from `since` to `now`."""
        is_in_time = self._start <= now < self.end
        self.counts[kind] += is_in_time
        if self._start <= since < self.end if self._by_due else is_in_time:
            self.times.setdefault(kind, array("d")).append(now - since)

    def blame(self, kind: str, detail: str, times: int = 1) -> None:
        """Something is not as promised; the first few are kept word by word."""
        self.problems[kind] += times
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {detail}")

    def refuse(self, code: str, detail: str) -> None:
        """The server said no, which is its right, but not what was asked for."""
        if not self.refused[code] and len(self.examples) < _EXAMPLES:
            self.examples.append(f"refused with {code}: {detail}")
        self.refused[code] += 1


class Place:
    """One connection: what it says itself, and what it is to hear of others."""

    __slots__ = ("arrivals", "hears", "own", "rest", "seqs", "tape")

    def __init__(self, tape: Tape, own: Sequence[Talk], hears: Sequence[Talk]) -> None:
        self.tape = tape
        self.own = {talk.prefix: talk for talk in own}
        self.hears = [talk for talk in hears if talk.prefix not in self.own]
        self.rest = b""
        self.seqs: dict[str, int] = {}  # the newest of each conversation
        self.arrivals = {talk.prefix: Arrivals() for talk in (*own, *hears)}


class Judge:
    """Everything about some conversations: each message is answered once, and heard once wherever it is to be heard.

    May be asked any number of times while the run goes on; what it has judged is gone from the tapes.
    """

    def __init__(self, ledger: Ledger, talks: Sequence[Talk], places: Sequence[Place]) -> None:
        self._ledger = ledger
        self._talks = {talk.prefix: talk for talk in talks}
        self._places = places
        self._seqs: dict[str, array[int]] = {talk.prefix: array("q") for talk in talks}
        self._refused: dict[str, set[int]] = {talk.prefix: set() for talk in talks}
        self._known: dict[bytes, list[Envelope]] = {}

    def judge(self) -> None:
        """Book what is on the tapes, and empty them."""
        self._known.clear()
        for place in self._places:
            for now, envelope in self._envelopes(place):
                if envelope.id is not None and envelope.action in ("ack", "error"):
                    self._answer(place, now, envelope)
                elif envelope.action == "message":
                    self._delivery(place, now, envelope)
            place.tape.clear()

    def is_complete(self) -> bool:
        """Whether what was answered has been heard wherever it is to be heard."""
        self.judge()
        return not any(numbers for _, numbers in self._unheard(self._unanswered()))

    def close(self) -> None:
        """Nothing more will come: what is missing now is lost."""
        self.judge()
        unanswered = self._unanswered()
        for prefix, numbers in unanswered.items():
            self._blame_absent(self._talks[prefix], "unanswered send", numbers)
        for talk, numbers in self._unheard(unanswered):
            self._blame_absent(talk, "lost delivery", numbers)
        for conv_id in {talk.conv_id for talk in self._talks.values()}:
            prefixes = [prefix for prefix, talk in self._talks.items() if talk.conv_id == conv_id]
            self._check_seqs(
                [self._seqs[prefix] for prefix in prefixes], sum(len(unanswered[each]) for each in prefixes)
            )

    def _unanswered(self) -> dict[str, set[int]]:
        """The messages of each talk that have no answer."""
        return {
            prefix: place.arrivals[prefix].absent(len(talk.sent_at))
            for place in self._places
            for prefix, talk in place.own.items()
        }

    def _unheard(self, unanswered: dict[str, set[int]]) -> Iterator[tuple[Talk, set[int]]]:
        """What each place has not heard of each talk. A message without an answer may have been stored or not: only its
        answer is missed."""
        for place in self._places:
            for talk in place.hears:
                absent = place.arrivals[talk.prefix].absent(len(talk.sent_at))
                yield talk, absent - self._refused[talk.prefix] - unanswered[talk.prefix]

    def _answer(self, place: Place, now: float, envelope: Envelope) -> None:
        data, number_of = envelope.data, envelope.id or ""
        talk = place.own.get(number_of[:-DIGITS])
        number = _number(talk, number_of) if talk is not None else 0
        if talk is None or not number:
            return self._ledger.blame("stray answer", f"{number_of} is {data}")
        problem = place.arrivals[talk.prefix].note(number)
        if envelope.action != "ack":
            self._refused[talk.prefix].add(number)
            self._ledger.refuse(data.code or envelope.action, data.message)
        elif not problem and (data.client_msg_id != number_of or data.conv_id != talk.conv_id):
            problem = "stray"
        elif not problem and not self._fits(talk, number, data.seq):
            problem = "wrong seq in"
        if problem:
            self._ledger.blame(f"{problem} ack", f"{number_of} is {data}")
        if problem != "duplicate" and envelope.action == "ack":
            self._ledger.book("message", now, talk.sent_at[number - 1])

    def _delivery(self, place: Place, now: float, envelope: Envelope) -> None:
        data = envelope.data
        talk = self._talks.get(data.client_msg_id[:-DIGITS])
        number = _number(talk, data.client_msg_id) if talk is not None and data.conv_id == talk.conv_id else 0
        if talk is not None and talk.prefix in place.own:
            return self._ledger.blame("delivery to its own sender", data.client_msg_id)
        if talk is None or not number or talk.prefix not in place.arrivals:
            return self._ledger.blame("stray delivery", str(data))
        problem = self._order(place, talk, number, data.seq)
        if problem:
            self._ledger.blame(f"{problem} delivery", str(data))
        if problem != "duplicate":
            self._ledger.book("delivery", now, talk.sent_at[number - 1])

    def _order(self, place: Place, talk: Talk, number: int, seq: int) -> str | None:
        """What is wrong with a delivery; the newest seq of its conversation is kept."""
        problem = place.arrivals[talk.prefix].note(number)
        newest = place.seqs.get(talk.conv_id, 0)
        if not problem and not self._fits(talk, number, seq):
            problem = "wrong seq in"
        elif not problem and seq <= newest:
            problem = "reordered"
        if not problem:
            place.seqs[talk.conv_id] = seq
        return problem

    def _fits(self, talk: Talk, number: int, seq: int) -> bool:
        """Whether everybody was told the same seq of this message; the first who is told it is believed."""
        seqs = self._seqs[talk.prefix]
        if len(seqs) < number:
            seqs.extend([0] * (number - len(seqs)))
        seqs[number - 1] = seqs[number - 1] or seq
        return seqs[number - 1] == seq

    def _check_seqs(self, told: list[array[int]], unanswered: int) -> None:
        """The conversation was new, and nobody else writes there: its seqs are 1, 2, 3 …, each talk's in its order."""
        for seqs in told:
            given = [seq for seq in seqs if seq]
            if given != sorted(given):
                self._ledger.blame("reordered seqs", f"a sender's messages are numbered {_first_fall(given)}")
        numbers = sorted(seq for seqs in told for seq in seqs if seq)
        twice = len(numbers) - len(set(numbers))
        if twice:
            self._ledger.blame("seq given twice", f"of {len(numbers)} messages", twice)
        missing = (numbers[-1] if numbers else 0) - len(set(numbers)) - unanswered
        if missing > 0:
            self._ledger.blame("gap in seqs", f"{len(numbers)} messages are numbered up to {numbers[-1]}", missing)

    def _blame_absent(self, talk: Talk, kind: str, numbers: set[int]) -> None:
        if numbers:
            self._ledger.blame(kind, f"{talk.prefix}{min(numbers):0{DIGITS}} …", len(numbers))

    def _envelopes(self, place: Place) -> Iterator[tuple[float, Envelope]]:
        """Everything readable on a tape. A message to many is the same bytes on each tape, and is read once."""
        for now, data in place.tape:
            known = None if place.rest else self._known.get(data)
            if known is None:
                frames, tail = split(place.rest + data)
                known = list(self._read(frames))
                if not place.rest and not tail:
                    self._known[data] = known
                place.rest = tail
            for envelope in known:
                yield now, envelope

    def _read(self, frames: list[tuple[int, bytes]]) -> Iterator[Envelope]:
        for text in (body for first, body in frames if first == TEXT):
            try:
                envelope = read_envelope(text)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                self._ledger.blame("unreadable frame", str(error))
                continue
            if envelope.action == "message":
                talk = self._talks.get(envelope.data.client_msg_id[:-DIGITS])
                if talk is not None and talk.payload not in text:
                    self._ledger.blame("corrupt delivery", envelope.data.client_msg_id)
            yield envelope


def _number(talk: Talk, client_msg_id: str) -> int:
    """The number of a message of this talk, 0 if the id is none of those sent."""
    digits = client_msg_id[-DIGITS:]
    if client_msg_id != talk.prefix + digits or not digits.isdecimal():
        return 0
    number = int(digits)
    return number if number <= len(talk.sent_at) else 0


def _first_fall(numbers: list[int]) -> str:
    """Where a list that should rise does not."""
    place = next(index for index, (one, two) in enumerate(pairwise(numbers)) if two < one)
    return f"… {numbers[place]}, {numbers[place + 1]} …"
