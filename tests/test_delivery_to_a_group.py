"""The last push of a group reaches its members on other nodes, whatever carries their topics."""

from __future__ import annotations

from goim.bus.base import NOTICES
from goim.bus.memory import MemoryBus, MemoryHub
from goim.delivery import Delivery
from goim.metrics import Metrics
from goim.notices import GroupGone, Notices
from goim.protocol.pushes import GroupData, GroupDisbanded
from tests.test_delivery_to_a_device import Line


class ClusterBus(MemoryBus):
    """Notices are at another server than everything else, and that one is quicker."""

    def __init__(self, hub: MemoryHub) -> None:
        super().__init__(hub)
        self._late: list[tuple[str, bytes]] = []

    def publish(self, topic: str, body: bytes) -> None:
        if topic == NOTICES:
            super().publish(topic, body)
        else:
            self._late.append((topic, body))

    def catch_up(self) -> None:
        while self._late:
            super().publish(*self._late.pop(0))


def test_members_on_another_node_hear_that_their_group_is_disbanded() -> None:
    hub = MemoryHub()
    buses = ClusterBus(hub), ClusterBus(hub)
    notices = [Notices(bus) for bus in buses]
    here, elsewhere = (Delivery(bus, each, Metrics()) for bus, each in zip(buses, notices, strict=True))
    lines = [Line(here, "ann", "phone"), Line(elsewhere, "bob", "laptop")]
    for node, line in zip((here, elsewhere), lines, strict=True):
        node.enter_groups(line, ["g"])
    here.to_group("g", GroupDisbanded(GroupData("g", by="ann")), is_last=True)
    notices[0].emit(GroupGone("g"))
    buses[0].catch_up()
    told = {"action": "group_disbanded", "data": {"groupId": "g", "by": "ann"}}
    assert [line.pushes for line in lines] == [[told], [told]]
    assert here.groups() == elsewhere.groups() == []
