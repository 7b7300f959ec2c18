"""Half characters: JSON may hold `\\ud83d` without its other half, as a program writes it that has cut an emoji in two.
It is no text, so a request with one is refused; but what the refusal repeats can be read."""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)


def without_halves(data: bytes) -> bytes:
    """The same JSON with U+FFFD in the place of every half character."""
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], data)
