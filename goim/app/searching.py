"""Puts together what keeps the search index in step with the log, whichever way the log can be read."""

from __future__ import annotations

from goim.app.storage import Stores
from goim.clock import Clock
from goim.services.changes import ChangeDesk
from goim.services.conversation_indexer import ConversationIndexer
from goim.services.search_indexer import SearchIndexer
from goim.services.specials import Specials
from goim.stores.log import Log

Indexer = SearchIndexer | ConversationIndexer


def indexer_of(stores: Stores, clock: Clock) -> Indexer:
    """By the numbers of the log's rows where these have any, else by conversation."""
    if stores.words is not None:
        return ConversationIndexer(stores.messages, stores.changes, stores.words, clock)
    assert stores.numbered is not None, "every log has one of the two"
    return SearchIndexer(stores.numbered.tail, stores.numbered.words, clock)


def follow(indexer: Indexer, log: Log, changes: ChangeDesk, specials: Specials) -> None:
    """Tell the indexer what is written, if it has no other way to know."""
    if isinstance(indexer, ConversationIndexer):
        log.on_append = indexer.note
        changes.on_change = indexer.note
        specials.on_emptied = indexer.forget
