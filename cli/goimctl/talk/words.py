"""The words of the terminal client in the language of whoever sits there, found by their English form."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from goim.errors import GoimError
from goim.resources import web_texts
from goimctl.talk.chinese import CHINESE

_ERROR = re.compile(r'^ *"error\.([A-Za-z_]+)": "(.*)",$', re.MULTILINE)


def is_chinese(environ: Mapping[str, str]) -> bool:
    """Whether the locale is: the first of the variables that says anything, as POSIX has it."""
    said = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return said.lower().startswith("zh")


IN_CHINESE = is_chinese(os.environ)
_WORDS = CHINESE if IN_CHINESE else {}
_ERRORS = dict(_ERROR.findall(web_texts("zh"))) if IN_CHINESE else {}


def t(english: str, **values: object) -> str:
    """A text in the language of the person, with values put in by their names."""
    text = _WORDS.get(english, english)
    return text.format(**values) if values else text


def reason(error: Exception) -> str:
    """Why something could not be done: what the web client says of such an error, unless this one says it already."""
    text = str(error)
    if not IN_CHINESE or any(char > "\u2e7f" for char in text):
        return text
    name = error.code if isinstance(error, GoimError) else type(error).__name__
    told: str = _ERRORS.get(name, text)
    return told.rstrip("。")
