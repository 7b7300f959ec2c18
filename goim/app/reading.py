"""Makes the services that read what was written: lists, history, search, who has read what, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass

from goim.app.ground import Ground
from goim.app.messaging import Messaging
from goim.app.searching import Indexer, follow, indexer_of
from goim.services.conversations import ConversationList
from goim.services.favourites import FavouriteBook
from goim.services.history import History
from goim.services.lines import Lines
from goim.services.one_message import OneMessage
from goim.services.readers import Readers
from goim.services.search import Search
from goim.services.streams import Streams
from goim.services.unread import Unread


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The services that read messages, by name."""

    history: History
    one_message: OneMessage
    readers: Readers
    conversations: ConversationList
    unread: Unread
    favourites: FavouriteBook
    search: Search
    indexer: Indexer


def reading_of(ground: Ground, messaging: Messaging) -> Reading:
    """What is read of conversations, with what is still being written in them."""
    access, stores, clock = ground.access, ground.stores, ground.clock
    history = History(access, stores.messages, stores.changes, stores.deletes, ground.log, messaging.streams, clock)
    one_message = OneMessage(access, history)
    lines = Lines(stores.conversations, stores.deletes, stores.messages, ground.log, ground.behind, clock)
    indexer = indexer_of(stores, clock)
    follow(indexer, ground.log, messaging.changes, messaging.specials)
    return Reading(
        history=history,
        one_message=one_message,
        readers=_readers(ground, one_message),
        conversations=_conversations(ground, lines, messaging.streams),
        unread=_unread(ground, lines, messaging),
        favourites=FavouriteBook(stores.favourites, stores.users, access, one_message, ground.grants, clock),
        search=_search(ground, indexer, one_message),
        indexer=indexer,
    )


def _readers(ground: Ground, one_message: OneMessage) -> Readers:
    stores = ground.stores
    return Readers(
        ground.access,
        one_message,
        stores.members,
        stores.receipts,
        ground.behind,
        stores.messages,
        ground.log,
        ground.clock,
        receipt_limit=ground.settings.groups.receipt_limit,
    )


def _conversations(ground: Ground, lines: Lines, streams: Streams) -> ConversationList:
    stores = ground.stores
    return ConversationList(
        stores.conversations,
        stores.changes,
        stores.users,
        stores.groups,
        lines,
        ground.access,
        ground.delivery,
        streams,
        ground.second_look,
    )


def _unread(ground: Ground, lines: Lines, messaging: Messaging) -> Unread:
    rules = ground.settings.mark_all_read
    return Unread(
        lines,
        messaging.receipts,
        ground.clock,
        chunk_size=rules.chunk_size,
        concurrency=rules.concurrency,
        retry=rules.retry,
    )


def _search(ground: Ground, indexer: Indexer, one_message: OneMessage) -> Search:
    stores = ground.stores
    return Search(
        stores.index, indexer, stores.conversations, stores.deletes, ground.access, one_message, ground.behind
    )
