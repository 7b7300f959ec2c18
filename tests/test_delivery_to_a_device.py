"""A push for one device of a user reaches that one alone, on whichever node it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from goim.bus.memory import MemoryBus, MemoryHub
from goim.delivery import Delivery
from goim.metrics import Metrics
from goim.notices import Notices
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame
from goim.protocol.pushes import Reconnect, ReconnectData

PUSH = Reconnect(ReconnectData(7))
DEVICES = ("phone", "laptop", "", "téléphone ☎", "\0", "x" * 64)


class Line:
    """A connection that keeps what it is sent."""

    transport_name = "websocket"
    connected_at = 0
    session_id = "session"
    queued_bytes = 0

    def __init__(self, node: Delivery, user_id: str, device_id: str) -> None:
        self.user_id = user_id
        self.device_id = device_id
        self.pushes: list[Any] = []
        node.attach(self)

    def send(self, frame: Frame) -> None:
        self.pushes.append(json.loads(frame.body))

    def close(self, code: CloseCode) -> None:
        self.pushes.append(code)


def two_nodes() -> tuple[Delivery, Delivery]:
    hub = MemoryHub()
    buses = MemoryBus(hub), MemoryBus(hub)
    one, other = (Delivery(bus, Notices(bus), Metrics()) for bus in buses)
    return one, other


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
