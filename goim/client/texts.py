"""What a message says."""

from __future__ import annotations

from goim.client.answers import Message

_SAID_IN = {"text": "text", "stream": "text", "file": "name", "location": "address", "card": "nickname"}


def text_of(message: Message) -> str:
    """What it says in words: its text, or the name of what it shows; "" for what has none or was taken back."""
    said = (message.payload or {}).get(_SAID_IN.get(message.type, ""))
    return said if isinstance(said, str) else ""
