"""People who send messages and people who hear them: in pairs, in groups, one to many."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter

from loadtest.connections import Connection, Crowd, Hearer, Speaker
from loadtest.errors import Refused
from loadtest.ledger import Judge, Place
from loadtest.plan import Conversation, Person, Plan
from loadtest.sockets import Loop
from loadtest.talk import Talk
from loadtest.work import Work

_SHOWN = 200  # as many of the newest latencies are looked at while it runs
_BYTES_OF_A_READ, _BYTES_OF_A_SHARED_READ = 450, 100
_RATE_LIMITED = 50  # refusals that are no accident
_MOST_AT_ONCE = 256

LIMIT_HINT = "start it with IM_WS_SEND_QPS=1000000 IM_WS_SEND_BURST=1000000, or offer less: --rate"


class Exchange:
    """A conversation and its connections. A speaker connects first: the others of a crowd lead back to it."""

    def __init__(self, plan: Plan, loop: Loop, conversation: Conversation) -> None:
        self.speakers: list[Speaker] = []
        self.hearers: list[Connection] = []
        self._plan = plan
        self._loop = loop
        self._conversation = conversation
        self._crowd: Crowd | None = None

    def openings(self) -> Iterator[Callable[[], object]]:
        """What opens the connections, one each."""
        for person in self._conversation.speakers:
            yield partial(self._open_speaker, person)
        for person in self._conversation.hearers:
            yield partial(self._open_hearer, person)

    @property
    def talks(self) -> list[Talk]:
        return [speaker.talk for speaker in self.speakers]

    @property
    def connections(self) -> list[Connection]:
        return [*self.speakers, *self.hearers]

    def places(self) -> list[Place]:
        """The connections as they are judged."""
        talks = self.talks
        speaking = [Place(each.tape, [each.talk], talks) for each in self.speakers]
        return speaking + [Place(each.tape, [], talks) for each in self.hearers]

    def _open_speaker(self, person: Person) -> None:
        plan, one = self._plan, self._conversation
        talk = Talk(
            one.address,
            f"{secrets.token_hex(4)}-",
            "x" * plan.text_bytes,
            hearers=len(one.hearers),
            window=0 if plan.rate else plan.window,
            until_heard=plan.until_heard and not plan.rate,
        )
        self.speakers.append(Speaker(self._loop, person, talk))

    def _open_hearer(self, person: Person) -> None:
        if self._plan.until_heard and not self._plan.rate:
            self._crowd = self._crowd or Crowd(self.speakers[0])
            self.hearers.append(Hearer(self._loop, person, self._crowd))
        else:
            self.hearers.append(Connection(self._loop, person))


class Pace:
    """Gives everybody in turn a moment to say something, at a fixed rate, whatever comes back; told when it was due."""

    def __init__(self, turns: Sequence[Callable[[float], None]], rate: float, start: float) -> None:
        self._turns = turns
        self._rate = rate
        self._start = start
        self._sent = 0

    def __call__(self, now: float) -> float:
        due_at = self._start + self._sent / self._rate
        for _ in range(_MOST_AT_ONCE):
            if due_at > now:
                break
            self._turns[self._sent % len(self._turns)](due_at)
            self._sent += 1
            due_at = self._start + self._sent / self._rate
        return due_at


class Talking(Work):
    """Lets everybody speak within their window or at a fixed rate, waits for the last delivery, and judges."""

    def prepare(self) -> None:
        self._exchanges = [Exchange(self.plan, self.loop, one) for one in self.plan.conversations]
        self.connect(opening for one in self._exchanges for opening in one.openings())
        self.wait(self.plan.rest)
        self._speakers = [speaker for one in self._exchanges for speaker in one.speakers]
        self._connections = [each for one in self._exchanges for each in one.connections]
        for speaker in self._speakers:
            speaker.begin()
        self.loop.turn_until(lambda _: all(each.talk.answers for each in self._speakers), self.plan.patience)
        self._check_first()
        self._known = self._done()

    def begin(self, at: float) -> None:
        self._judges = [Judge(self.ledger, one.talks, one.places()) for one in self._exchanges]
        self._next_judge = 0
        each = _BYTES_OF_A_SHARED_READ if self.plan.until_heard else _BYTES_OF_A_READ
        self.loop.spare, self.loop.spare_above = self._judge_one, self.plan.tape_bytes // each
        if self.plan.rate:
            self.loop.alarm = Pace([each.turn for each in self._speakers], self.plan.rate, at + self.plan.offset)
        for speaker in self._speakers:
            speaker.talk.is_open = True
            speaker.speak(perf_counter())

    def counts(self) -> dict[str, int]:
        self._check_limit()
        return {kind: number - self._known[kind] for kind, number in self._done().items()}

    def done(self) -> int:
        return self.counts()["message"]

    def latest_ms(self) -> list[float]:
        step = len(self._speakers) // _SHOWN + 1
        return [round(each.talk.latest_ms(), 3) for each in self._speakers[::step]]

    def finish(self) -> None:
        self.loop.alarm = None
        talks = [each.talk for each in self._speakers]
        for talk in talks:
            talk.is_open = False
        self.loop.turn_until(lambda _: all(one.answers >= len(one.sent_at) for one in talks), self.plan.patience)
        self.loop.turn_until(lambda _: False, self.plan.rest)
        self.loop.turn_until(lambda _: all(judge.is_complete() for judge in self._judges), self.plan.patience)
        for judge in self._judges:
            judge.close()

    def _done(self) -> dict[str, int]:
        answers = sum(each.talk.answers for each in self._speakers)
        return {"message": answers, "delivery": sum(each.heard for each in self._connections)}

    def _judge_one(self) -> None:
        """The tapes fill the memory that we may take: check a conversation now."""
        self._judges[self._next_judge].judge()
        self._next_judge = (self._next_judge + 1) % len(self._judges)
        self.loop.reads = sum(len(each.tape) for each in self._connections)

    def _check_first(self) -> None:
        refusals = {each.talk.refusal for each in self._speakers} - {""}
        if "RATE_LIMIT" in refusals:
            raise Refused("the server lets each device send only so fast (RATE_LIMIT)", hint=LIMIT_HINT)
        if refusals:
            raise Refused(f"the first messages were refused: {', '.join(sorted(refusals))}")
        silent = sum(not each.talk.answers for each in self._speakers)
        if silent:
            raise Refused(f"{silent} first messages got no answer within {self.plan.patience:.0f} s")

    def _check_limit(self) -> None:
        """Figures of a server that mostly refuses would be of no use."""
        limited = sum(each.talk.limited for each in self._speakers)
        if limited > _RATE_LIMITED and limited > sum(each.talk.answers for each in self._speakers) / 2:
            raise Refused(
                f"the server lets each device send only so fast: {limited} messages were refused (RATE_LIMIT)",
                hint=LIMIT_HINT,
            )
