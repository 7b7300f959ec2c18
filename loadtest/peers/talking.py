"""People who talk by another protocol than ours: the same windows, rates, counts and judgements as in `talking`."""

from __future__ import annotations

import secrets
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import ClassVar, Self

from loadtest.idling import Idling
from loadtest.ledger import Arrivals, Ledger
from loadtest.plan import Conversation, Person
from loadtest.sockets import Link, Loop
from loadtest.talk import DIGITS
from loadtest.talking import Pace
from loadtest.work import Work

_SHOWN = 200


class Voice:
    """What one person says in one conversation. Message n has `prefix` and n as its id."""

    def __init__(self, window: int) -> None:
        self.prefix = f"{secrets.token_hex(4)}-"
        self.sent_at = array("d")
        self.answers = Arrivals()
        self.refused: set[int] = set()
        self.is_open = False
        self.answered = 0
        self.window = window
        self.latest_ms = 0.0

    def id_of(self, number: int) -> str:
        return f"{self.prefix}{number:0{DIGITS}}"


class Books:
    """What all people of a generator share: what happened so far, and the ledger once there is load."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter(message=0, delivery=0)
        self.ledger = Ledger(0.0, 0.0)


class Part:
    """One connection's part in a conversation: what it says itself, and which messages of the others it has heard."""

    def __init__(self, books: Books, voices: Sequence[Voice], own: Voice | None) -> None:
        self.own = own
        self.speak: Callable[[int], None] = lambda _: None
        self._books = books
        self._voices = {voice.prefix: voice for voice in voices if voice is not own}
        self._arrivals = {prefix: Arrivals() for prefix in self._voices}

    @classmethod
    def of_nobody(cls) -> Self:
        """Neither says nor hears anything."""
        return cls(Books(), [], None)

    def answered(self, number: int, now: float, refusal: str = "") -> None:
        """The server has taken a message of ours, or refused it."""
        voice = self.own
        if voice is None or not 0 < number <= len(voice.sent_at):
            return self._books.ledger.blame("stray answer", str(number))
        problem = voice.answers.note(number)
        if problem == "duplicate":
            return self._books.ledger.blame("duplicate ack", voice.id_of(number))
        if refusal:
            voice.refused.add(number)
            self._books.ledger.refuse(refusal, voice.id_of(number))
        else:
            self._books.done["message"] += 1
            self._books.ledger.book("message", now, voice.sent_at[number - 1])
        voice.answered += 1
        voice.latest_ms = (now - voice.sent_at[number - 1]) * 1000
        self.go_on(now)

    def heard(self, message_id: str, now: float, *, is_intact: bool) -> None:
        """A message of somebody else arrived."""
        voice = self._voices.get(message_id[:-DIGITS])
        digits = message_id[-DIGITS:]
        number = int(digits) if digits.isdecimal() else 0
        if voice is None or not 0 < number <= len(voice.sent_at):
            return self._books.ledger.blame("stray delivery", message_id)
        problem = self._arrivals[voice.prefix].note(number)
        if problem:
            self._books.ledger.blame(f"{problem} delivery", message_id)
        if not is_intact:
            self._books.ledger.blame("corrupt delivery", message_id)
        if problem != "duplicate":
            self._books.done["delivery"] += 1
            self._books.ledger.book("delivery", now, voice.sent_at[number - 1])

    def say(self, due_at: float) -> None:
        """One more message, whatever is under way."""
        assert self.own is not None
        self.own.sent_at.append(due_at)
        self.speak(len(self.own.sent_at))

    def go_on(self, now: float) -> None:
        """As many messages as the window allows."""
        voice = self.own
        while voice is not None and voice.is_open and len(voice.sent_at) - voice.answered < voice.window:
            self.say(now)

    def close(self) -> None:
        """Nothing more will come: what is missing now is lost."""
        if self.own is not None:
            self._blame("unanswered send", self.own, self.own.answers.absent(len(self.own.sent_at)))
        for voice in self._voices.values():
            self._blame("lost delivery", voice, self._unheard(voice))

    def is_complete(self) -> bool:
        """Whether what was answered of the others' has been heard."""
        return not any(map(self._unheard, self._voices.values()))

    def _unheard(self, voice: Voice) -> set[int]:
        unsure = voice.refused | voice.answers.absent(len(voice.sent_at))
        return self._arrivals[voice.prefix].absent(len(voice.sent_at)) - unsure

    def _blame(self, kind: str, voice: Voice, numbers: set[int]) -> None:
        if numbers:
            self._books.ledger.blame(kind, f"{voice.id_of(min(numbers))} …", len(numbers))


class Client(Link):
    """One connection of a person; `loop.opened` counts it when it is ready to speak and hear."""

    def __init__(self, loop: Loop, person: Person, address: dict[str, str], text: str, part: Part) -> None:
        self.person = person
        self.part = part
        self.opened_at = 0.0
        self.address = address
        self.text = text
        part.speak = self.send
        super().__init__(loop)

    def send(self, number: int) -> None:
        """Send a message of our voice."""
        raise NotImplementedError

    def ready(self) -> None:
        self.opened_at = self.loop.now
        self.loop.opened += 1


class PeerTalking(Work):
    """Lets everybody speak within their window or at a fixed rate, waits for the last delivery, and judges."""

    client: ClassVar[type[Client]]

    def prepare(self) -> None:
        self._books = Books()
        self._clients: list[Client] = []
        self.connect(opening for one in self.plan.conversations for opening in self._openings(one))
        self.wait(self.plan.rest)
        self._speaking = [each.part for each in self._clients if each.part.own is not None]
        self._voices = [part.own for part in self._speaking if part.own is not None]

    def begin(self, at: float) -> None:
        self._books.ledger = self.ledger
        self._books.done.clear()
        if self.plan.rate:
            self.loop.alarm = Pace([part.say for part in self._speaking], self.plan.rate, at + self.plan.offset)
            return
        for part, voice in zip(self._speaking, self._voices, strict=True):
            voice.is_open = True
            part.go_on(perf_counter())

    def counts(self) -> dict[str, int]:
        return {name: self._books.done[name] for name in ("message", "delivery")}

    def done(self) -> int:
        return sum(voice.answered for voice in self._voices)  # a server that refuses everything has answered, too

    def latest_ms(self) -> list[float]:
        return [round(voice.latest_ms, 3) for voice in self._voices[:_SHOWN]]

    def finish(self) -> None:
        self.loop.alarm = None
        for voice in self._voices:
            voice.is_open = False
        self.loop.turn_until(lambda _: all(v.answered >= len(v.sent_at) for v in self._voices), self.plan.patience)
        self.loop.turn_until(lambda _: False, self.plan.rest)
        self.loop.turn_until(lambda _: all(each.part.is_complete() for each in self._clients), self.plan.patience)
        for client in self._clients:
            client.part.close()
        self.acknowledged = self._books.done["message"]

    def _openings(self, one: Conversation) -> Iterator[Callable[[], object]]:
        window = 0 if self.plan.rate else self.plan.window
        voices = [Voice(window) for _ in one.speakers]
        for person, voice in zip(one.speakers, voices, strict=True):
            yield partial(self._open, person, one.address, Part(self._books, voices, voice))
        for person in one.hearers:
            yield partial(self._open, person, one.address, Part(self._books, voices, None))

    def _open(self, person: Person, address: dict[str, str], part: Part) -> None:
        self._clients.append(self.client(self.loop, person, address, "x" * self.plan.text_bytes, part))


class PeerIdling(Idling):
    """Connects everybody, and holds them for a while; what is said to them then is of no interest."""

    client: ClassVar[type[Client]]

    def open(self, person: Person) -> Client:
        return self.client(self.loop, person, {}, "", Part.of_nobody())
