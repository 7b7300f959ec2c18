"""Puts together what tells other servers: the outbox, what fills it and what empties it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from goim.app.storage import Stores
from goim.clock import Clock
from goim.config import Settings
from goim.config.hooks import parse_endpoint, parse_secrets
from goim.metrics import Metrics
from goim.outbound.guard import Guard
from goim.outbound.http import HttpPoster
from goim.services.accounts import Accounts
from goim.services.changes import ChangeDesk
from goim.services.courier import Courier, Lane
from goim.services.event_feed import EventFeed
from goim.services.group_roster import GroupRoster
from goim.services.messages import Messages
from goim.services.webhooks import Webhooks
from goim.stores.outbox import Outbox


class Hooks:
    """Made only where something is configured that needs it: without it no service knows that there are hooks."""

    def __init__(self, settings: Settings, stores: Stores, clock: Clock, metrics: Metrics) -> None:
        hooks = settings.hooks
        give_up_ms = int(hooks.give_up * 1000)
        self.outbox: Outbox = stores.outbox
        self._poster = HttpPoster(Guard(hooks.allow_private))
        self.webhooks = Webhooks(
            [parse_endpoint(text) for text in hooks.endpoints],
            parse_secrets(hooks.secrets.get_secret_value()),
            self._poster,
            clock,
            metrics,
            timeout=hooks.timeout,
        )
        self.feed = EventFeed(
            stores.outbox,
            stores.feed_marks,
            stores.log_scan,
            stores.conversations,
            stores.messages,
            [self.webhooks],
            clock,
            longest_ms=give_up_ms,
        )
        lanes = [Lane(name, self.webhooks.deliver, concurrency=hooks.concurrency) for name in self.webhooks.endpoints]
        self._courier = Courier(
            stores.outbox, lanes, self.feed.wake, clock, metrics, give_up_ms=give_up_ms, max_waiting=hooks.max_waiting
        )
        self.webhooks.is_full = self._courier.is_full

    def follow(self, messages: Messages, changes: ChangeDesk, roster: GroupRoster, accounts: Accounts) -> None:
        """Be told what happens."""
        messages.feed = changes.feed = roster.feed = accounts.feed = self.feed

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What happens gets into the outbox."""
        async with self._poster.running(), self.feed.running():
            yield

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """And is sent."""
        async with self._courier.running(), self.feed.watching():
            yield


def hooks_of(settings: Settings, stores: Stores, clock: Clock, metrics: Metrics) -> Hooks | None:
    """The hooks, if any are configured."""
    return Hooks(settings, stores, clock, metrics) if settings.hooks.endpoints else None
