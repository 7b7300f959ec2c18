"""What the services of a node stand on: what it is opened with, and what is made of that once for all of them."""

from __future__ import annotations

from goim.app.joining import Shared, alone
from goim.app.storage import Stores
from goim.bus.base import Bus
from goim.clock import Clock
from goim.config import Settings
from goim.delivery import Delivery
from goim.events.base import GroupEvents
from goim.metrics import Metrics
from goim.notices import Notices
from goim.services.access import AccessBook
from goim.services.behind import Behind
from goim.services.file_grants import FileGrants
from goim.services.group_index import GroupIndex
from goim.services.second_look import SecondLook
from goim.stores.log import Log
from goim.tasks import Tasks


class Ground:
    """Without `group_events` a node works them off itself; without `shared` it shares nothing with other nodes."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        bus: Bus,
        clock: Clock,
        metrics: Metrics | None = None,
        group_events: GroupEvents | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.settings = settings
        self.stores = stores
        self.bus = bus
        self.clock = clock
        self.metrics = metrics or Metrics()
        self.shared = shared or alone(settings, clock)
        self.tasks = Tasks()
        self.notices = Notices(bus)
        self.delivery = Delivery(bus, self.notices, self.metrics)
        self.log = Log(stores.messages, clock, self.metrics, is_shared=lambda: bus.has_company, turns=stores.turns)
        self.access = AccessBook(
            stores.conversations, stores.friends, stores.blocks, stores.groups, stores.members, self.notices, clock
        )
        self.group_index = group_index(settings, stores, clock, self.metrics)
        self.behind = Behind(
            stores.conversations, stores.receipts, stores.groups, group_events or self.group_index, clock
        )
        self.second_look = SecondLook(self.notices, clock)
        self.grants = FileGrants(stores.grants, clock, public_url=settings.server.public_url)


def group_index(settings: Settings, stores: Stores, clock: Clock, metrics: Metrics) -> GroupIndex:
    """What moves groups up in their members' lists: in a node, and in a consumer of its own."""
    groups = settings.groups
    return GroupIndex(
        stores.conversations, clock, metrics, batch_size=groups.batch_size, batch_sleep=groups.batch_sleep_ms / 1000
    )
