from __future__ import annotations

import msgspec
import pytest

from loadtest.plan import Conversation, Failed, Person, Plan
from loadtest.target import Target
from tests.loadtest.generating import outcome_of, told
from tests.loadtest.stand_in import stand_in

EXPECTED = {
    "lose": {"lost delivery"},
    "repeat": {"duplicate delivery"},
    "swap": {"reordered delivery"},
    "skip": {"gap in seqs"},
    "alter": {"corrupt delivery"},
    "mute": {"unanswered send"},
    "hang up": {"lost connection", "unanswered send"},
    "echo": {"delivery to its own sender"},
    "lie": {"wrong seq in delivery"},
}
ANSWERED = {"lose": 20, "mute": 5, "hang up": 3}
"""Where something does not come: how many messages are answered all the same."""
IN_VAIN = 4.0
"""So long one waits for it."""


def _person(name: str) -> Person:
    return Person(name, name)


def _pair(number: int) -> Conversation:
    one, other = f"a{number}", f"b{number}"
    return Conversation({"convType": "c2c", "to": other}, [_person(one)], [_person(other)])


def _group(speakers: int) -> Conversation:
    people = [_person(f"b{number}") for number in range(20)]
    return Conversation({"convType": "group", "groupId": "g"}, people[:speakers], people[speakers:])


def _plan(port: int, conversations: list[Conversation], **more: object) -> Plan:
    plan = Plan(
        work="talk",
        target=Target("127.0.0.1", port),
        conversations=conversations,
        rest=0.3,
        warmup=0.0,
        seconds=0.5,
        least=20,
        patience=20.0,
    )
    return msgspec.structs.replace(plan, **more)


@pytest.mark.parametrize("window", [1, 4])
async def test_a_server_that_keeps_the_contract_has_no_problems(window: int) -> None:
    async with stand_in() as port:
        outcome = await outcome_of(_plan(port, [_pair(0), _pair(1), _pair(2)], window=window))
    assert (outcome.problems, outcome.refused) == ({}, {})
    assert outcome.counts["message"] > 5
    assert abs(outcome.counts["delivery"] - outcome.counts["message"]) <= 3 * window
    assert outcome.latencies["message"].count == outcome.counts["message"]
    assert outcome.latencies["delivery"].max_us > 0
    assert outcome.cpu > 0


@pytest.mark.parametrize("window", [1, 8])
async def test_a_message_to_many_counts_once_for_each(window: int) -> None:
    async with stand_in() as port:
        outcome = await outcome_of(_plan(port, [_group(1)], window=window, until_heard=True))
    assert outcome.problems == {}
    assert outcome.counts["message"] > 5
    assert abs(outcome.counts["delivery"] - 19 * outcome.counts["message"]) <= 19 * window


async def test_several_may_speak_in_one_group() -> None:
    async with stand_in() as port:
        outcome = await outcome_of(_plan(port, [_group(3)]))
    assert outcome.problems == {}, outcome.examples
    assert outcome.counts["message"] > 5
    assert abs(outcome.counts["delivery"] - 19 * outcome.counts["message"]) <= 19 * 3


async def test_a_fixed_rate_is_kept_and_latency_counts_from_when_a_message_was_due() -> None:
    async with stand_in() as port:
        outcome = await outcome_of(_plan(port, [_pair(0), _pair(1)], rate=100.0, least=1))
    assert outcome.problems == {}
    assert outcome.latencies["message"].count == 50, "so many were due"
    async with stand_in("pause") as port:
        outcome = await outcome_of(_plan(port, [_pair(0)], rate=100.0, seconds=1.0))
    latency = outcome.latencies["message"].percentiles()
    assert outcome.problems == {}
    assert latency
    assert latency.p90 > 100, "what had to wait behind a slow answer counts, too"


async def test_a_long_run_is_checked_while_it_goes_on() -> None:
    async with stand_in() as port:
        outcome = await outcome_of(_plan(port, [_pair(0), _pair(1)], tape_bytes=4500))
    assert outcome.problems == {}
    assert outcome.counts["message"] > 5
    async with stand_in("lose") as port:
        outcome = await outcome_of(_plan(port, [_pair(0), _pair(1)], tape_bytes=4500, patience=IN_VAIN))
    assert set(outcome.problems) == {"lost delivery"}


async def test_a_delivery_that_comes_late_is_not_lost() -> None:
    async with stand_in("late") as port:
        outcome = await outcome_of(_plan(port, [_pair(0)], rest=0.1, least=1))
    assert outcome.problems == {}, outcome.examples


async def test_a_time_that_is_over_before_enough_was_answered_goes_on_until_then() -> None:
    """As on a machine that stood still for as long as it takes."""
    async with stand_in() as port:
        outcome = await outcome_of(_plan(port, [_pair(0)], seconds=0.0001))
    assert outcome.problems == {}
    assert outcome.counts["message"] >= 20
    assert outcome.latencies["message"].count == outcome.counts["message"]
    assert outcome.ended - outcome.begun > 0.0001


@pytest.mark.parametrize("fault", EXPECTED)
async def test_every_kind_of_fault_is_reported_and_no_other(fault: str) -> None:
    waits = {"least": ANSWERED[fault], "patience": IN_VAIN} if fault in ANSWERED else {}
    async with stand_in(fault) as port:
        outcome = await outcome_of(_plan(port, [_pair(0)], window=2, **waits))
    assert set(outcome.problems) >= EXPECTED[fault]
    if fault != "hang up":
        assert set(outcome.problems) == EXPECTED[fault], outcome.examples
    assert outcome.refused == {}


async def test_a_refusal_is_no_loss() -> None:
    async with stand_in("refuse") as port:
        outcome = await outcome_of(_plan(port, [_pair(0)], window=2))
    assert outcome.problems == {}, outcome.examples
    assert outcome.refused["UNAVAILABLE"] > 0


async def test_a_server_that_lets_devices_send_only_so_fast_is_named() -> None:
    async with stand_in("limit") as port:
        event = await told(_plan(port, [_pair(0)], seconds=5.0))
    assert isinstance(event, Failed)
    assert "RATE_LIMIT" in event.message
    assert "IM_WS_SEND_QPS" in (event.hint or "")


async def test_nobody_there_is_an_error_with_a_way_out() -> None:
    event = await told(_plan(1, [_pair(0)]))
    assert isinstance(event, Failed)
    assert "http://127.0.0.1:1 does not answer: Connection refused" in event.message


async def test_faults_are_found_in_a_message_to_many() -> None:
    async with stand_in("repeat") as port:
        outcome = await outcome_of(_plan(port, [_group(1)], window=2))
    assert set(outcome.problems) == {"duplicate delivery"}
    assert outcome.problems["duplicate delivery"] % 19 == 0


async def test_idle_connections_are_held_and_counted() -> None:
    async with stand_in() as port:
        people = [_person(f"i{number}") for number in range(130)]
        outcome = await outcome_of(_plan(port, [], work="idle", people=people))
    assert outcome.problems == {}
    assert outcome.counts == {"handshake": 65}
