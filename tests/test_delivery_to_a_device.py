"""A push for one device of a user reaches that one alone, on whichever node it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from goim.bus.memory import MemoryBus, MemoryHub
from goim.delivery import Delivery
from goim.metrics import Metrics
from goim.notices import DeviceKicked, Notices
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, body_of
from goim.protocol.pushes import Reconnect, ReconnectData

PUSH = Reconnect(ReconnectData(7))
DEVICES = ("phone", "laptop", "", "téléphone ☎", "\0", "x" * 64)


class Line:
    """A connection that keeps what it is sent."""

    transport_name = "websocket"
    session_id = "session"
    token_ends = None
    queued_bytes = 0

    def __init__(self, node: Delivery, user_id: str, device_id: str, connected_at: int = 0) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.connected_at = connected_at
        self.pushes: list[Any] = []
        node.attach(self)

    def send(self, frame: Frame) -> None:
        self.pushes.append(json.loads(body_of(frame)))

    def close(self, code: CloseCode) -> None:
        self.pushes.append(code)


class Late(MemoryBus):
    """A bus that keeps what is told, until it is told to go on."""

    def __init__(self, hub: MemoryHub) -> None:
        super().__init__(hub)
        self.told: list[tuple[str, bytes]] = []

    def publish(self, topic: str, body: bytes) -> None:
        self.told.append((topic, body))

    def go_on(self) -> None:
        while self.told:
            super().publish(*self.told.pop(0))


def two_nodes() -> tuple[Delivery, Delivery]:
    hub = MemoryHub()
    return joined_by(MemoryBus(hub)), joined_by(MemoryBus(hub))


def joined_by(bus: MemoryBus) -> Delivery:
    return Delivery(bus, Notices(bus), Metrics())


@pytest.mark.parametrize("device_id", DEVICES)
@pytest.mark.parametrize("is_here", [True, False])
def test_only_the_device_receives_it(device_id: str, *, is_here: bool) -> None:
    here, elsewhere = two_nodes()
    lines = {name: Line(here if is_here else elsewhere, "ann", name) for name in DEVICES}
    bystanders = [Line(here, "ann", "tablet"), Line(elsewhere, "ann", "watch"), Line(elsewhere, "bob", device_id)]
    here.to_user("ann", PUSH, device_id=device_id)
    assert lines.pop(device_id).pushes == [{"action": "reconnect", "data": {"afterMs": 7}}]
    assert all(line.pushes == [] for line in [*lines.values(), *bystanders])


def test_a_device_that_is_nowhere_receives_nothing_and_neither_does_any_other() -> None:
    here, elsewhere = two_nodes()
    lines = [Line(here, "ann", "phone"), Line(elsewhere, "ann", "laptop")]
    here.to_user("ann", PUSH, device_id="tablet")
    assert all(line.pushes == [] for line in lines)


def test_the_connection_that_acts_is_spared_even_by_its_own_device() -> None:
    here, _ = two_nodes()
    line = Line(here, "ann", "phone")
    here.to_user("ann", PUSH, line, device_id="phone")
    assert line.pushes == []


@pytest.mark.parametrize("is_late_first", [True, False])
def test_of_a_device_on_two_nodes_the_newer_connection_stays_whenever_they_hear_of_each_other(
    *, is_late_first: bool
) -> None:
    hub = MemoryHub()
    buses = Late(hub), Late(hub)
    one, other = map(joined_by, buses)
    older, newer = Line(one, "ann", "phone", 1_000), Line(other, "ann", "phone", 1_001)
    for bus in buses if is_late_first else reversed(buses):
        bus.go_on()
    assert (older.pushes, newer.pushes) == ([CloseCode.REPLACED], [])
    assert (one.connections_of("ann"), other.connections_of("ann")) == ([], [newer])


def test_of_a_device_that_came_to_two_nodes_in_one_millisecond_one_connection_stays() -> None:
    hub = MemoryHub()
    buses = Late(hub), Late(hub)
    lines = [Line(joined_by(bus), "ann", "phone", 1_000) for bus in buses]
    for bus in buses:
        bus.go_on()
    assert sorted(line.pushes for line in lines) == [[], [CloseCode.REPLACED]]


def test_a_device_that_is_put_out_may_have_come_back_before_its_node_hears_of_it() -> None:
    hub = MemoryHub()
    notices = Notices(MemoryBus(hub))
    back = Line(joined_by(MemoryBus(hub)), "ann", "phone", 1_001)
    notices.tell_others(DeviceKicked("ann", "phone", 1_000))
    assert back.pushes == []
    notices.tell_others(DeviceKicked("ann", "phone", 1_002))
    assert back.pushes == [CloseCode.KICKED]
