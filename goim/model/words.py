"""The words of messages: what a message says in words, and how words are compared when somebody looks for them."""

from __future__ import annotations

import unicodedata

import msgspec

from goim.model.payloads import PAYLOADS

_SAID_IN = {"text": "text", "stream": "text", "file": "name", "location": "address", "card": "nickname"}
_DECODERS = {kind: msgspec.json.Decoder(PAYLOADS[kind]).decode for kind in _SAID_IN}


def words_of(kind: str, payload: str | bytes) -> str:
    """What a stored payload says in words: its text, or the name of what it shows; "" for types that say nothing."""
    field = _SAID_IN.get(kind)
    if field is None:
        return ""
    try:
        return getattr(_DECODERS[kind](payload), field) or ""
    except (msgspec.MsgspecError, RecursionError):  # nested more deeply than is let in now
        return ""


def folded(text: str) -> str:
    """Text as it is compared: whatever the case, the width of its letters and the blanks between its words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
