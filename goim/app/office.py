"""The services put together, and nobody they are served to: what commands work with.

Each kind of service is made in a file of its own beside this one, over a `Ground`; what ties one kind to another is
here.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from goim.app.administering import administration_of
from goim.app.calling import calls_of
from goim.app.files import files_of
from goim.app.ground import Ground
from goim.app.groups import groups_of
from goim.app.hooks import Hooks, are_hooks_wanted
from goim.app.joining import catch_up_of, meet
from goim.app.messaging import messaging_of
from goim.app.people import people_of
from goim.app.pushing import push_desk_of
from goim.app.reading import reading_of
from goim.app.storage import open_stores
from goim.clock import SystemClock
from goim.config import Settings, signing_secrets
from goim.services.ice import IceServers
from goim.services.mailroom import Postbox
from goim.services.registry import Services


class Office:
    """What has the services do what they are asked."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.settings, self.tasks = ground.settings, ground.tasks
        self._people, self._groups, self._files = people_of(ground), groups_of(ground), files_of(ground)
        self._messaging = messaging_of(ground)
        self._reading = reading_of(ground, self._messaging)
        self.operator, self.sweeper = self._groups.operator, self._files.sweeper
        self.services = self._services()
        self.hooks = self._hooks()
        self._erase_with_accounts()
        meet(ground.shared, self.services, ground.notices, ground.clock)
        self._catch_up = catch_up_of(self.services, ground.stores, ground.bus, ground.log, ground.notices)

    def _services(self) -> Services:
        """What actions and routes are handed."""
        ground, people, groups = self.ground, self._people, self._groups
        files, messaging, reading = self._files, self._messaging, self._reading
        return Services(
            settings=ground.settings,
            clock=ground.clock,
            metrics=ground.metrics,
            delivery=ground.delivery,
            access=ground.access,
            accounts=people.accounts,
            sessions=people.sessions,
            devices=people.devices,
            friends=people.friends,
            presence=people.presence,
            groups=groups.desk,
            group_door=groups.door,
            group_notices=groups.notices,
            messages=messaging.messages,
            streams=messaging.streams,
            specials=messaging.specials,
            receipts=messaging.receipts,
            changes=messaging.changes,
            conversations=reading.conversations,
            readers=reading.readers,
            history=reading.history,
            search=reading.search,
            unread=reading.unread,
            favourites=reading.favourites,
            files=files.desk,
            partial_uploads=files.partial_uploads,
            calls=calls_of(ground, messaging.messages),
            ice=IceServers(ground.settings.webrtc, ground.clock),
            push=push_desk_of(ground.settings, ground.stores, ground.clock),
            administration=administration_of(ground, people, groups.operator),
        )

    def _hooks(self) -> Hooks | None:
        """What tells and asks other servers, if one is configured."""
        ground, services = self.ground, self.services
        if not are_hooks_wanted(ground.settings):
            return None
        hooks = Hooks(
            ground.settings, ground.stores, services.presence, self._reading.one_message, ground.clock, ground.metrics
        )
        hooks.follow(services.messages, services.changes, self._groups.roster, services.accounts)
        return hooks

    def _erase_with_accounts(self) -> None:
        """What goes with an account; what came while it went goes after it."""
        services = self.services
        theirs = [services.groups.leave_all, services.files.erase, services.favourites.erase, services.push.erase]
        services.accounts.on_erase += [services.changes.erase_messages, *theirs]
        services.accounts.after_erase += theirs

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What the services need to do what they are asked; at the end everything is written."""
        ground, services = self.ground, self.services
        async with (
            self._people.passwords,
            self._files.images,
            ground.grants.batches.running(),
            ground.group_index.running(),
            self.hooks.working() if self.hooks is not None else contextlib.nullcontext(),
            ground.behind.running(),
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
        office = Office(Ground(settings, stores, postbox, clock))
        async with postbox.open(), office.working(), office.tasks:
            yield office
