"""What the load generator is told to do, and what it reports: all that passes between it and the benchmark."""

from __future__ import annotations

from msgspec import Struct


class Person(Struct, frozen=True):
    """Somebody who connects."""

    user_id: str
    token: str


class Conversation(Struct, frozen=True):
    """One speaker, those who hear them, and where the first message is addressed to (fields of `send`)."""

    address: dict[str, str]
    speaker: Person
    hearers: list[Person]


class Plan(Struct, frozen=True, kw_only=True):
    """One run. With conversations: talk for `seconds` after `warmup`; with idlers: connect them and hold them.

    `settling` seconds lie between the last handshake and the first message: what a server does about new connections
    (attaching them, telling their presence) is not part of what is measured. A connection that says nothing for
    `patience` seconds while an answer is due is given up; what comes after `quiet` seconds of silence counts as lost.
    """

    port: int
    server_pid: int
    database_pid: int | None = None
    core: int | None
    conversations: list[Conversation] = []
    idlers: list[Person] = []
    window: int = 1
    until_heard: bool = False
    text_bytes: int = 100
    settling: float = 2.5
    warmup: float = 1.0
    seconds: float = 5.0
    handshake_patience: float = 15.0
    patience: float = 5.0
    quiet: float = 1.0
    opening_at_once: int = 64


class Cpu(Struct, frozen=True, kw_only=True):
    """CPU seconds of a server: its main thread, its other threads, and the processes it started."""

    main: float
    threads: float
    children: float

    @property
    def total(self) -> float:
        return self.main + self.threads + self.children

    def since(self, earlier: Cpu) -> Cpu:
        """What was used between two readings."""
        return Cpu(
            main=self.main - earlier.main,
            threads=self.threads - earlier.threads,
            children=self.children - earlier.children,
        )


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    p50: float
    p99: float
    max: float


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a run; counts and CPU are those of the measured time, problems those of all of it."""

    seconds: float
    messages: int = 0
    deliveries: int = 0
    handshakes: int = 0
    ack: Latency | None = None
    delivery: Latency | None = None
    server_cpu: Cpu
    database_cpu: float = 0.0
    generator_cpu: float
    memory_bytes: int = 0
    problems: dict[str, int] = {}
    examples: list[str] = []


class Measuring(Struct, frozen=True, tag_field="event", tag="measuring"):
    """A line of the generator's output: the measured time begins."""

    seconds: float


class Finished(Struct, frozen=True, tag_field="event", tag="finished"):
    """The last line of the generator's output."""

    outcome: Outcome


Event = Measuring | Finished


def latency_of(values: list[float]) -> Latency | None:
    """The percentiles of unsorted milliseconds."""
    if not values:
        return None
    ordered = sorted(values)
    last = len(ordered) - 1
    return Latency(p50=ordered[last // 2], p99=ordered[last * 99 // 100], max=ordered[last])
