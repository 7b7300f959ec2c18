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

from docs.site.render import Reference
from docs.site.texts import Say, in_chinese, in_english

_FENCED = re.compile(r"(^```[^\n`]*\n.*?^```$)", re.MULTILINE | re.DOTALL)
_MARKS = re.compile(r"^```(\w+) [^\n`]+$", re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_NAME = re.compile(r"<code>([\w.]{1,60})</code>")
_LINK = re.compile(r"^- \[([^\]]+)\]\(([\w./-]+\.md)\)", re.MULTILINE)

_RENDERED = {"openapi.json": Reference.http, "asyncapi.json": Reference.sockets}


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
    folder, path = Path(config.docs_dir), page.file.src_uri
    english = path.replace(".zh.md", ".md")
    markdown = _with_documents(markdown, folder, in_english if path == english else in_chinese())
    original = (folder / english).read_text(encoding="utf-8") if path != english else markdown
    outside = re.compile(rf"\[([^\]]+)\]\((?:\.\./){{{path.count('/') + 1}}}[^)]*\)")
    parts = _parts(_MARKS.sub(r"```\1", markdown))
    shown = [part if part.startswith("```") else outside.sub(r"\1", part) for part in parts]
    return _anchored(shown, _anchors(_parts(_with_documents(original, folder, in_english))))


def on_page_content(html: str, **_: Any) -> str:
    """Mark names, which stay in one piece in however narrow a table (`site.css`)."""
    return _NAME.sub(r'<code class="name">\1</code>', html)


def _with_documents(markdown: str, folder: Path, say: Say) -> str:
    for name, rendered in _RENDERED.items():
        if (mark := f"<!-- {name} -->") in markdown:
            document = json.loads((folder / "reference" / name).read_text(encoding="utf-8"))
            markdown = markdown.replace(mark, rendered(Reference(document, say)))
    return markdown


def _parts(markdown: str) -> list[str]:
    """Blocks of code, and what stands between them."""
    return _FENCED.split(markdown)


def _anchors(parts: list[str]) -> Iterator[str]:
    """The anchors that GitHub gives to headings."""
    taken: dict[str, int] = {}
    for heading in (found for part in parts if not part.startswith("```") for found in _HEADING.findall(part)):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        times = taken[anchor] = taken.get(anchor, -1) + 1
        yield f"{anchor}-{times}" if times else anchor


def _anchored(parts: list[str], original: Iterator[str]) -> str:
    """With these anchors; a translated heading has that of the original, too, so that links of any page find it."""
    own = _anchors(parts)

    def anchored(heading: re.Match[str]) -> str:
        here, there = next(own), next(original, "")
        other = f'<a id="{there}"></a>\n\n' if there not in {"", here} else ""
        return f"{other}{heading[0]} {{ #{here} }}"

    return "".join(part if part.startswith("```") else _HEADING.sub(anchored, part) for part in parts)
