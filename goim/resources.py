"""Finds the files that ride along with the code: schemas, load tests, the commented settings file."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def web_texts(language: str) -> str:
    """The web client's texts in "en" or "zh", as JavaScript."""
    return (_PACKAGE / "web" / "static" / "app" / "texts" / f"{language}.js").read_text(encoding="utf-8")


def bundled(name: str) -> Path:
    """Where "schemas", "loadtest" or "goimctl.toml" lies: in the installed package, else beside it in the source."""
    installed = _PACKAGE / "_bundled" / name
    return installed if installed.exists() else _PACKAGE.parent / name
