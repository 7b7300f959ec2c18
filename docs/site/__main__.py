"""Writes what the code says of itself into the pages, and what of it wants a translation into the catalogue."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docs.site import asyncapi, openapi, settings, texts
from docs.site.render import Reference
from docs.site.texts import Say

DOCS = Path(__file__).parents[1]


def generated() -> Iterator[tuple[Path, str]]:
    """Every file and what belongs into it."""
    http, sockets = openapi.document(), asyncapi.document()
    yield DOCS / "reference/openapi.json", _written(http)
    yield DOCS / "reference/asyncapi.json", _written(sockets)
    pages: dict[str, Callable[[Say], str]] = {
        "configuration": settings.tables,
        "reference/http": lambda say: Reference(http, say).http(),
        "reference/sockets": lambda say: Reference(sockets, say).sockets(),
    }
    yield texts.CATALOGUE, texts.renewed(pages)
    for name, say in (("configuration.md", texts.in_english), ("configuration.zh.md", texts.in_chinese())):
        by_hand, mark, _ = (DOCS / name).read_text(encoding="utf-8").partition(settings.MARK)
        yield DOCS / name, f"{by_hand}{mark}\n{settings.tables(say)}"


def _written(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in generated():
        path.write_text(text, encoding="utf-8")
    if missing := texts.untranslated():
        sys.stderr.write(f"{len(missing)} texts want a translation in {texts.CATALOGUE}: {missing}\n")
