"""What a load generator is told to do, and what it reports: all that passes between it and the benchmark."""

from __future__ import annotations

from msgspec import Struct

from loadtest.histogram import Histogram
from loadtest.target import Target


class Person(Struct, frozen=True):
    """Somebody who connects; the password is for scenarios that log in."""

    user_id: str
    token: str
    username: str = ""
    password: str = ""


class Conversation(Struct, frozen=True):
    """Those who speak (they hear one another, too), those who only hear, and where the first message is addressed to
    (fields of `send`)."""

    address: dict[str, str]
    speakers: list[Person]
    hearers: list[Person]


class Plan(Struct, frozen=True, kw_only=True):
    """What one generator does, from the moment that it is told to go.

    Talking: `window` messages of each speaker may be under way, or, with `rate`, so many messages a second go out
    whatever comes back (the first after `offset` seconds), and latency counts from when they were due. `until_heard`:
    a window is sent at once, and the next when every hearer has all of it.

    `rest` seconds lie between the last handshake and the first message: what a server does about new connections
    (attaching them, telling their presence) is not part of what is measured. In the end there are `rest` seconds of
    silence for what nobody waits for; answers and deliveries that are due then are lost when nothing comes for
    `patience` seconds. The measured time goes on until `least` were answered in it. Above `tape_bytes` of unchecked
    answers they are checked while the run goes on.
    """

    work: str
    target: Target
    conversations: list[Conversation] = []
    people: list[Person] = []
    window: int = 1
    rate: float = 0.0
    offset: float = 0.0
    until_heard: bool = False
    text_bytes: int = 100
    chunks: int = 100
    rest: float = 2.5
    warmup: float = 1.0
    seconds: float = 5.0
    least: int = 1
    handshake_patience: float = 15.0
    patience: float = 5.0
    opening_at_once: int = 64
    tape_bytes: int = 100_000_000


class Go(Struct, frozen=True):
    """To a generator, when all of them are ready: begin at this moment (`perf_counter`, which all processes share)."""

    at: float


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a run. Counts, latencies and CPU are those of the measured time, problems those of all of it.

    What is counted has a name: message, delivery, handshake, login, chunk … `refused` are errors that the server
    answered, by code. What has a time of its own in `periods` (seconds) was done in that.
    """

    begun: float
    ended: float
    counts: dict[str, int] = {}
    periods: dict[str, float] = {}
    latencies: dict[str, Histogram] = {}
    cpu: float = 0.0
    problems: dict[str, int] = {}
    refused: dict[str, int] = {}
    examples: list[str] = []
    acknowledged: int = 0
    """Messages of the whole run, where that is counted."""


class Ready(Struct, frozen=True, tag_field="event", tag="ready"):
    """Everybody is connected; waiting for `Go`."""


class Progress(Struct, frozen=True, tag_field="event", tag="progress"):
    """How far it is: what was counted since the beginning, latencies (ms) of the newest few."""

    counts: dict[str, int]
    latest_ms: list[float]


class Finished(Struct, frozen=True, tag_field="event", tag="finished"):
    """The last line of a generator's output."""

    outcome: Outcome


class Failed(Struct, frozen=True, tag_field="event", tag="failed"):
    """Instead of it: nothing that could be measured."""

    message: str
    hint: str | None = None


Event = Ready | Progress | Finished | Failed
