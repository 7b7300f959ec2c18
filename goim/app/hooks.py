"""Puts together what tells other servers: the outbox, what fills it and what empties it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from goim.app.storage import Stores
from goim.clock import Clock
from goim.config import Settings
from goim.config.hooks import parse_endpoint, parse_secrets
from goim.metrics import Metrics
from goim.outbound.guard import Guard
from goim.outbound.http import HttpPoster
from goim.services.accounts import Accounts
from goim.services.before_send import NAME, BeforeSend
from goim.services.changes import ChangeDesk
from goim.services.courier import Courier, Lane
from goim.services.event_feed import EventFeed
from goim.services.group_roster import GroupRoster
from goim.services.messages import Messages
from goim.services.webhooks import Webhooks, keys_of
from goim.stores.outbox import Outbox


class Hooks:
    """Made only where something is configured that needs it: without it no service knows that there are hooks."""

    def __init__(self, settings: Settings, stores: Stores, clock: Clock, metrics: Metrics) -> None:
        hooks = settings.hooks
        give_up_ms = int(hooks.give_up * 1000)
        keys = parse_secrets(hooks.secrets.get_secret_value())
        self._settings = settings
        self.outbox: Outbox = stores.outbox
        self._poster = HttpPoster(Guard(hooks.allow_private))
        self.webhooks = Webhooks(
            [parse_endpoint(text) for text in hooks.endpoints],
            keys,
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
        self._is_told = bool(lanes)
        self._before_send = self._judge(keys, clock, metrics)

    def follow(self, messages: Messages, changes: ChangeDesk, roster: GroupRoster, accounts: Accounts) -> None:
        """Be told what happens, and asked before."""
        if self._is_told:
            messages.feed = changes.feed = roster.feed = accounts.feed = self.feed
        messages.before_send = changes.before_send = self._before_send

    def _judge(self, keys: Mapping[str, Sequence[bytes]], clock: Clock, metrics: Metrics) -> BeforeSend | None:
        hooks = self._settings.hooks
        if not hooks.before_send:
            return None
        return BeforeSend(
            hooks.before_send,
            keys_of(keys, NAME),
            self._poster,
            clock,
            metrics,
            timeout=hooks.before_send_timeout,
            concurrency=hooks.before_send_concurrency,
            allows_on_error=hooks.before_send_on_error == "allow",
        )

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What happens gets into the outbox."""
        async with self._poster.running(), self.feed.running() if self._is_told else contextlib.nullcontext():
            yield

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """And is sent."""
        if not self._is_told:
            yield
            return
        async with self._courier.running(), self.feed.watching():
            yield


def hooks_of(settings: Settings, stores: Stores, clock: Clock, metrics: Metrics) -> Hooks | None:
    """The hooks, if any are configured."""
    hooks = settings.hooks
    return Hooks(settings, stores, clock, metrics) if hooks.endpoints or hooks.before_send else None
