"""Writes what the code says of itself into `docs/reference/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docs.site import asyncapi, openapi

FOLDER = Path(__file__).parents[1] / "reference"
DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "asyncapi.json": asyncapi.document,
    "openapi.json": openapi.document,
}


def generated() -> Iterator[tuple[Path, str]]:
    """Every file and what belongs into it."""
    for name, document in DOCUMENTS.items():
        yield FOLDER / name, json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in generated():
        path.write_text(text, encoding="utf-8")
