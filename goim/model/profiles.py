"""What people and groups may be called and look like."""

from __future__ import annotations

import re
import unicodedata

from goim.errors import invalid

MAX_NAME = 64
MAX_AVATAR_URL = 1024
_AVATAR_URL = re.compile(r"(https?://[^\s/]|/files/[^\s/])\S*")
_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, half characters, line breaks; not what joins emoji


def is_plain(text: str) -> bool:
    """Whether a text is one line without control characters, of which at least something can be seen."""
    kinds = {unicodedata.category(character) for character in text}
    return not kinds & _INVISIBLE and any(kind[0] not in "CMZ" for kind in kinds)


def checked_name(what: str, name: str) -> str:
    """A name without the blanks around it; `what` is whose it is, for the refusal."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or any(unicodedata.category(character) in _INVISIBLE for character in name):
        raise invalid(f"{what} has 1 to {MAX_NAME} characters, none of them a control character")
    return name


def checked_avatar_url(url: str) -> str:
    """Where a picture is; empty takes it away."""
    if url and (len(url) > MAX_AVATAR_URL or _AVATAR_URL.fullmatch(url) is None):
        raise invalid(f"avatarUrl starts with http://, https:// or /files/ and has at most {MAX_AVATAR_URL} characters")
    return url
