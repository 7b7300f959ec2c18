"""What the code says on generated pages, in Chinese: a gettext catalogue, which `make docs` keeps complete."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

Say = Callable[[str], str]
"""Says in another language what the code says in English."""

CATALOGUE = Path(__file__).with_name("zh.po")
_HEAD = """\
# What generated pages say, in Chinese. `make docs` adds what is new, marks as fuzzy what has changed in English,
# and takes away what no page shows any more. Names, codes and what stands in braces stay as they are.
msgid ""
msgstr ""
"Language: zh_CN\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

"""


def in_english(text: str) -> str:
    """As the code has it."""
    return text


def in_chinese() -> Say:
    """By the catalogue; what is not translated yet stays English."""
    known = {str(message.id): str(message.string) for message in _read() if message.string and not message.fuzzy}
    return lambda text: known.get(text, text)


def renewed(pages: dict[str, Callable[[Say], str]]) -> str:
    """The catalogue with exactly what these pages say, each text under the first page that says it."""
    catalogue, wanted = _read(), Catalog()
    for name, written in pages.items():

        def say(text: str, name: str = name) -> str:
            if text not in wanted:
                wanted.add(text, auto_comments=[name])
            return text

        written(say)
    catalogue.update(wanted)
    file = io.BytesIO()
    write_po(file, catalogue, width=0, omit_header=True, ignore_obsolete=True)
    return _HEAD + file.getvalue().decode()


def untranslated() -> list[str]:
    """What is in the catalogue without a translation that somebody has looked at."""
    return [str(message.id) for message in _read() if message.id and (message.fuzzy or not message.string)]


def _read() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="zh_CN")


def translations() -> list[tuple[str, str]]:
    """Every text with what it is in Chinese."""
    return [(str(message.id), str(message.string)) for message in _read() if message.id]
