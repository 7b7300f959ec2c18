"""The settings as tables, section by section, as they stand in the page on the configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator

from docs.site.render import table
from docs.site.texts import Say
from goim.config import all_keys
from goim.config.keys import sections

MARK = "<!-- settings -->\n"


def tables(say: Say) -> str:
    """All of them."""
    return "\n".join(_section(name, str(model.__doc__), say) for name, model in sections().items())


def _section(name: str, words: str, say: Say) -> str:
    head = tuple(map(say, ("key", "default", "variable", "what it does")))
    return f"### {name}\n\n{say(words)}\n\n{table(head, list(_rows(name, say)))}"


def _rows(section: str, say: Say) -> Iterator[tuple[str, ...]]:
    for key in all_keys().values():
        if key.section == section:
            default = json.dumps(key.default, ensure_ascii=False)
            yield f"`{key.path}`", f"`{default}`", f"`{key.variables[0]}`", say(key.description)
