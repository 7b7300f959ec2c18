"""The services over their stores, and nobody they are served to: what commands work with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from goim.app.assembly import Assembly
from goim.app.joining import Shared
from goim.app.storage import Stores, open_stores
from goim.bus.base import Bus
from goim.clock import Clock, SystemClock
from goim.config import Settings, signing_secrets
from goim.events.base import GroupEvents
from goim.metrics import Metrics
from goim.services.mailroom import Postbox
from goim.tasks import Tasks


class Office:
    """What has the services do what they are asked."""

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
        self.tasks = Tasks()
        self._clock = clock
        self._assembly = Assembly(settings, stores, bus, clock, self.tasks, metrics or Metrics(), group_events, shared)
        self.services = self._assembly.services
        self.operator = self._assembly.operator
        self.sweeper = self._assembly.sweeper
        self.hooks = self._assembly.hooks

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What the services need to do what they are asked; at the end everything is written."""
        services = self.services
        async with (
            self._assembly.passwords,
            self._assembly.images,
            self._assembly.grants.batches.running(),
            self._assembly.group_index.running(),
            self.hooks.working() if self.hooks is not None else contextlib.nullcontext(),
            self._assembly.behind.running(),
            services.receipts.batches.running(),
            services.messages.contested.batches.running(),
            services.messages.batches.running(),
        ):
            yield


@contextlib.asynccontextmanager
async def open_office(settings: Settings) -> AsyncIterator[Office]:
    """An office for commands: the nodes at the same database are told at the end what it did."""
    signing_secrets(settings)
    clock = SystemClock()
    async with open_stores(settings) as stores:
        postbox = Postbox(stores.mailbox, clock)
        office = Office(settings, stores, postbox, clock)
        async with postbox.open(), office.working(), office.tasks:
            yield office
