"""How deeply JSON is nested: what one reader takes, another one chokes on, so there is one limit for all."""

from __future__ import annotations

import re
from itertools import accumulate

MAX_DEPTH = 500

_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # it never goes back: a long text is passed in one step
_OPENING, _CLOSING = b"[{", b"]}"
_ALL_ELSE = bytes(each for each in range(256) if each not in _OPENING + _CLOSING)
_STEPS = [1 if each in _OPENING else -1 for each in range(256)]


def is_too_deep(data: bytes) -> bool:
    """Whether brackets are nested more than `MAX_DEPTH` deep. Asked for everything that comes in: nearly always it is
    enough that there are not so many."""
    if len(data) <= MAX_DEPTH or data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _TEXT.sub(b"", data).translate(None, _ALL_ELSE)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH
