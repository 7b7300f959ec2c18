"""Reads the pages as programs need them: sections, tables, links, and blocks that say what to type and what comes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    *("README.md", "README.zh-CN.md", "CHANGELOG.md"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
_SEPARATOR = "\x1e"
_CHANGING = [  # what is another one each time, by its form
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"\b[a-z2-7]{16}-(?=\d+\b)"), "<conversation>-"),
    (re.compile(r"\b1[0-9a-hjkmnp-tv-z]{13}\b"), "<id>"),
    (re.compile(r"\b\d{13}\b"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "<time>"),
]


@cache
def page(name: str) -> str:
    """A page by its path in the project."""
    return (ROOT / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block. In a `console` block what stands behind `$ ` is typed, the rest is what comes."""

    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def marks(self) -> list[str]:
        """What is said of it to the tests: `run`, `stopped`, `needs=…`."""
        return self.info.split()[1:]

    def as_shell(self) -> str:
        """A script for bash that does what the block says."""
        if self.info.startswith("python"):
            return f"python3 - <<'END_OF_BLOCK'\n{self.text}END_OF_BLOCK\n"
        if self.info.startswith("console"):
            end = f"printf '{_SEPARATOR}'\n"
            return "exec 2>&1\n" + "".join(f"{command}\n{end}" for command, _ in self._exchanges())
        return self.text

    def expected(self) -> list[str] | None:
        """What comes after each command, without what is another one each time."""
        if not self.info.startswith("console"):
            return None
        return [_steady(output) for _, output in self._exchanges()]

    def told(self, output: str) -> list[str]:
        """What really came after each command, in the same way."""
        return [_steady(part) for part in output.split(_SEPARATOR)[:-1]]

    def environment(self, folder: Path) -> dict[str, str]:
        """`goimctl` and `python3` are this project's, and nothing else is configured."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("IM_", "GOIM_"))}
        return kept | {"PATH": f"{_tools(folder)}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}

    def _exchanges(self) -> Iterator[tuple[str, str]]:
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            size = 1
            while lines[size - 1].endswith("\\\n"):
                size += 1
            yield "".join(lines[:size]), "".join(lines[size:])


def _steady(output: str) -> str:
    for pattern, name in _CHANGING:
        output = pattern.sub(name, output)
    return "\n".join(line.rstrip() for line in output.strip().splitlines())


def _tools(folder: Path) -> Path:
    tools = folder / "tools"
    if not tools.exists():
        tools.mkdir()
        path = f"{ROOT}{os.pathsep}{ROOT / 'cli'}"
        for name, args in (("python3", ""), ("goimctl", "-c 'from goimctl.__main__ import main; main()'")):
            (tools / name).write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" {args} "$@"\n')
            (tools / name).chmod(0o755)
    return tools


def blocks(text: str) -> list[Block]:
    """All fenced blocks, in order."""
    return [Block(found["info"].strip(), found["text"]) for found in _FENCE.finditer(text)]


def runnable(text: str) -> list[Block]:
    """The blocks that are marked to be run."""
    return [block for block in blocks(text) if "run" in block.marks]


def section(name: str, heading: str) -> str:
    """What stands below a heading of a page, up to the next one of its level; for "" the whole page."""
    text = page(name)
    if not heading:
        return text
    start = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert start, f"{name} has no section {heading}"
    end = re.compile(rf"^#{{1,{len(start[1])}}} ", re.MULTILINE).search(text, start.end())
    return text[start.end() : end.start() if end else len(text)]


def table(name: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    lines = [line for line in section(name, heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def undressed(cell: str) -> str:
    """A cell without the marks of code."""
    return cell.replace("`", "")


def links(text: str) -> list[str]:
    """Where the links of a page lead."""
    return [found[1] for found in _LINK.finditer(_FENCE.sub("", text))] + re.findall(r'(?:src|href)="([^"]+)"', text)


def anchors(text: str) -> list[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    found: list[str] = []
    for _, heading in _HEADING.findall(_FENCE.sub("", text)):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        times = sum(1 for earlier in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", earlier))
        found.append(f"{anchor}-{times}" if times else anchor)
    return found
