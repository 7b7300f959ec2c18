"""Chat between pairs at a steady rate, whatever the server does meanwhile, with the latency of every message."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import inf
from time import perf_counter

import msgspec
from msgspec import Struct

from loadtest.connections import Connection
from loadtest.plan import Conversation, Person
from loadtest.sockets import Loop
from loadtest.target import Target
from loadtest.wire import frame

_DIGITS = 9
_ID = b'"clientMsgId":"paced-'
_PATIENCE = 30.0


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    p50: float
    p99: float
    max: float


def latency_of(values: Sequence[float]) -> Latency | None:
    """The percentiles of unsorted milliseconds."""
    if not values:
        return None
    ordered = sorted(values)
    last = len(ordered) - 1
    return Latency(p50=ordered[last // 2], p99=ordered[last * 99 // 100], max=ordered[last])


class Second(Struct, frozen=True, kw_only=True):
    """The messages sent in one second."""

    at: int
    messages: int
    latency: Latency | None


class Chat:
    """Connects the pairs of `conversations`; the first of each says something to the second in turn."""

    def __init__(self, conversations: Sequence[Conversation], target: Target, rate: float) -> None:
        self.sent_at: list[float] = []
        self.heard_at: dict[int, float] = {}
        self.refused: list[bytes] = []
        self._loop = Loop(target)
        self._conversations = conversations
        self.rate = rate
        self._speakers = [_Voice(self, self._loop, each.speakers[0]) for each in conversations]
        for each in conversations:
            for hearer in each.hearers:
                _Voice(self, self._loop, hearer)
        wanted = len(conversations) + sum(len(each.hearers) for each in conversations)
        if not self._loop.turn_until(lambda _: self._loop.opened == wanted, _PATIENCE):
            raise TimeoutError(f"{wanted - self._loop.opened} of {wanted} handshakes got no answer")
        self.start = self._next = perf_counter()
        self._loop.alarm = self._turn

    def go_on(self, is_over: Callable[[float], bool]) -> None:
        """Chat until it is over, and something of it was heard, however long the machine did something else."""
        first = len(self.sent_at)
        self._loop.turn_until(lambda now: is_over(now) and self._has_heard(first), _PATIENCE)

    def _has_heard(self, first: int) -> bool:
        """Whether a message from the first on has been heard, unless nothing is to be said."""
        return self._next == inf or next(reversed(self.heard_at), -1) >= first

    def _turn(self, now: float) -> float:
        """Say what is due, and when more is."""
        while self._next <= now:
            self._say(now)
            self._next += 1 / self.rate
        return self._next

    def pause(self) -> None:
        """Say nothing until `resume`."""
        self._next = inf

    def resume(self) -> None:
        self._next = perf_counter()

    def end(self) -> None:
        """Say no more, and wait for what was said last."""
        self.pause()
        self._loop.turn_until(lambda _: len(self.heard_at) == len(self.sent_at), _PATIENCE)
        self._loop.close()

    def write(self, person: Person, data: Mapping[str, object]) -> None:
        """Send one message of somebody else's on a connection of their own."""
        voice = _Voice(self, self._loop, person)
        self._loop.turn_until(lambda _: voice.is_open, _PATIENCE)
        voice.write(frame(msgspec.json.encode({"action": "send", "id": "other", "data": data})))

    def seconds(self) -> list[Second]:
        """Second by second since the start: latency from the sending to the other's socket."""
        count = int(self.sent_at[-1] - self.start) + 1
        bounds = [bisect_left(self.sent_at, self.start + second) for second in range(count + 1)]
        return [
            Second(at=second, messages=last - first, latency=self.latency(first, last))
            for second, (first, last) in enumerate(itertools.pairwise(bounds))
        ]

    def latency(self, first: int, last: int) -> Latency | None:
        """Of the messages from the first to before the last."""
        took = [(self.heard_at[n] - self.sent_at[n]) * 1000 for n in range(first, last) if n in self.heard_at]
        return latency_of(took)

    @property
    def lost(self) -> int:
        """Messages that nobody has heard."""
        return len(self.sent_at) - len(self.heard_at) + len(self._loop.losses)

    def _say(self, now: float) -> None:
        number = len(self.sent_at)
        place = number % len(self._speakers)
        data = {
            **self._conversations[place].address,
            "type": "text",
            "clientMsgId": f"paced-{number:0{_DIGITS}}",
            "payload": {"text": "x" * 100},
        }
        self.sent_at.append(now)
        self._speakers[place].write(frame(msgspec.json.encode({"action": "send", "id": number, "data": data})))


class _Voice(Connection):
    """One connection of the chat."""

    def __init__(self, chat: Chat, loop: Loop, person: Person) -> None:
        self._chat = chat
        super().__init__(loop, person)

    def receive(self, text: bytes) -> None:
        if b'"action":"message"' in text:
            place = text.find(_ID)
            if place >= 0:
                start = place + len(_ID)
                self._chat.heard_at.setdefault(int(text[start : start + _DIGITS]), perf_counter())
        elif b'"action":"error"' in text:
            self._chat.refused.append(text)
