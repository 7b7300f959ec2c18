"""Judges a run when it is over: looks for every message in what the connections received, counts what is wrong."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

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
    """The sums of a run: messages, deliveries and latencies (ms) of the measured time, problems of all of it."""

    def __init__(self, start: float, end: float) -> None:
        self.messages = 0
        self.deliveries = 0
        self.ack_ms: list[float] = []
        self.delivery_ms: list[float] = []
        self.problems: Counter[str] = Counter()
        self.examples: list[str] = []
        self._start = start
        self._end = end
        self._known: dict[bytes, list[Envelope]] = {}

    def blame(self, kind: str, detail: str, times: int = 1) -> None:
        """Something is not as promised; the first few are kept word by word."""
        self.problems[kind] += times
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{kind}: {detail}")

    def judge(self, talk: Talk, spoken: Tape, heard: Sequence[Tape]) -> None:
        """Book a talk from the tapes of its speaker and of its hearers."""
        self._known.clear()
        answers, refused = self._judge_answers(talk, spoken)
        unanswered = answers.absent(len(talk.sent_at))
        self._blame_absent(talk, "unanswered send", unanswered)
        for tape in heard:
            arrivals = self._judge_deliveries(talk, tape, refused)
            # a message without an answer may have been stored or not: only its answer is missed
            lost = arrivals.absent(len(talk.sent_at)).difference(refused, unanswered)
            self._blame_absent(talk, "lost delivery", lost)

    def _judge_answers(self, talk: Talk, tape: Tape) -> tuple[Arrivals, list[int]]:
        """What was answered, and which numbers with an error."""
        answers, refused = Arrivals(), []
        for now, envelope in self._envelopes(tape, talk.payload):
            if envelope.id is None:
                if envelope.action == "message":
                    self.blame("delivery to its own sender", envelope.data.client_msg_id)
                continue
            number = _number(talk, talk.prefix + envelope.id)
            problem = answers.note(number) if number else "stray"
            if envelope.action != "ack":
                refused.append(number)
                self.blame(f"error {envelope.data.code or envelope.action}", envelope.data.message)
            elif not problem:
                problem = self._wrong_in_ack(talk, number, envelope, refused)
            if problem:
                self.blame(f"{problem} ack", f"{envelope.id} is {envelope.data}")
            if number and problem != "duplicate" and self._start <= now < self._end:
                self.messages += 1
                self.ack_ms.append((now - talk.sent_at[number - 1]) * 1000)
        return answers, refused

    def _judge_deliveries(self, talk: Talk, tape: Tape, refused: list[int]) -> Arrivals:
        arrivals = Arrivals()
        for now, envelope in self._envelopes(tape, talk.payload):
            if envelope.action != "message":
                continue
            data = envelope.data
            number = _number(talk, data.client_msg_id) if data.conv_id == talk.conv_id else 0
            problem = arrivals.note(number) if number else "stray"
            if not problem and data.seq != _seq_of(number, refused):
                problem = "wrong seq in"
            if problem:
                self.blame(f"{problem} delivery", str(data))
            if number and problem != "duplicate" and self._start <= now < self._end:
                self.deliveries += 1
                self.delivery_ms.append((now - talk.sent_at[number - 1]) * 1000)
        return arrivals

    def _wrong_in_ack(self, talk: Talk, number: int, envelope: Envelope, refused: list[int]) -> str | None:
        data = envelope.data
        if data.client_msg_id[-DIGITS:] != envelope.id or data.conv_id != talk.conv_id:
            return "stray"
        return None if data.seq == _seq_of(number, refused) else "wrong seq in"

    def _blame_absent(self, talk: Talk, kind: str, numbers: set[int]) -> None:
        if numbers:
            self.blame(kind, f"{talk.prefix}{min(numbers):0{DIGITS}} …", len(numbers))

    def _envelopes(self, tape: Tape, payload: bytes) -> Iterator[tuple[float, Envelope]]:
        """Everything readable on a tape. A message to many is the same bytes on each tape, and is read once."""
        rest = b""
        for now, data in tape:
            known = None if rest else self._known.get(data)
            if known is None:
                frames, tail = split(rest + data)
                known = list(self._read(frames, payload))
                if not rest and not tail:
                    self._known[data] = known
                rest = tail
            for envelope in known:
                yield now, envelope

    def _read(self, frames: list[tuple[int, bytes]], payload: bytes) -> Iterator[Envelope]:
        for text in (body for first, body in frames if first == TEXT):
            try:
                envelope = read_envelope(text)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                self.blame("unreadable frame", str(error))
                continue
            if envelope.action == "message" and payload not in text:
                self.blame("corrupt delivery", envelope.data.client_msg_id)
            yield envelope


def _number(talk: Talk, client_msg_id: str) -> int:
    """The number of a message of this talk, 0 if the id is none of those sent."""
    digits = client_msg_id[-DIGITS:]
    if client_msg_id != talk.prefix + digits or not digits.isdecimal():
        return 0
    number = int(digits)
    return number if number <= len(talk.sent_at) else 0


def _seq_of(number: int, refused: list[int]) -> int:
    """Only one speaker writes to a conversation that was new: its seqs are the numbers, but for the refused ones."""
    return number - bisect_left(refused, number) if refused else number
