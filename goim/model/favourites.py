"""Favourites: what somebody keeps for themselves, a message as it was or something of their own."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from goim.errors import invalid

MAX_FAVOURITES = 10_000
MAX_TITLE = 200
MAX_CONTENT = 10_000
MAX_TAGS = 20
MAX_TAG = 32


class FavouriteType(StrEnum):
    MESSAGE = "message"
    CUSTOM = "custom"


class Favourite(Struct, frozen=True, kw_only=True):
    """Something that somebody keeps; the id is theirs alone, and that of a kept message is the message's.

    `message` is the message object as it was, as JSON; `conv_id` is "" where it belongs to no conversation.
    """

    favourite_id: str
    user_id: str
    type: FavouriteType
    conv_id: str = ""
    title: str
    content: str
    message: str | None = None
    tags: tuple[str, ...] = ()
    created_at: int


class FavouriteStats(Struct, frozen=True):
    """How many favourites somebody has."""

    total: int
    message: int
    custom: int


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags without the blanks around them, each once, in the order they were given."""
    clean = tuple(dict.fromkeys(tag.strip() for tag in tags))
    if len(clean) > MAX_TAGS:
        raise invalid(f"a favourite has at most {MAX_TAGS} tags")
    for tag in clean:
        if not 1 <= len(tag) <= MAX_TAG or "," in tag:
            raise invalid(f"a tag has 1 to {MAX_TAG} characters, none of them a comma")
    return clean


def checked_title(title: str) -> str:
    """A title without the blanks around it."""
    title = title.strip()
    if not 1 <= len(title) <= MAX_TITLE:
        raise invalid(f"title has 1 to {MAX_TITLE} characters")
    return title


def checked_content(content: str) -> str:
    if len(content) > MAX_CONTENT:
        raise invalid(f"content has at most {MAX_CONTENT} characters")
    return content
