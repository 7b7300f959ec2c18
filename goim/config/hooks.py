"""Reads what the settings say of hooks: endpoints, which events they want, and the secrets to sign with."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import urlsplit

from msgspec import Struct

EVENT_TYPES = (
    "message.sent",
    "message.edited",
    "message.recalled",
    "message.reaction",
    "message.stream_ended",
    "group.created",
    "group.updated",
    "group.disbanded",
    "group.member_joined",
    "group.member_left",
    "group.member_updated",
    "user.created",
    "user.updated",
    "user.disabled",
    "user.enabled",
    "user.erased",
    "endpoint.test",
)
"""Everything that endpoints may be told; never renamed."""
_SECRET = "whsec_"  # noqa: S105 the prefix of one
_NAME = re.compile(r"[a-z0-9][a-z0-9_\-]{0,31}")
_RESERVED = ("before_send", "push", "web_push")


class Endpoint(Struct, frozen=True):
    """One of your servers: its name, where it is told, what it wants to know (nothing said: everything)."""

    name: str
    url: str
    wanted: tuple[str, ...] = ()

    def wants(self, event_type: str) -> bool:
        """Whether it is told of events of this type; a test is for everybody."""
        return (
            not self.wanted or event_type == "endpoint.test" or any(_covers(each, event_type) for each in self.wanted)
        )


def _covers(pattern: str, event_type: str) -> bool:
    return pattern == event_type or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))


def checked_url(url: str) -> str:
    """A URL that may be posted to; `ValueError` says what is wrong with it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or "@" in parts.netloc:
        raise ValueError('must be a URL like "https://app.example.org/goim"')
    _ = parts.port  # raises where it is not a number
    return url


def parse_endpoint(text: str) -> Endpoint:
    """Read "name https://host/path message.* group.created"; `ValueError` says what is wrong."""
    words = text.split()
    if len(words) < 2 or _NAME.fullmatch(words[0]) is None or words[0] in _RESERVED:
        raise ValueError('must look like "name https://app.example.org/goim message.* user.created"')
    for pattern in words[2:]:
        if not any(_covers(pattern, known) for known in EVENT_TYPES):
            raise ValueError(f"{pattern} is no event; there are {', '.join(EVENT_TYPES)}")
    return Endpoint(words[0], checked_url(words[1]), tuple(words[2:]))


def parse_secrets(text: str) -> dict[str, tuple[bytes, ...]]:
    """The keys to sign with by endpoint, those for all others under ""; `ValueError` says what is wrong."""
    keys: dict[str, tuple[bytes, ...]] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        start = item.find(_SECRET)
        name = item[:start].removesuffix("=") if start >= 0 else item
        if start < 0 or (name and not item[:start].endswith("=")):
            raise ValueError("must be whsec_… or name=whsec_…; several are separated by commas")
        keys[name] = (*keys.get(name, ()), _key(item[start + len(_SECRET) :]))
    return keys


def _key(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("what follows whsec_ must be base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("a secret has 24 to 64 bytes; make one: goimctl hooks secret")
    return key


def secret_text(key: bytes) -> str:
    """A key as people write it into settings."""
    return _SECRET + base64.b64encode(key).decode()
