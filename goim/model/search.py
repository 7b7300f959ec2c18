"""Search: under which terms a text is kept in an index, and which terms a question asks for.

Most languages put blanks between words: a word is a term, and a question finds words that begin with its own. Chinese,
Japanese, Korean, Thai and their neighbours are kept by pairs of characters, which finds whatever stands inside; a
question of one character finds the pairs that begin with it. Pairs do not know their order, so a hit is compared with
the text.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from msgspec import Struct

from goim.model.messages import MessageRow
from goim.model.words import folded, words_of

MAX_TEXT = 65_536
"""How much of a text is looked at."""
MAX_WORD = 64
"""A longer word is kept by its beginning."""
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese
    "\u1100-\u11ff\uac00-\ud7ff"  # Korean
)
_PART = re.compile(rf"(?P<dense>[{_DENSE}]+)|(?P<word>[^\W_{_DENSE}]+)|(?P<sign>[^\x00-\x7f\s\w])")


class Term(NamedTuple):
    """A term that a text must have; `is_prefix`: or one that begins like this."""

    text: str
    is_prefix: bool = False


class Question(Struct, frozen=True):
    """What is looked for: terms for the index, and parts that must stand in the text."""

    terms: tuple[Term, ...]
    parts: tuple[str, ...]

    def fits(self, text: str) -> bool:
        """Whether a text says what is asked for."""
        key = folded(text)
        return all(part in key for part in self.parts)


def terms_of(row: MessageRow) -> list[str]:
    """What the index keeps of a message; nothing of one that is recalled or expired."""
    if row.recalled or row.payload is None:
        return []
    return index_terms(words_of(row.type, row.payload))


def index_terms(text: str) -> list[str]:
    """The terms that a text is kept under, each once."""
    terms: dict[str, None] = {}
    for kind, part in _parts(text[:MAX_TEXT]):
        if kind == "dense":
            terms.update(dict.fromkeys(_pairs(part)))
            terms[part[-1]] = None  # so that every character begins a term
        else:
            terms[part[:MAX_WORD]] = None
    return list(terms)


def question(text: str) -> Question:
    """What somebody asks for; without terms if that is nothing that could be found."""
    terms: dict[Term, None] = {}
    parts: dict[str, None] = {}
    for kind, part in _parts(text):
        parts[part] = None
        if kind == "dense":
            terms.update(dict.fromkeys(map(Term, _pairs(part)) if len(part) > 1 else [Term(part, is_prefix=True)]))
        else:
            terms[Term(part[:MAX_WORD], is_prefix=kind == "word" and len(part) > 1)] = None
    return Question(tuple(terms), tuple(parts))


def _parts(text: str) -> list[tuple[str, str]]:
    """Words, runs of characters without blanks between words, and signs such as emoji."""
    return [
        (kind, match[kind])
        for match in _PART.finditer(folded(text))
        if (kind := match.lastgroup or "") != "sign" or unicodedata.category(match[kind]).startswith("S")
    ]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]
