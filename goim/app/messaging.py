"""Makes the services that write messages: what is sent, streamed, changed, read and burned."""

from __future__ import annotations

from dataclasses import dataclass

from goim.app.ground import Ground
from goim.app.limits import sends_of
from goim.services.changes import ChangeDesk
from goim.services.messages import Messages
from goim.services.receipts import ReceiptBook
from goim.services.specials import Specials
from goim.services.streams import Streams


@dataclass(frozen=True, kw_only=True, slots=True)
class Messaging:
    """The services that write messages, by name."""

    changes: ChangeDesk
    specials: Specials
    receipts: ReceiptBook
    messages: Messages
    streams: Streams


def messaging_of(ground: Ground) -> Messaging:
    """Each over those above it."""
    changes = _changes(ground)
    specials = _specials(ground, changes)
    receipts = _receipts(ground, specials)
    messages = _messages(ground, receipts, specials)
    return Messaging(
        changes=changes,
        specials=specials,
        receipts=receipts,
        messages=messages,
        streams=_streams(ground, messages, changes),
    )


def _changes(ground: Ground) -> ChangeDesk:
    rules, stores = ground.settings.messages, ground.stores
    return ChangeDesk(
        ground.access,
        stores.messages,
        stores.changes,
        stores.conversations,
        stores.deletes,
        ground.delivery,
        sends_of(ground.settings, ground.clock),  # apart from those of sends
        ground.clock,
        ground.grants,
        recall_window=rules.recall_window,
        edit_window=rules.edit_window,
    )


def _specials(ground: Ground, changes: ChangeDesk) -> Specials:
    stores = ground.stores
    return Specials(
        stores.messages,
        stores.pending,
        stores.members,
        stores.conversations,
        stores.receipts,
        stores.deletes,
        changes,
        ground.delivery,
        ground.notices,
        ground.clock,
        ground.grants,
    )


def _receipts(ground: Ground, specials: Specials) -> ReceiptBook:
    return ReceiptBook(
        ground.stores.receipts,
        ground.access,
        ground.log,
        ground.behind,
        specials,
        ground.delivery,
        ground.notices,
        ground.clock,
        receipt_limit=ground.settings.groups.receipt_limit,
    )


def _messages(ground: Ground, receipts: ReceiptBook, specials: Specials) -> Messages:
    return Messages(
        ground.access,
        ground.log,
        receipts,
        ground.delivery,
        ground.shared.sends,
        ground.clock,
        ground.metrics,
        ground.tasks,
        specials,
        ground.grants,
    )


def _streams(ground: Ground, messages: Messages, changes: ChangeDesk) -> Streams:
    stores, rules = ground.stores, ground.settings.streams
    return Streams(
        messages,
        changes,
        ground.access,
        stores.conversations,
        stores.messages,
        stores.pending,
        ground.delivery,
        ground.notices,
        ground.shared.elsewhere,
        ground.clock,
        idle_timeout=rules.idle_timeout,
        max_bytes=rules.max_bytes,
        max_live=rules.max_live,
    )
