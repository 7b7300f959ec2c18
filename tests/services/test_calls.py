"""Calls as people make them: who rings, who stops ringing, who hears what, and what is left in the conversation."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from goim.elsewhere.base import Nobody
from goim.errors import ErrorCode, GoimError, StoreDown
from goim.livecalls.memory import MemoryLiveCalls
from goim.model.calls import Call, CallStatus, CallType
from goim.model.conversations import pair_subject
from goim.model.signals import SignalType
from goim.protocol.calls import SignalData
from goim.protocol.frames import Frame, body_of
from goim.protocol.requests import SendData
from goim.ratelimit.memory import MemoryRateLimiter
from goim.services.calls import CallDesk
from tests.services.house import House, Phone, refused
from tests.thinking import UNHURRIED

AUDIO, VIDEO = CallType.AUDIO, CallType.VIDEO


class Handset(Phone):
    """A connection whose pushes can be waited for."""

    queued_bytes = 0

    def __init__(self, user_id: str, device_id: str) -> None:
        super().__init__(user_id, device_id)
        self._news = asyncio.Event()

    def send(self, frame: Frame) -> None:
        super().send(frame)
        self._news.set()

    async def push(self, action: str) -> Any:
        """Wait for a push of this kind, take it out and return its data."""
        async with asyncio.timeout(20):
            while action not in self.actions():
                self._news.clear()
                await self._news.wait()
        return self.pushes.pop(self.actions().index(action))["data"]


class Exchange:
    """Calls in a house of friends."""

    def __init__(self, house: House, **options: Any) -> None:
        self.house = house
        self.clock = house.clock
        self.calls = options.pop("calls", None) or MemoryLiveCalls()
        self.desk = CallDesk(
            self.calls,
            house.conversations,
            house.users,
            house.access,
            house.messages,
            house.delivery,
            house.notices,
            MemoryRateLimiter(house.clock, per_second=1, burst=options.pop("burst", 10_000)),
            options.pop("elsewhere", Nobody()),
            house.clock,
            **({"enabled": True, "ring_timeout": 60, "reconnect_grace": 30} | options),
        )

    def connect(self, user_id: str, device: str = "phone") -> Handset:
        handset = Handset(user_id, f"{user_id}-{device}")
        self.house.delivery.attach(handset)
        return handset

    def disconnect(self, handset: Handset) -> None:
        self.house.delivery.detach(handset)

    async def passes(self, seconds: float) -> None:
        """Let time pass and everything happen that is due by then."""
        await self.clock.until_asleep()
        self.clock.advance(seconds)
        await self.clock.until_asleep()

    async def records(self, one: str, other: str) -> list[dict[str, Any]]:
        """The payloads of the call messages between two, as stored."""
        await self.house.messages.batches.drain()
        rows = await self.house.table.after(pair_subject(one, other), 0, 1000, self.clock.now_ms())
        return [json.loads(row.payload or "null") for row in rows if row.type == "call"]

    async def signal(self, handset: Handset, call: Call, to: str, **data: Any) -> None:
        what = {"type": SignalType.OFFER, "sdp": "v=0"} | data
        await self.desk.signal(handset, SignalData(call_id=call.call_id, to=to, **what))


@contextlib.asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Exchange]:
    async with House().open() as house:
        await house.friends_of_each_other("ann", "bob", "cleo")
        await house.people("eve")
        exchange = Exchange(house, **options)
        async with exchange.desk.running():
            yield exchange


@pytest.fixture(name="exchange")
async def open_exchange() -> AsyncIterator[Exchange]:
    async with opened() as exchange:
        yield exchange


@pytest.fixture
def ann(exchange: Exchange) -> Handset:
    return exchange.connect("ann")


@pytest.fixture
def bob(exchange: Exchange) -> Handset:
    return exchange.connect("bob")


# ringing


async def test_a_call_rings_at_every_device_of_the_callee_and_nowhere_else(exchange: Exchange, ann: Handset) -> None:
    others = [exchange.connect("ann", "laptop"), exchange.connect("cleo")]
    bobs = [exchange.connect("bob", device) for device in ("phone", "laptop")]
    call = await exchange.desk.start(ann, "bob", VIDEO)
    expected = {
        "callId": call.call_id,
        "from": "ann",
        "to": "bob",
        "type": "video",
        "status": "ringing",
        "startedAt": exchange.clock.now_ms(),
        "duration": 0,
    }
    for handset in bobs:
        assert handset.pushes == [{"action": "call_incoming", "data": expected}]
    for handset in (ann, *others):
        assert handset.pushes == []
    assert await exchange.desk.current("ann") == await exchange.desk.current("bob") == call


async def test_only_friends_can_be_called(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    for to in ("eve", "nobody", ""):
        with refused(ErrorCode.NOT_FRIEND):
            await exchange.desk.start(ann, to, AUDIO)
    for to in ("ann", "x" * 65):
        with refused(ErrorCode.INVALID):
            await exchange.desk.start(ann, to, AUDIO)
    await exchange.house.blocks.add("bob", "ann", 0)
    await exchange.house.access.relation_changed("ann", "bob")
    with refused(ErrorCode.BLOCKED):
        await exchange.desk.start(ann, "bob", AUDIO)
    assert bob.pushes == []
    with refused(ErrorCode.NOT_FOUND):
        await exchange.desk.current("ann")


async def test_former_friends_with_a_conversation_cannot_call_either(exchange: Exchange, ann: Handset) -> None:
    await exchange.house.say("ann", "bob")
    await exchange.house.friends.remove("ann", "bob")
    await exchange.house.access.relation_changed("ann", "bob")
    with refused(ErrorCode.NOT_FRIEND):
        await exchange.desk.start(ann, "bob", AUDIO)


async def test_a_device_that_comes_while_it_rings_rings_too(exchange: Exchange, ann: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    late = exchange.connect("bob")
    assert (await late.push("call_incoming"))["callId"] == call.call_id
    await exchange.desk.answer(late, call.call_id)
    later = exchange.connect("bob", "laptop")
    again = exchange.connect("ann", "laptop")
    await exchange.passes(1)
    assert (later.pushes, again.pushes) == ([], [])


async def test_every_call_counts_as_a_message_sent(exchange: Exchange) -> None:
    async with opened(burst=2) as exchange:
        ann = exchange.connect("ann")
        for _ in range(2):
            call = await exchange.desk.start(ann, "bob", AUDIO)
            await exchange.desk.end(ann, call.call_id)
        with pytest.raises(GoimError) as caught:
            await exchange.desk.start(ann, "bob", AUDIO)
        assert caught.value.code is ErrorCode.RATE_LIMIT
        assert caught.value.retry_after_ms == 1000


# answering and ending


async def test_the_device_that_answers_is_in_the_call_and_the_others_stop_ringing(
    exchange: Exchange, ann: Handset, bob: Handset
) -> None:
    ann2, bob2 = exchange.connect("ann", "laptop"), exchange.connect("bob", "laptop")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    bob.take()
    bob2.take()
    exchange.clock.advance(3)
    answered = await exchange.desk.answer(bob, call.call_id)
    assert (answered.status, answered.answered_at) == (CallStatus.ANSWERED, exchange.clock.now_ms())
    for handset in (ann, ann2, bob2):
        assert handset.actions() == ["call_answered"]
        assert handset.take()[0]["status"] == "answered"
    assert bob.pushes == []
    assert await exchange.desk.current("bob") == answered


async def test_a_call_that_was_had_leaves_its_duration(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", VIDEO)
    await exchange.desk.answer(bob, call.call_id)
    exchange.clock.advance(125.9)
    bob.take()
    ended = await exchange.desk.end(bob, call.call_id)
    assert (ended.status, ended.duration) == (CallStatus.ENDED, 125)
    assert (await ann.push("call_ended"))["duration"] == 125
    record = await bob.push("message")
    assert record == await ann.push("message"), "who hung up hears of the record too"
    assert (record["from"], record["to"], record["type"], record["seq"]) == ("ann", "bob", "call", 1)
    assert record["payload"] == {"callId": call.call_id, "type": "video", "status": "ended", "duration": 125}
    assert bob.pushes == []
    with refused(ErrorCode.NOT_FOUND):
        await exchange.desk.current("ann")


@pytest.mark.parametrize(
    ("who", "how", "told", "status"),
    [
        ("bob", "reject", "call_rejected", "rejected"),
        ("bob", "end", "call_ended", "rejected"),
        ("ann", "end", "call_ended", "cancelled"),
    ],
)
async def test_a_call_that_was_not_had_leaves_its_status(
    exchange: Exchange, ann: Handset, bob: Handset, who: str, how: str, told: str, status: str
) -> None:
    actor, other = (ann, bob) if who == "ann" else (bob, ann)
    bob2 = exchange.connect("bob", "laptop")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    over = await getattr(exchange.desk, how)(actor, call.call_id)
    assert over.status == status
    for handset in (other, bob2):
        assert (await handset.push(told))["status"] == status
    record = await actor.push("message")
    assert (record["from"], record["payload"]["status"], record["payload"]["duration"]) == ("ann", status, 0)
    assert told not in actor.actions()


async def test_nobody_answers_and_the_call_is_missed(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    bob.take()
    await exchange.passes(59.5)
    assert bob.pushes == []
    await exchange.passes(0.5)
    for handset in (ann, bob):
        told = await handset.push("call_ended")
        assert (told["status"], told["reason"], told["endedAt"]) == ("missed", "timeout", call.started_at + 60_000)
    record = await ann.push("message")
    assert record["payload"] == {
        "callId": call.call_id,
        "type": "audio",
        "status": "missed",
        "duration": 0,
        "reason": "timeout",
    }
    with refused(ErrorCode.CALL_STATE):
        await exchange.desk.answer(bob, call.call_id)


async def test_a_missed_call_is_unread_for_the_callee_and_not_for_the_caller(exchange: Exchange, ann: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.desk.end(ann, call.call_id)
    conv_id = (await ann.push("message"))["convId"]
    hers, his = (conv_id, "ann"), (conv_id, "bob")
    assert await exchange.house.book.of([hers, his]) == {hers: 1, his: 0}


async def test_strangers_and_others_devices_learn_nothing_of_a_call(exchange: Exchange, ann: Handset) -> None:
    cleo = exchange.connect("cleo")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    for ask in (exchange.desk.answer, exchange.desk.reject, exchange.desk.end):
        for call_id in (call.call_id, "no such call"):
            with refused(ErrorCode.NOT_FOUND):
                await ask(cleo, call_id)
    with refused(ErrorCode.NOT_FOUND):
        await exchange.signal(cleo, call, "bob")
    with refused(ErrorCode.NOT_FOUND):
        await exchange.desk.current("cleo")
    with refused(ErrorCode.FORBIDDEN):
        await exchange.desk.answer(ann, call.call_id)
    with refused(ErrorCode.FORBIDDEN):
        await exchange.desk.reject(ann, call.call_id)


async def test_two_devices_that_answer_at_once_do_not_both(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    bob2 = exchange.connect("bob", "laptop")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    results = await asyncio.gather(
        *(exchange.desk.answer(handset, call.call_id) for handset in (bob, bob2)), return_exceptions=True
    )
    refusals = [result for result in results if isinstance(result, GoimError)]
    assert [refusal.code for refusal in refusals] == [ErrorCode.CALL_STATE]
    assert ann.actions() == ["call_answered"]


# busy and glare


async def test_who_is_in_a_call_is_busy_for_others_and_free_again_after_it(exchange: Exchange, ann: Handset) -> None:
    bob, cleo = exchange.connect("bob"), exchange.connect("cleo")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    for actor, to in ((cleo, "bob"), (cleo, "ann"), (ann, "cleo"), (bob, "cleo"), (ann, "bob")):
        with refused(ErrorCode.CALL_BUSY):
            await exchange.desk.start(actor, to, AUDIO)
    await exchange.desk.answer(bob, call.call_id)
    for actor, to in ((cleo, "bob"), (bob, "ann"), (ann, "bob")):
        with refused(ErrorCode.CALL_BUSY):
            await exchange.desk.start(actor, to, AUDIO)
    assert cleo.pushes == []
    await exchange.desk.end(ann, call.call_id)
    assert (await exchange.desk.start(cleo, "bob", AUDIO)).status is CallStatus.RINGING
    assert await exchange.records("bob", "cleo") == [], "a refused call leaves no record"


async def test_of_two_who_call_the_same_friend_at_once_one_gets_through(exchange: Exchange, ann: Handset) -> None:
    bob, cleo = exchange.connect("bob"), exchange.connect("cleo")
    gate = exchange.house.held["Blocks.is_between"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tries = [
            tasks.create_task(asyncio.wait_for(_code(exchange.desk.start(handset, "bob", AUDIO)), 20))
            for handset in (ann, cleo)
        ]
        gate.set()
    assert sorted(task.result() for task in tries) == ["CALL_BUSY", "ringing"]
    assert bob.actions() == ["call_incoming"]


async def _code(work: Any) -> str:
    try:
        return str((await work).status)
    except GoimError as error:
        return str(error.code)


async def test_two_who_call_each_other_at_once_are_in_one_call(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    bob2 = exchange.connect("bob", "laptop")
    gate = exchange.house.held["Blocks.is_between"] = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(exchange.desk.start(ann, "bob", AUDIO))
        other = tasks.create_task(exchange.desk.start(bob, "ann", VIDEO))
        gate.set()
    calls = [one.result(), other.result()]
    assert {call.call_id for call in calls} == {calls[0].call_id}
    assert [call.status for call in calls] == [CallStatus.RINGING, CallStatus.ANSWERED]
    assert [(call.from_, call.type) for call in calls] == [("ann", "audio")] * 2, "the first stored is the call"
    assert ann.actions() == ["call_answered"]
    assert bob.actions() == ["call_incoming"]
    assert bob2.actions() == ["call_incoming", "call_answered"]
    await exchange.signal(ann, calls[0], "bob")
    assert "webrtc_signaling" in bob.actions(), "the device that called back is in the call"
    assert "webrtc_signaling" not in bob2.actions()


# coming and going


async def test_a_side_that_does_not_come_back_ends_the_call(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.desk.answer(bob, call.call_id)
    await exchange.passes(10)
    exchange.disconnect(bob)
    await exchange.passes(29.5)
    assert (await exchange.desk.current("ann")).call_id == call.call_id
    await exchange.passes(0.5)
    told = await ann.push("call_ended")
    assert (told["status"], told["reason"], told["duration"]) == ("ended", "connection_lost", 40)
    assert (await ann.push("message"))["payload"]["reason"] == "connection_lost"


async def test_a_side_that_comes_back_in_time_talks_on(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.desk.answer(bob, call.call_id)
    for handset in (ann, bob):
        exchange.disconnect(handset)
    await exchange.passes(29)
    ann, bob = exchange.connect("ann"), exchange.connect("bob")
    await exchange.passes(120)
    assert (await exchange.desk.current("ann")).call_id == call.call_id
    await exchange.signal(ann, call, "bob")
    assert bob.actions() == ["webrtc_signaling"]


async def test_the_same_device_on_a_new_connection_was_never_gone(exchange: Exchange, ann: Handset) -> None:
    bob = exchange.connect("bob")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.desk.answer(bob, call.call_id)
    exchange.connect("bob")
    assert bob.closed is not None
    await exchange.passes(31)
    assert (await exchange.desk.current("ann")).status is CallStatus.ANSWERED


async def test_a_side_whose_device_is_gone_may_go_on_with_another(
    exchange: Exchange, ann: Handset, bob: Handset
) -> None:
    bob2 = exchange.connect("bob", "laptop")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.desk.answer(bob, call.call_id)
    with refused(ErrorCode.FORBIDDEN):
        await exchange.signal(bob2, call, "ann")
    exchange.disconnect(bob)
    await exchange.passes(1)
    await exchange.signal(bob2, call, "ann")
    await exchange.passes(60)
    assert (await exchange.desk.current("bob")).status is CallStatus.ANSWERED
    bob2.take()
    await exchange.signal(ann, call, "bob")
    assert bob2.actions() == ["webrtc_signaling"]


async def test_a_device_that_is_not_in_the_call_may_go(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    ann2, bob2 = exchange.connect("ann", "laptop"), exchange.connect("bob", "laptop")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    exchange.disconnect(bob2)
    await exchange.desk.answer(bob, call.call_id)
    exchange.disconnect(ann2)
    await exchange.passes(60)
    assert (await exchange.desk.current("ann")).status is CallStatus.ANSWERED


async def test_the_callee_may_be_away_while_it_rings(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    exchange.disconnect(bob)
    await exchange.passes(45)
    bob = exchange.connect("bob")
    await bob.push("call_incoming")
    assert (await exchange.desk.answer(bob, call.call_id)).status is CallStatus.ANSWERED


async def test_a_caller_who_is_gone_stops_the_ringing(exchange: Exchange, ann: Handset, bob: Handset) -> None:
    await exchange.desk.start(ann, "bob", AUDIO)
    exchange.disconnect(ann)
    await exchange.passes(30)
    told = await bob.push("call_ended")
    assert (told["status"], told["reason"]) == ("cancelled", "connection_lost")


@pytest.mark.parametrize("who", ["ann", "bob"])
async def test_a_device_that_went_while_its_request_was_on_the_way_is_missed(exchange: Exchange, who: str) -> None:
    ann, bob = exchange.connect("ann"), exchange.connect("bob")
    if who == "ann":
        exchange.disconnect(ann)
        await exchange.passes(1)
    call = await exchange.desk.start(ann, "bob", AUDIO)
    if who == "bob":
        exchange.disconnect(bob)
        await exchange.passes(1)
        await exchange.desk.answer(bob, call.call_id)
    await exchange.passes(0.25)
    await exchange.passes(30)
    assert (await (bob if who == "ann" else ann).push("call_ended"))["reason"] == "connection_lost"


@pytest.mark.parametrize(("erased", "left"), [("ann", 0), ("bob", 1)])
async def test_a_caller_who_was_erased_leaves_no_record(erased: str, left: int) -> None:
    async with opened() as exchange:
        ann = exchange.connect("ann")
        exchange.connect("bob")
        call = await exchange.desk.start(ann, "bob", AUDIO)
        await exchange.house.users.erase(erased)
        await exchange.desk.end(ann, call.call_id)
    assert len(await exchange.records("ann", "bob")) == left  # all that was to be written is


@pytest.mark.parametrize("is_answered", [False, True])
async def test_a_block_ends_the_call_for_both(exchange: Exchange, *, is_answered: bool) -> None:
    ann, bob = exchange.connect("ann"), exchange.connect("bob")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    if is_answered:
        await exchange.desk.answer(bob, call.call_id)
    await exchange.house.blocks.add("bob", "ann", 0)
    await exchange.house.access.relation_changed("ann", "bob")
    for handset in (ann, bob):
        told = await handset.push("call_ended")
        assert (told["status"], told["reason"]) == ("ended" if is_answered else "cancelled", "not_allowed")
    assert (await ann.push("message"))["payload"]["reason"] == "not_allowed", "the record is kept all the same"


async def test_what_else_becomes_of_friends_and_groups_ends_no_call(exchange: Exchange, ann: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.house.say("ann", "cleo")
    await exchange.house.blocks.add("cleo", "ann", 0)
    await exchange.house.access.relation_changed("ann", "cleo")
    await exchange.house.access.relation_changed("ann", "bob")
    await exchange.house.group("ann", "bob")
    await exchange.passes(1)
    assert (await exchange.desk.current("bob")).call_id == call.call_id


async def test_calls_end_with_the_server_that_alone_knows_them() -> None:
    async with House().open() as house:
        await house.friends_of_each_other("ann", "bob", "cleo", "dora")
        exchange = Exchange(house)
        handsets = {name: exchange.connect(name) for name in ("ann", "bob", "cleo", "dora")}
        async with exchange.desk.running():
            answered = await exchange.desk.start(handsets["ann"], "bob", AUDIO)
            await exchange.desk.answer(handsets["bob"], answered.call_id)
            await exchange.desk.start(handsets["cleo"], "dora", AUDIO)
        assert handsets["ann"].actions() == ["call_answered", "call_ended", "message"]
        for pair, status in ((("ann", "bob"), "ended"), (("cleo", "dora"), "cancelled")):
            (record,) = await exchange.records(*pair)
            assert (record["status"], record["reason"]) == (status, "server_stopped")


# signalling


async def test_while_it_rings_the_caller_is_heard_by_all_devices_of_the_callee(
    exchange: Exchange, ann: Handset, bob: Handset
) -> None:
    ann2, bob2 = exchange.connect("ann", "laptop"), exchange.connect("bob", "laptop")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.signal(ann, call, "bob", sdp="v=0 offer")
    for handset in (bob, bob2):
        assert await handset.push("webrtc_signaling") == {
            "callId": call.call_id,
            "type": "offer",
            "from": "ann",
            "sdp": "v=0 offer",
        }
    await exchange.signal(bob2, call, "ann", type=SignalType.CANDIDATE, sdp=None, candidate=Raw(b'"candidate:1"'))
    assert await ann.push("webrtc_signaling") == {
        "callId": call.call_id,
        "type": "candidate",
        "from": "bob",
        "candidate": "candidate:1",
    }
    assert ann2.pushes == []
    with refused(ErrorCode.FORBIDDEN):
        await exchange.signal(ann2, call, "bob")


async def test_once_answered_only_the_two_devices_hear_each_other(
    exchange: Exchange, ann: Handset, bob: Handset
) -> None:
    ann2, bob2 = exchange.connect("ann", "laptop"), exchange.connect("bob", "laptop")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.desk.answer(bob2, call.call_id)
    for handset in (ann, ann2, bob, bob2):
        handset.take()
    await exchange.signal(ann, call, "bob")
    await exchange.signal(bob2, call, "ann", type=SignalType.ANSWER)
    assert [handset.actions() for handset in (ann, ann2, bob, bob2)] == [
        ["webrtc_signaling"],
        [],
        [],
        ["webrtc_signaling"],
    ]
    with refused(ErrorCode.FORBIDDEN):
        await exchange.signal(bob, call, "ann")


async def test_candidates_pass_byte_by_byte(exchange: Exchange, ann: Handset) -> None:
    frames: list[bytes] = []
    bob = exchange.connect("bob")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    bob.send = lambda frame: frames.append(body_of(frame))  # type: ignore[method-assign]
    raw = b'{"sdpMLineIndex" : 0,"x":1.50e2,"candidate":"\\u0063andidate:1"}'
    await exchange.signal(ann, call, "bob", type=SignalType.CANDIDATE, sdp=None, candidate=Raw(raw))
    assert raw in frames[0]


async def test_signalling_goes_to_the_other_one_in_the_call_and_only_while_it_lives(
    exchange: Exchange, ann: Handset, bob: Handset
) -> None:
    cleo = exchange.connect("cleo")
    call = await exchange.desk.start(ann, "bob", AUDIO)
    for to in ("cleo", "ann", ""):
        with refused(ErrorCode.INVALID):
            await exchange.signal(ann, call, to)
    with refused(ErrorCode.INVALID):
        await exchange.signal(ann, call, "bob", sdp=None)
    await exchange.desk.end(ann, call.call_id)
    with refused(ErrorCode.CALL_STATE):
        await exchange.signal(ann, call, "bob")
    assert cleo.pushes == []
    assert "webrtc_signaling" not in bob.actions()


# records


async def test_a_record_that_the_database_does_not_take_is_written_later_and_once(
    exchange: Exchange, ann: Handset, bob: Handset
) -> None:
    exchange.house.failures["Messages.insert"] = [StoreDown("away"), StoreDown("still away")]
    call = await exchange.desk.start(ann, "bob", AUDIO)
    await exchange.desk.reject(bob, call.call_id)
    for _ in range(6):
        await exchange.passes(0.25)
        await exchange.house.messages.batches.drain()
    assert exchange.house.failures["Messages.insert"] == []
    assert (await ann.push("message"))["payload"]["status"] == "rejected"
    assert len(await exchange.records("ann", "bob")) == 1


async def test_a_record_that_a_node_which_died_left_unwritten_is_written_by_another_and_once() -> None:
    async with House().open() as house:
        await house.friends_of_each_other("ann", "bob")
        died, lives = Exchange(house), Exchange(house)
        ann = died.connect("ann")
        call = await died.desk.start(ann, "bob", AUDIO)
        await died.desk.end(ann, call.call_id)  # it is told so, and nothing of it writes the record
        async with Exchange(house, calls=died.calls).desk.running():
            await lives.passes(4)
            assert await lives.records("ann", "bob") == []
            for _ in range(4):
                await lives.passes(5)
        assert [record["callId"] for record in await lives.records("ann", "bob")] == [call.call_id]
        assert await died.calls.owed(house.clock.now_ms()) == []


async def test_no_client_can_write_a_record_or_take_its_place(exchange: Exchange, ann: Handset) -> None:
    call = await exchange.desk.start(ann, "bob", AUDIO)
    payload = Raw(b'{"text":"hi"}')
    with refused(ErrorCode.INVALID):
        await exchange.house.messages.send_now(ann, SendData(type="call", payload=payload, to="bob"))
    taken = SendData(type="text", payload=payload, to="bob", client_msg_id=f"call-{call.call_id}")
    await exchange.house.messages.send_now(ann, taken)
    await exchange.desk.end(ann, call.call_id)
    await ann.push("message")
    assert [record["callId"] for record in await exchange.records("ann", "bob")] == [call.call_id]


async def test_without_webrtc_there_are_no_calls() -> None:
    async with opened(enabled=False) as exchange:
        ann = exchange.connect("ann")
        for ask in (exchange.desk.answer, exchange.desk.reject, exchange.desk.end):
            with refused(ErrorCode.WEBRTC_DISABLED):
                await ask(ann, "call")
        with refused(ErrorCode.WEBRTC_DISABLED):
            await exchange.desk.start(ann, "bob", AUDIO)
        with refused(ErrorCode.WEBRTC_DISABLED):
            await exchange.desk.signal(ann, SignalData("call", SignalType.OFFER, "bob", "v=0"))
        with refused(ErrorCode.NOT_FOUND):
            await exchange.desk.current("ann")


NAMES = ("ann", "bob", "cleo")
ACTS = ("start", "answer", "reject", "end", "drop", "come", "wait")
Act = tuple[str, str, str]


@settings(UNHURRIED, max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=4),
        max_size=12,
    )
)
async def test_whatever_happens_at_once_everybody_is_in_one_call_and_every_call_leaves_one_record(
    turns: list[list[Act]],
) -> None:
    async with House().open() as house:
        await house.friends_of_each_other(*NAMES)
        exchange = Exchange(house)
        begun: set[str] = set()
        async with exchange.desk.running():
            handsets = {name: exchange.connect(name) for name in NAMES}
            for turn in turns:
                await asyncio.gather(*(_act(exchange, handsets, begun, *act) for act in turn))
                await _check_that_both_are_in_it(exchange)
        records = [record for pair in combinations(NAMES, 2) for record in await exchange.records(*pair)]
        assert sorted(record["callId"] for record in records) == sorted(begun)


async def _check_that_both_are_in_it(exchange: Exchange) -> None:
    current = {name: await exchange.calls.of_user(name) for name in NAMES}
    for name, call in current.items():
        assert call is None or current[call.other_side(name).user_id] == call


async def _act(exchange: Exchange, handsets: dict[str, Handset], begun: set[str], *act: str) -> None:
    what, name, other = act
    if what == "drop":
        return exchange.disconnect(handsets[name])
    if what == "come":
        handsets[name] = exchange.connect(name)
        return None
    if what == "wait":
        return await exchange.passes(17)
    with contextlib.suppress(GoimError):
        if what == "start":
            begun.add((await exchange.desk.start(handsets[name], other, AUDIO)).call_id)
        else:
            current = await exchange.desk.current(name)
            await getattr(exchange.desk, what)(handsets[name], current.call_id)
    return None
