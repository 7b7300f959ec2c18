from __future__ import annotations

import asyncio
import os
import sys

import msgspec
import pytest

from loadtest.plan import Conversation, Event, Finished, Outcome, Person, Plan
from tests.loadtest.stand_in import stand_in

EXPECTED = {
    "lose": {"lost delivery"},
    "repeat": {"duplicate delivery"},
    "swap": {"reordered delivery"},
    "skip": {"wrong seq in ack", "wrong seq in delivery"},
    "alter": {"corrupt delivery"},
    "mute": {"unanswered send"},
    "refuse": {"error UNAVAILABLE"},
    "hang up": {"lost connection", "unanswered send"},
    "echo": {"delivery to its own sender"},
}


def _person(name: str) -> Person:
    return Person(name, name)


def _pair(number: int) -> Conversation:
    one, other = f"a{number}", f"b{number}"
    return Conversation({"convType": "c2c", "to": other}, _person(one), [_person(other)])


def _plan(port: int, conversations: list[Conversation], *, window: int = 1, until_heard: bool = False) -> Plan:
    return Plan(
        port=port,
        server_pid=os.getpid(),
        core=None,
        conversations=conversations,
        window=window,
        until_heard=until_heard,
        settling=0.0,
        warmup=0.0,
        seconds=0.2,
        patience=2.0,
        quiet=0.5,
    )


async def _run(plan: Plan) -> Outcome:
    """What the generator says of a plan, run as the benchmark runs it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.generator", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(msgspec.json.encode(plan)), 20)
    event = msgspec.json.decode(output.splitlines()[-1], type=Event)
    assert isinstance(event, Finished)
    return event.outcome


@pytest.mark.parametrize("window", [1, 4])
async def test_a_server_that_keeps_the_contract_has_no_problems(window: int) -> None:
    async with stand_in() as port:
        outcome = await _run(_plan(port, [_pair(0), _pair(1), _pair(2)], window=window))
    assert outcome.problems == {}
    assert outcome.messages > 20
    assert abs(outcome.deliveries - outcome.messages) <= 3 * window
    assert outcome.ack
    assert outcome.delivery
    assert 0 < outcome.ack.p50 <= outcome.ack.p99 <= outcome.ack.max
    assert outcome.server_cpu.main > 0
    assert outcome.generator_cpu > 0


@pytest.mark.parametrize("window", [1, 8])
async def test_a_message_to_many_counts_once_for_each(window: int) -> None:
    group = Conversation({"convType": "group", "groupId": "g"}, _person("a"), [_person(f"b{n}") for n in range(20)])
    async with stand_in() as port:
        outcome = await _run(_plan(port, [group], window=window, until_heard=True))
    assert outcome.problems == {}
    assert outcome.messages > 5
    assert abs(outcome.deliveries - 20 * outcome.messages) <= 20 * window


@pytest.mark.parametrize("fault", EXPECTED)
async def test_every_kind_of_fault_is_reported_and_no_other(fault: str) -> None:
    async with stand_in(fault) as port:
        outcome = await _run(_plan(port, [_pair(0)], window=2))
    assert set(outcome.problems) >= EXPECTED[fault]
    if fault not in ("skip", "hang up"):
        assert set(outcome.problems) == EXPECTED[fault], outcome.examples


async def test_faults_are_found_in_a_message_to_many() -> None:
    group = Conversation({"convType": "group", "groupId": "g"}, _person("a"), [_person(f"b{n}") for n in range(20)])
    async with stand_in("repeat") as port:
        outcome = await _run(_plan(port, [group], window=2))
    assert set(outcome.problems) == {"duplicate delivery"}
    assert outcome.problems["duplicate delivery"] % 20 == 0


async def test_idle_connections_are_held_and_counted() -> None:
    async with stand_in() as port:
        idlers = [_person(f"i{number}") for number in range(130)]
        outcome = await _run(msgspec.structs.replace(_plan(port, []), idlers=idlers))
    assert outcome.problems == {}
    assert outcome.handshakes == 30
    assert outcome.server_cpu.main > 0
