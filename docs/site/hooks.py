"""What MkDocs is told of these pages: they are written for GitHub, and `README.md` lists them all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.pages import Page

from docs.site import render

_FENCED = re.compile(r"(^```[^\n`]*\n.*?^```$)", re.MULTILINE | re.DOTALL)
_MARKS = re.compile(r"^```(\w+) [^\n`]+$", re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"^- \[([^\]]+)\]\(([\w./-]+\.md)\)", re.MULTILINE)

_RENDERED = {"openapi.json": render.http, "asyncapi.json": render.sockets}


@event_priority(100)  # before the languages are told apart
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation and its words from the lists of pages in both languages."""
    folder = Path(config.docs_dir)
    english, chinese = list(sections(folder / "README.md")), list(sections(folder / "README.zh.md"))
    config.nav = [{"goim": "README.md"}, *({name: [{title: path} for title, path in each]} for name, each in english)]
    theirs = {path.replace(".zh.md", ".md"): title for _, each in chinese for title, path in each}
    words = {here: there for (here, _), (there, _) in zip(english, chinese, strict=True)}
    words |= {title: theirs[path] for _, each in english for title, path in each if path in theirs}
    languages: Any = config.plugins["i18n"]
    languages.get_language_config("zh").nav_translations = words
    return config


def sections(page: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The headings of a list of pages, and the titles and paths below each."""
    for part in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        yield part.partition("\n")[0], _LINK.findall(part)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Show the generated documents; what is only on GitHub is no link, and what is for the tests is left out."""
    for name, rendered in _RENDERED.items():
        if (mark := f"<!-- {name} -->") in markdown:
            document = json.loads((Path(config.docs_dir) / "reference" / name).read_text(encoding="utf-8"))
            markdown = markdown.replace(mark, rendered(document))
    depth = page.file.src_uri.count("/")
    outside = re.compile(rf"\[([^\]]+)\]\((?:\.\./){{{depth + 1}}}[^)]*\)")
    parts = _FENCED.split(_MARKS.sub(r"```\1", markdown))
    return _anchored([part if part.startswith("```") else outside.sub(r"\1", part) for part in parts])


def _anchored(parts: list[str]) -> str:
    """With the anchors that GitHub gives to headings."""
    taken: dict[str, int] = {}

    def anchored(heading: re.Match[str]) -> str:
        anchor = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
        times = taken[anchor] = taken.get(anchor, -1) + 1
        return f"{heading[0]} {{ #{anchor}{f'-{times}' if times else ''} }}"

    return "".join(part if part.startswith("```") else _HEADING.sub(anchored, part) for part in parts)
