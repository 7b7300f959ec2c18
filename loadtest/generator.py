"""The load generator: a process of its own that reads a plan from stdin and writes what came of it to stdout."""

from __future__ import annotations

import gc
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter, process_time
from typing import NamedTuple

import msgspec

from loadtest.connections import Connection, Crowd, Hearer, Loop, Speaker
from loadtest.ledger import Ledger
from loadtest.plan import Conversation, Cpu, Finished, Measuring, Outcome, Plan, latency_of
from loadtest.processes import cpu_of, memory_of
from loadtest.talk import Talk

_WARMING_IDLERS = 100  # the first connections warm the server up and are not counted

Tell = Callable[[Measuring], None]


class Used(NamedTuple):
    """Seconds of the clock, and of CPU."""

    seconds: float
    server: Cpu
    database: float
    generator: float


class Usage:
    """The clock and the CPU of server, database and generator, from a moment on."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._server, self._database, self._generator = self._read()
        self.start = perf_counter()

    def stop(self) -> Used:
        """What was used until now."""
        seconds = perf_counter() - self.start
        server, database, generator = self._read()
        return Used(seconds, server.since(self._server), database - self._database, generator - self._generator)

    def _read(self) -> tuple[Cpu, float, float]:
        database = self._plan.database_pid
        return cpu_of(self._plan.server_pid), cpu_of(database).total if database else 0.0, process_time()


def talk(plan: Plan, tell: Tell) -> Outcome:
    """Let everybody speak within their window, measure for a while, wait for the last delivery, and judge."""
    loop = Loop()
    exchanges = [Exchange(plan, loop, one, f"{secrets.token_hex(4)}-") for one in plan.conversations]
    _connect(loop, plan, (opening for one in exchanges for opening in one.openings()))
    _wait(loop, plan, plan.settling)
    for one in exchanges:
        one.begin()
    _wait(loop, plan, plan.warmup)
    tell(Measuring(seconds=plan.seconds))
    usage = Usage(plan)
    _wait(loop, plan, plan.seconds)
    used = usage.stop()
    _let_finish(exchanges, loop, plan)
    ledger = Ledger(usage.start, usage.start + used.seconds)
    for one in exchanges:
        ledger.judge(one.talk, one.speaker.tape, [hearer.tape for hearer in one.hearers])
    return _outcome(loop, ledger, used)


def idle(plan: Plan, tell: Tell) -> Outcome:
    """Connect everybody and see what that costs; then hold them for a while and see that they stay."""
    loop = Loop()
    openings = [partial(Connection, loop, person, plan.port) for person in plan.idlers]
    _connect(loop, plan, iter(openings[:_WARMING_IDLERS]))
    _wait(loop, plan, plan.settling)
    tell(Measuring(seconds=plan.seconds))
    memory, usage = memory_of(plan.server_pid), Usage(plan)
    _connect(loop, plan, iter(openings[_WARMING_IDLERS:]))
    used = usage.stop()
    _wait(loop, plan, plan.settling + plan.seconds)
    memory = memory_of(plan.server_pid) - memory
    outcome = _outcome(loop, Ledger(usage.start, usage.start + used.seconds), used)
    return msgspec.structs.replace(outcome, handshakes=len(openings[_WARMING_IDLERS:]), memory_bytes=memory)


class Exchange:
    """A talk and its connections. The speaker connects first: the others of a crowd lead back to it."""

    def __init__(self, plan: Plan, loop: Loop, conversation: Conversation, prefix: str) -> None:
        self.hearers: list[Connection] = []
        self.speaker: Speaker
        self._plan = plan
        self._loop = loop
        self._conversation = conversation
        self.talk = Talk(
            conversation.address,
            prefix,
            "x" * plan.text_bytes,
            hearers=len(conversation.hearers),
            window=plan.window,
            until_heard=plan.until_heard,
        )

    def openings(self) -> Iterator[Callable[[], object]]:
        """What opens the connections, one each."""
        yield self._open_speaker
        for index in range(len(self._conversation.hearers)):
            yield partial(self._open_hearer, index)

    def begin(self) -> None:
        """Send the first message."""
        self.talk.is_open = True
        self.speaker.speak(perf_counter())

    def _open_speaker(self) -> None:
        self.speaker = Speaker(self._loop, self._conversation.speaker, self._plan.port, self.talk)
        self._crowd = Crowd(self.speaker)

    def _open_hearer(self, index: int) -> None:
        person, port = self._conversation.hearers[index], self._plan.port
        if self._plan.until_heard:
            self.hearers.append(Hearer(self._loop, person, port, self._crowd))
        else:
            self.hearers.append(Connection(self._loop, person, port))


def _connect(loop: Loop, plan: Plan, openings: Iterator[Callable[[], object]]) -> None:
    """Open connections, a limited number of handshakes at once."""
    begun = loop.opened
    is_over = False

    def done(_: float) -> bool:
        nonlocal begun, is_over
        while not is_over and begun - loop.opened < plan.opening_at_once:
            opening = next(openings, None)
            if opening is None:
                is_over = True
            else:
                opening()
                begun += 1
        return is_over and loop.opened + len(loop.lost) >= begun

    if not loop.turn_until(done, plan.handshake_patience):
        raise TimeoutError(f"{begun - loop.opened} handshakes got no answer")


def _wait(loop: Loop, plan: Plan, seconds: float) -> None:
    end = perf_counter() + seconds
    loop.turn_until(lambda now: now >= end, seconds + plan.patience)


def _let_finish(exchanges: list[Exchange], loop: Loop, plan: Plan) -> None:
    """Send nothing more, and wait for the answers and deliveries that are still under way."""
    for one in exchanges:
        one.talk.is_open = False
    loop.turn_until(lambda _: all(one.talk.answers >= len(one.talk.sent_at) for one in exchanges), plan.patience)
    loop.turn_until(lambda _: False, plan.quiet)


def _outcome(loop: Loop, ledger: Ledger, used: Used) -> Outcome:
    for why in loop.lost:
        ledger.blame("lost connection", why)
    return Outcome(
        seconds=used.seconds,
        messages=ledger.messages,
        deliveries=ledger.deliveries,
        ack=latency_of(ledger.ack_ms),
        delivery=latency_of(ledger.delivery_ms),
        server_cpu=used.server,
        database_cpu=used.database,
        generator_cpu=used.generator,
        problems=dict(ledger.problems),
        examples=ledger.examples,
    )


def main() -> None:
    """Run one plan."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    gc.disable()  # the tapes are many objects and no cycles
    _tell(Finished(outcome=(talk if plan.conversations else idle)(plan, _tell)))


def _tell(event: Measuring | Finished) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
