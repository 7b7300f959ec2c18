"""The rules of calls, one by one, and then in every order that hypothesis can think of."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from msgspec import UNSET

from goim.errors import ErrorCode, GoimError
from goim.livecalls.memory import MemoryLiveCalls
from goim.model.calls import CallReason, CallStatus, CallType, LiveCall, Side, ring
from goim.model.conversations import c2c
from tests.steps import done
from tests.thinking import UNHURRIED

START = 1_766_000_000_000
RING_MS = 60_000
GRACE_MS = 30_000


def call_of(caller: str = "ann", callee: str = "bob", *, call_id: str = "call", at: int = START) -> LiveCall:
    return ring(
        call_id,
        c2c(caller, callee),
        Side(user_id=caller, device_id=f"{caller}-phone"),
        CallType.AUDIO,
        at,
        record_key=f"key-{call_id}",
        rings_until=at + RING_MS,
    )


def refusal_of(step: Callable[[], object]) -> ErrorCode:
    with pytest.raises(GoimError) as caught:
        step()
    return caught.value.code


RINGING = call_of()
ANSWERED = RINGING.answer("bob", "bob-phone", START + 5_000)
OVER = {
    "rejected": RINGING.reject("bob", START + 1),
    "cancelled": RINGING.end("ann", START + 1),
    "missed": RINGING.expire(START + RING_MS),
    "ended": ANSWERED.end("bob", START + 9_000),
}


def test_a_call_begins_ringing_from_one_device_to_all_of_the_other() -> None:
    assert msgspec.to_builtins(RINGING.call) == {
        "callId": "call",
        "from": "ann",
        "to": "bob",
        "type": "audio",
        "status": "ringing",
        "startedAt": START,
        "duration": 0,
    }
    assert (RINGING.caller.device_id, RINGING.callee.device_id) == ("ann-phone", None)


def test_an_answered_call_counts_the_whole_seconds_from_the_answer_to_the_end() -> None:
    ended = ANSWERED.end("ann", START + 5_000 + 61_999)
    assert msgspec.to_builtins(ended.call) == {
        "callId": "call",
        "from": "ann",
        "to": "bob",
        "type": "audio",
        "status": "ended",
        "startedAt": START,
        "answeredAt": START + 5_000,
        "endedAt": START + 66_999,
        "duration": 61,
    }
    assert msgspec.to_builtins(ended.record) == {"callId": "call", "type": "audio", "status": "ended", "duration": 61}


def test_a_clock_set_back_makes_no_negative_duration() -> None:
    assert ANSWERED.end("ann", START).call.duration == 0


def test_who_hangs_up_while_it_rings_takes_it_back_or_turns_it_down() -> None:
    assert RINGING.end("ann", START + 1).call.status is CallStatus.CANCELLED
    assert RINGING.end("bob", START + 1).call.status is CallStatus.REJECTED
    assert RINGING.reject("bob", START + 1).call.status is CallStatus.REJECTED


def test_the_caller_neither_answers_nor_rejects() -> None:
    assert refusal_of(lambda: RINGING.answer("ann", "ann-phone", START)) is ErrorCode.FORBIDDEN
    assert refusal_of(lambda: RINGING.reject("ann", START)) is ErrorCode.FORBIDDEN


@pytest.mark.parametrize("call", [RINGING, ANSWERED, *OVER.values()], ids=lambda call: call.call.status)
def test_a_stranger_finds_no_call(call: LiveCall) -> None:
    for step in (
        lambda: call.answer("cleo", "cleo-phone", START),
        lambda: call.reject("cleo", START),
        lambda: call.end("cleo", START),
        lambda: call.take_part("cleo", "cleo-phone"),
    ):
        assert refusal_of(step) is ErrorCode.NOT_FOUND


def test_an_answered_call_is_neither_answered_again_nor_rejected() -> None:
    assert refusal_of(lambda: ANSWERED.answer("bob", "bob-laptop", START)) is ErrorCode.CALL_STATE
    assert refusal_of(lambda: ANSWERED.reject("bob", START)) is ErrorCode.CALL_STATE


@pytest.mark.parametrize("call", OVER.values(), ids=OVER.keys())
def test_a_call_that_is_over_stays_over(call: LiveCall) -> None:
    for step in (
        lambda: call.answer("bob", "bob-phone", START + 99_000),
        lambda: call.reject("bob", START + 99_000),
        lambda: call.end("ann", START + 99_000),
        lambda: call.take_part("bob", "bob-phone"),
    ):
        assert refusal_of(step) is ErrorCode.CALL_STATE
    assert call.due_at is None
    assert call.expire(START + 999_000) is call
    assert call.break_off(START + 999_000, CallReason.SERVER_STOPPED) is call
    assert call.lose("ann", "ann-phone", START + 999_000) is call
    assert call.regain("ann", "ann-phone") is call


def test_ringing_ends_by_itself_in_time_and_not_before() -> None:
    assert RINGING.due_at == START + RING_MS
    assert RINGING.expire(START + RING_MS - 1) is RINGING
    missed = RINGING.expire(START + RING_MS)
    assert (missed.call.status, missed.call.reason) == (CallStatus.MISSED, CallReason.TIMEOUT)


def test_an_answered_call_has_no_deadline_until_a_side_is_lost() -> None:
    assert ANSWERED.due_at is None
    assert ANSWERED.expire(START + 10**9) is ANSWERED


@pytest.mark.parametrize(("user_id", "device_id"), [("ann", "ann-phone"), ("bob", "bob-phone")])
def test_a_side_that_is_lost_has_its_grace_and_then_the_call_is_over(user_id: str, device_id: str) -> None:
    until = START + 10_000 + GRACE_MS
    lost = ANSWERED.lose(user_id, device_id, until)
    assert lost.due_at == until
    assert lost.expire(until - 1) is lost
    ended = lost.expire(until)
    assert (ended.call.status, ended.call.reason) == (CallStatus.ENDED, CallReason.CONNECTION_LOST)
    assert ended.call.duration == 35


def test_a_side_that_comes_back_in_time_is_in_the_call_as_before() -> None:
    lost = ANSWERED.lose("ann", "ann-phone", START + GRACE_MS)
    assert lost.regain("ann", "ann-laptop") is lost, "another of their devices"
    assert lost.regain("ann", "ann-phone") == ANSWERED


def test_losing_a_connection_twice_does_not_lengthen_the_grace() -> None:
    lost = ANSWERED.lose("ann", "ann-phone", START + GRACE_MS)
    assert lost.lose("ann", "ann-phone", START + 2 * GRACE_MS) is lost


def test_when_both_sides_are_lost_the_first_deadline_counts() -> None:
    lost = ANSWERED.lose("ann", "ann-phone", START + 40_000).lose("bob", "bob-phone", START + 35_000)
    assert lost.due_at == START + 35_000


def test_a_device_that_is_not_in_the_call_may_go() -> None:
    assert ANSWERED.lose("bob", "bob-laptop", START) is ANSWERED
    assert RINGING.lose("bob", "bob-phone", START) is RINGING, "it rings at all of bob's devices"


def test_a_caller_who_is_gone_stops_the_ringing() -> None:
    lost = RINGING.lose("ann", "ann-phone", START + GRACE_MS)
    assert lost.due_at == START + GRACE_MS
    over = lost.expire(START + GRACE_MS)
    assert (over.call.status, over.call.reason) == (CallStatus.CANCELLED, CallReason.CONNECTION_LOST)
    assert lost.expire(START + RING_MS).call.status is CallStatus.MISSED, "looked at late, it rang its time"


def test_only_the_device_in_the_call_speaks_unless_it_is_gone() -> None:
    assert ANSWERED.take_part("bob", "bob-phone") is ANSWERED
    assert refusal_of(lambda: ANSWERED.take_part("bob", "bob-laptop")) is ErrorCode.FORBIDDEN
    assert refusal_of(lambda: RINGING.take_part("ann", "ann-laptop")) is ErrorCode.FORBIDDEN
    assert RINGING.take_part("bob", "bob-laptop") is RINGING, "while it rings, any of the callee's"
    lost = ANSWERED.lose("bob", "bob-phone", START + GRACE_MS)
    assert lost.take_part("bob", "bob-phone") == ANSWERED
    moved = lost.take_part("bob", "bob-laptop")
    assert (moved.callee.device_id, moved.due_at) == ("bob-laptop", None)


def test_breaking_off_says_why() -> None:
    for call, status in ((RINGING, CallStatus.CANCELLED), (ANSWERED, CallStatus.ENDED)):
        over = call.break_off(START + 6_000, CallReason.NOT_ALLOWED)
        assert (over.call.status, over.call.reason) == (status, CallReason.NOT_ALLOWED)
        assert msgspec.to_builtins(over.record)["reason"] == "not_allowed"


@pytest.mark.parametrize("call", [RINGING, ANSWERED.lose("bob", "bob-phone", START), *OVER.values()])
def test_a_call_can_be_written_down_and_read_again(call: LiveCall) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(call), type=LiveCall) == call


USERS = ("ann", "bob", "cleo", "dora")
users = st.sampled_from(USERS)
devices = st.sampled_from(("phone", "laptop"))


class Telephones(RuleBasedStateMachine):
    """Four people with two devices each call one another; what was seen of each call is held against what comes."""

    calls: Bundle[str] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryLiveCalls()
        self.now = START
        self.made = 0
        self.seen: dict[str, LiveCall] = {}
        self.records: list[str] = []
        self.refusals: set[ErrorCode] = set()

    def change(self, call_id: str, step: Callable[[LiveCall], LiveCall]) -> None:
        """A step as the service takes it: refused, or stored at once with its record."""
        before = done(self.store.get(call_id))
        assert before is not None
        try:
            after = step(before)
        except GoimError as error:
            self.refusals.add(error.code)
            return
        assert after is before or not before.is_over, "a call that is over has changed"
        if after is not before:
            assert done(self.store.swap(before, after))
            assert not done(self.store.swap(before, after)), "the same step was taken twice"
            if after.is_over:
                self.records.append(call_id)
        self.seen[call_id] = after

    @rule(target=calls, caller=users, callee=users, device=devices)
    def start(self, caller: str, callee: str, device: str) -> str:
        if caller == callee:
            callee = USERS[USERS.index(caller) - 1]
        self.made += 1
        fresh = call_of(caller, callee, call_id=f"call{self.made}", at=self.now)
        fresh = msgspec.structs.replace(fresh, caller=Side(user_id=caller, device_id=device))
        free = all(done(self.store.of_user(user_id)) is None for user_id in (caller, callee))
        busy = done(self.store.begin(fresh))
        assert (busy is None) is free
        if busy is None:
            self.seen[fresh.call_id] = fresh
            return fresh.call_id
        if busy.rings_from(callee, caller):
            self.change(busy.call_id, lambda call: call.answer(caller, device, self.now))
            assert self.seen[busy.call_id].call.status is CallStatus.ANSWERED, "glare is an answer"
        return busy.call_id

    @rule(call_id=calls, user_id=users, device=devices)
    def answer(self, call_id: str, user_id: str, device: str) -> None:
        self.change(call_id, lambda call: call.answer(user_id, device, self.now))

    @rule(call_id=calls, user_id=users)
    def reject(self, call_id: str, user_id: str) -> None:
        self.change(call_id, lambda call: call.reject(user_id, self.now))

    @rule(call_id=calls, user_id=users)
    def end(self, call_id: str, user_id: str) -> None:
        self.change(call_id, lambda call: call.end(user_id, self.now))

    @rule(call_id=calls, user_id=users, device=devices)
    def speak(self, call_id: str, user_id: str, device: str) -> None:
        self.change(call_id, lambda call: call.take_part(user_id, device))

    @rule(user_id=users, device=devices)
    def lose(self, user_id: str, device: str) -> None:
        call = done(self.store.of_user(user_id))
        if call is not None:
            self.change(call.call_id, lambda call: call.lose(user_id, device, self.now + GRACE_MS))

    @rule(user_id=users, device=devices)
    def regain(self, user_id: str, device: str) -> None:
        call = done(self.store.of_user(user_id))
        if call is not None:
            self.change(call.call_id, lambda call: call.regain(user_id, device))

    @rule(seconds=st.sampled_from((1, 7, 29, 30, 61)))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000
        for call in done(self.store.due(self.now)):
            self.change(call.call_id, lambda call: call.expire(self.now))
            assert self.seen[call.call_id].is_over, "it was due"
        assert done(self.store.due(self.now)) == []

    @rule(call_id=consumes(calls))
    def ask_late(self, call_id: str) -> None:
        assert done(self.store.get(call_id)) == self.seen[call_id], "a call that is over is remembered for a while"

    @invariant()
    def nobody_is_in_two_live_calls(self) -> None:
        live = [call for call in self.seen.values() if not call.is_over]
        people = [side.user_id for call in live for side in (call.caller, call.callee)]
        assert len(people) == len(set(people))
        assert {user_id for user_id in USERS if done(self.store.of_user(user_id)) is not None} == set(people)
        assert all(done(self.store.of_user(call.caller.user_id)) == call for call in live)

    @invariant()
    def every_call_that_is_over_left_one_record(self) -> None:
        assert sorted(self.records) == sorted(call_id for call_id, call in self.seen.items() if call.is_over)

    @invariant()
    def steps_are_refused_for_known_reasons(self) -> None:
        assert self.refusals <= {ErrorCode.CALL_STATE, ErrorCode.FORBIDDEN, ErrorCode.NOT_FOUND}

    @invariant()
    def what_a_call_says_of_itself_fits_its_status(self) -> None:
        for call in (live.call for live in self.seen.values()):
            was_answered = call.answered_at is not UNSET
            assert was_answered is (call.status in (CallStatus.ANSWERED, CallStatus.ENDED))
            assert (call.ended_at is UNSET) is (call.status in (CallStatus.RINGING, CallStatus.ANSWERED))
            assert call.duration == 0 or call.status is CallStatus.ENDED
            assert (call.reason is CallReason.TIMEOUT) is (call.status is CallStatus.MISSED)

    @invariant()
    def nothing_outlives_its_deadline(self) -> None:
        assert all(call.due_at is None or call.due_at > self.now for call in self.seen.values())


Telephones.TestCase.settings = settings(UNHURRIED, max_examples=60, stateful_step_count=40)
TestTelephones = Telephones.TestCase
