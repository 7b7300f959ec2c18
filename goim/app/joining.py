"""Makes what joins a node to others, over its services."""

from __future__ import annotations

from goim.app.storage import Stores
from goim.bus.base import Bus
from goim.notices import Notices
from goim.services.catch_up import CatchUp
from goim.services.registry import Services
from goim.stores.log import Log


def catch_up_of(services: Services, stores: Stores, bus: Bus, log: Log, notices: Notices) -> CatchUp:
    """What finds in the log what the bus did not bring."""
    return CatchUp(
        services.delivery,
        notices,
        bus,
        log,
        stores.messages,
        stores.changes,
        stores.conversations,
        stores.groups,
        services.messages.in_flight,
        services.changes,
        services.streams,
        services.sessions,
        services.metrics,
        services.clock,
    )
