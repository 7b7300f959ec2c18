"""What every keeper of live calls promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from goim.clock import SystemClock
from goim.livecalls.base import LiveCalls
from goim.livecalls.memory import MemoryLiveCalls
from goim.livecalls.redis import RedisLiveCalls
from goim.model.calls import CallReason, CallType, LiveCall, Side, ring
from goim.model.conversations import c2c
from tests.redis_server import empty_database, patient_client

START = 1_766_000_000_000


@pytest.fixture(params=["memory", "redis"])
async def calls(request: pytest.FixtureRequest) -> AsyncIterator[LiveCalls]:
    if request.param == "memory":
        yield MemoryLiveCalls()
        return
    server = request.getfixturevalue("redis_server")
    login = await empty_database(server)
    async with patient_client(server, login, SystemClock()) as client:
        yield RedisLiveCalls(client)


def call_of(caller: str, callee: str, *, rings_until: int = START + 60_000) -> LiveCall:
    return ring(
        f"{caller}-{callee}",
        c2c(caller, callee),
        Side(user_id=caller, device_id="phone"),
        CallType.VIDEO,
        START,
        record_key="key",
        rings_until=rings_until,
    )


async def test_a_call_is_found_by_its_id_and_by_both_its_people(calls: LiveCalls) -> None:
    call = call_of("ann", "bob")
    assert await calls.begin(call) is None
    assert await calls.get("ann-bob") == call
    assert await calls.of_user("ann") == await calls.of_user("bob") == call
    assert await calls.get("bob-ann") is None
    assert await calls.of_user("cleo") is None


@pytest.mark.parametrize("people", [("ann", "cleo"), ("cleo", "ann"), ("bob", "cleo"), ("cleo", "bob"), ("bob", "ann")])
async def test_who_is_in_a_call_is_busy_on_either_side(calls: LiveCalls, people: tuple[str, str]) -> None:
    call = call_of("ann", "bob")
    await calls.begin(call)
    assert await calls.begin(call_of(*people)) == call
    assert await calls.get("-".join(people)) is None
    assert await calls.of_user("cleo") is None, "a refused call leaves nothing behind"


async def test_of_many_calls_at_once_that_share_a_person_one_begins(calls: LiveCalls) -> None:
    tries = [call_of("ann", f"friend{n}") if n % 2 else call_of(f"friend{n}", "ann") for n in range(20)]
    results = await asyncio.gather(*map(calls.begin, tries))
    begun = [call for call, busy in zip(tries, results, strict=True) if busy is None]
    assert len(begun) == 1
    assert all(busy == begun[0] for busy in results if busy is not None)


async def test_of_many_swaps_at_once_one_succeeds(calls: LiveCalls) -> None:
    call = call_of("ann", "bob")
    await calls.begin(call)
    answers = [call.answer("bob", f"device{n}", START + 1) for n in range(20)]
    swapped = await asyncio.gather(*(calls.swap(call, answer) for answer in answers))
    assert swapped.count(True) == 1
    assert await calls.of_user("ann") == await calls.get("ann-bob") == answers[swapped.index(True)]


async def test_a_call_that_is_over_frees_its_people_and_is_remembered(calls: LiveCalls) -> None:
    call = call_of("ann", "bob")
    await calls.begin(call)
    over = call.reject("bob", START + 1)
    assert await calls.swap(call, over)
    assert not await calls.swap(call, call.end("ann", START + 1))
    assert await calls.get("ann-bob") == over
    assert (await calls.of_user("ann"), await calls.of_user("bob")) == (None, None)
    later = call_of("bob", "ann")
    assert await calls.begin(later) is None
    assert not await calls.swap(call, over), "an earlier call's end leaves a later call alone"
    assert await calls.of_user("ann") == later


async def test_calls_are_due_at_their_latest_deadline_until_they_change(calls: LiveCalls) -> None:
    call, other = call_of("ann", "bob"), call_of("cleo", "dora", rings_until=START + 90_000)
    await calls.begin(call)
    await calls.begin(other)
    assert await calls.due(START + 59_999) == []
    assert await calls.due(START + 60_000) == await calls.due(START + 60_001) == [call]
    answered = call.answer("bob", "phone", START + 60_001)
    assert await calls.swap(call, answered)
    assert await calls.due(START + 60_002) == []
    lost = answered.lose("bob", "phone", START + 70_000)
    await calls.swap(answered, lost)
    assert await calls.due(START + 70_000) == [lost]
    await calls.swap(lost, lost.expire(START + 70_000))
    assert await calls.due(START + 99_000) == [other]


async def test_a_record_is_owed_until_it_is_written(calls: LiveCalls) -> None:
    call, other = call_of("ann", "bob"), call_of("cleo", "dora")
    for each, at in ((call, START + 10), (other, START + 20)):
        await calls.begin(each)
        await calls.swap(each, each.end(each.caller.user_id, at))
    await calls.begin(later := call_of("bob", "ann"))
    over = await calls.get("ann-bob")
    assert await calls.owed(START + 10) == []
    assert await calls.owed(START + 20) == [over]
    assert len(await calls.owed(START + 99)) == 2
    await calls.recorded("ann-bob")
    await calls.recorded("ann-bob")
    assert [each.call_id for each in await calls.owed(START + 99)] == ["cleo-dora"]
    assert (await calls.get("ann-bob"), await calls.of_user("ann")) == (over, later)


async def test_calls_kept_in_the_process_end_with_it(calls: LiveCalls) -> None:
    call = call_of("ann", "bob")
    await calls.begin(call)
    is_shared = isinstance(calls, RedisLiveCalls)
    assert await calls.bound_here() == ([] if is_shared else [call])
    await calls.swap(call, call.break_off(START, CallReason.SERVER_STOPPED))
    assert await calls.bound_here() == []
