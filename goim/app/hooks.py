"""Puts together what asks and tells other servers: the outbox, what fills it and what empties it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from goim.app.pushing import push_feed_of, push_lanes
from goim.app.storage import Stores
from goim.clock import Clock
from goim.config import Settings
from goim.config.hooks import parse_endpoint, parse_secrets
from goim.metrics import Metrics
from goim.outbound.base import Poster
from goim.outbound.guard import Guard
from goim.services.accounts import Accounts
from goim.services.before_send import NAME, BeforeSend
from goim.services.changes import ChangeDesk
from goim.services.courier import Courier, Lane
from goim.services.event_feed import EventFeed, Packer
from goim.services.group_roster import GroupRoster
from goim.services.messages import Messages
from goim.services.one_message import OneMessage
from goim.services.presence import PresenceBook
from goim.services.webhooks import Webhooks, keys_of
from goim.stores.base_outbox import Outbox


class Hooks:
    """Made only where something is configured that needs it: without it no service knows that there are hooks."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        presence: PresenceBook,
        one_message: OneMessage,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        from goim.outbound.http import HttpPoster  # as it is told above: only where it is needed

        hooks = settings.hooks
        give_up_ms = int(hooks.give_up * 1000)
        keys = parse_secrets(hooks.secrets.get_secret_value())
        self.outbox: Outbox = stores.outbox
        self._ours = HttpPoster(Guard(hooks.allow_private))
        self._theirs = HttpPoster(Guard(settings.push.allow_private))
        self.webhooks = Webhooks(
            [parse_endpoint(text) for text in hooks.endpoints],
            keys,
            self._ours,
            clock,
            metrics,
            timeout=hooks.timeout,
        )
        pushes = push_feed_of(settings, stores, presence, clock, metrics)
        packers: list[Packer] = [self.webhooks]
        packers += [pushes] if pushes is not None else []
        self.feed = EventFeed(
            stores.outbox,
            stores.feed_marks,
            stores.log_scan,
            stores.conversations,
            stores.messages,
            packers,
            clock,
            longest_ms=give_up_ms,
        )
        lanes = [Lane(name, self.webhooks.deliver, concurrency=hooks.concurrency) for name in self.webhooks.endpoints]
        lanes += push_lanes(settings, stores, one_message.stands, keys, self._ours, self._theirs, clock)
        self._courier = Courier(
            stores.outbox, lanes, self.feed.wake, clock, metrics, give_up_ms=give_up_ms, max_waiting=hooks.max_waiting
        )
        self.webhooks.is_full = self._courier.is_full
        if pushes is not None:
            pushes.is_full = self._courier.is_full
        self._is_told = bool(lanes)
        self._before_send = _before_send_of(settings, keys, self._ours, clock, metrics)

    def follow(self, messages: Messages, changes: ChangeDesk, roster: GroupRoster, accounts: Accounts) -> None:
        """Be told what happens, and asked before."""
        if self._is_told:
            messages.feed = self.feed
        if self.webhooks.endpoints:
            changes.feed = roster.feed = accounts.feed = self.feed
        messages.before_send = changes.before_send = self._before_send

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What happens gets into the outbox."""
        feeding = self.feed.running() if self._is_told else contextlib.nullcontext()
        async with self._ours.running(), self._theirs.running(), feeding:
            yield

    @contextlib.asynccontextmanager
    async def running(self, *, delivers: bool) -> AsyncIterator[None]:
        """And is sent, by nodes that do so; every node sees to it that not too much waits."""
        async with contextlib.AsyncExitStack() as stack:
            if self._is_told:
                await stack.enter_async_context(self._courier.counting())
            if self._is_told and delivers:
                await stack.enter_async_context(self._courier.running())
                await stack.enter_async_context(self.feed.watching())
            yield


def _before_send_of(
    settings: Settings, keys: Mapping[str, Sequence[bytes]], poster: Poster, clock: Clock, metrics: Metrics
) -> BeforeSend | None:
    hooks = settings.hooks
    if not hooks.before_send:
        return None
    return BeforeSend(
        hooks.before_send,
        keys_of(keys, NAME),
        poster,
        clock,
        metrics,
        timeout=hooks.before_send_timeout,
        concurrency=hooks.before_send_concurrency,
        allows_on_error=hooks.before_send_on_error == "allow",
    )


def are_hooks_wanted(settings: Settings) -> bool:
    """Whether anything is configured that needs hooks."""
    hooks, push = settings.hooks, settings.push
    return any((hooks.endpoints, hooks.before_send, push.web_push, push.provider))
