"""Finds messages by their words, in one's own conversations."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from msgspec import Struct

from goim.errors import ErrorCode, GoimError, StoreDown, invalid
from goim.model.messages import Message
from goim.model.search import Question, question
from goim.model.words import words_of
from goim.services.access import AccessBook
from goim.services.behind import Behind
from goim.services.conversation_indexer import ConversationIndexer
from goim.services.one_message import OneMessage
from goim.services.search_indexer import SearchIndexer
from goim.stores.base import Conversations
from goim.stores.base_log import ConvDeletes
from goim.stores.base_search import Hit, SearchIndex
from goim.stores.base_words import WordIndex

MAX_LIMIT = 200
MAX_QUESTION = 100
_CONVERSATIONS_AT_ONCE = 200
_MOST_HITS = 10_000
"""Looked at in vain before it is enough."""


class Found(Struct, frozen=True):
    """Messages with the words, latest first."""

    messages: list[Message]


class Search:
    """Asks the index, and shows of its hits what the history shows."""

    def __init__(
        self,
        index: SearchIndex | WordIndex,
        indexer: SearchIndexer | ConversationIndexer,
        conversations: Conversations,
        deletes: ConvDeletes,
        access: AccessBook,
        one_message: OneMessage,
        behind: Behind,
    ) -> None:
        self._index = index
        self._indexer = indexer
        self._conversations = conversations
        self._deletes = deletes
        self._access = access
        self._one_message = one_message
        self._behind = behind

    async def search(self, user_id: str, text: str, conv_id: str | None, limit: int) -> Found:
        """The latest messages with all words of a text, in one of one's conversations or in all of them."""
        asked = question(text) if len(text) <= MAX_QUESTION else Question((), ())
        if not asked.terms:
            raise invalid(f"q has 1 to {MAX_QUESTION} characters, and at least a word among them")
        if conv_id is not None:
            await self._access.of(user_id, conv_id)
        scope = await self._scope(user_id) if conv_id is None else [conv_id]
        with contextlib.suppress(StoreDown):  # an index that takes nothing (on a full disk) may still be asked
            await self._indexer.catch_up(scope)  # first: what was said a moment ago is found
        found: list[tuple[int, Message]] = []
        for start in range(0, len(scope), _CONVERSATIONS_AT_ONCE):
            part = scope[start : start + _CONVERSATIONS_AT_ONCE]
            found += await self._search_in(user_id, part, asked, min(limit, MAX_LIMIT))
        latest = sorted(found, key=lambda each: each[0], reverse=True)[: min(limit, MAX_LIMIT)]
        return Found([message for _, message in latest])

    async def _scope(self, user_id: str) -> list[str]:
        """Every conversation in one's list; what is deleted up to its end has nothing to be found."""
        await self._behind.flush_for(user_id)  # first: what was said a moment ago has brought its conversation back
        conv_ids: list[str] = []
        before: tuple[bool, int, str] | None = None
        while entries := await self._conversations.entries(user_id, before, _CONVERSATIONS_AT_ONCE):
            conv_ids += [entry.conv.conv_id for entry in entries]
            last = entries[-1]
            before = (last.pinned, last.updated_at, last.conv.conv_id)
        return conv_ids

    async def _search_in(
        self, user_id: str, conv_ids: Sequence[str], asked: Question, limit: int
    ) -> list[tuple[int, Message]]:
        floors = await self._deletes.of_user(user_id, conv_ids)
        found: list[tuple[int, Message]] = []
        before: int | None = None
        looked_at = 0
        while len(found) < limit and looked_at < _MOST_HITS:
            hits = await self._index.find(conv_ids, asked.terms, before, limit)
            found += await self._shown(user_id, hits, floors, asked)
            looked_at += len(hits)
            if len(hits) < limit:
                break
            before = hits[-1].number
        return found

    async def _shown(
        self, user_id: str, hits: Sequence[Hit], floors: Mapping[str, int], asked: Question
    ) -> list[tuple[int, Message]]:
        """The hits that the user may see and that say what is asked for, as they are now."""
        shown: list[tuple[int, Message]] = []
        for hit in hits:
            if hit.seq <= floors.get(hit.conv_id, 0):
                continue
            message = await self._message(user_id, hit)
            if message is not None and _says(message, asked):
                shown.append((hit.number, message))
        return shown

    async def _message(self, user_id: str, hit: Hit) -> Message | None:
        try:
            return await self._one_message.at(user_id, hit.conv_id, hit.seq)
        except GoimError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            return None


def _says(message: Message, asked: Question) -> bool:
    return message.payload is not None and asked.fits(words_of(message.type, bytes(message.payload)))
