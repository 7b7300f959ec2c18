"""The docs site: built as `make docs` builds it, whole in itself, in both languages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.site.texts import translations
from tests.browser.axe import faults
from tests.browser.conftest import chromium
from tests.pages import ROOT

LOADING = {"src", "srcset", "data", "poster"}


class Parts(HTMLParser):
    """What a page loads, where it leads, what in it can be led to, and its language."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.led: list[str] = []
        self.anchors: set[str] = set()
        self.language = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.loaded += [value for name, value in values.items() if name in LOADING]
        if tag == "html":
            self.language = values.get("lang", "")
        if tag == "link" and values.get("rel") not in {"canonical", "alternate", "prev", "next"}:
            self.loaded.append(values["href"])
        elif "href" in values:
            self.led.append(values["href"])


@pytest.fixture(scope="module", name="site")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is; a link that leads nowhere, or a page that no list names, would have stopped the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module", name="parts")
def parts_of_all(site: Path) -> dict[Path, Parts]:
    return {path: Parts(path.read_text()) for path in site.rglob("*.html")}


def test_it_loads_nothing_from_elsewhere(site: Path, parts: dict[Path, Parts]) -> None:
    assert len(parts) > 40
    for path, each in parts.items():
        for source in each.loaded:
            assert source.startswith("data:") or urlsplit(source).netloc == "", f"{path} loads {source}"
    for path in site.rglob("*.css"):
        for source in re.findall(r"""(?:url\(|@import\s*)["']?([^"')]+)""", path.read_text()):
            assert not re.match(r"https?:|//", source), f"{path} loads {source}"


def test_every_link_leads_to_a_page_and_its_place(site: Path, parts: dict[Path, Parts]) -> None:
    for path, each in parts.items():
        if path.name == "404.html":
            continue  # it is shown at any address, so its links are from the root
        for target in [*each.led, *each.loaded]:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            there = (path.parent / unquote(url.path)).resolve() if url.path else path
            assert there.exists(), f"{path.relative_to(site)} leads to {target}"
            if url.fragment and there.suffix == ".html":
                assert unquote(url.fragment) in parts[there].anchors, f"{path.relative_to(site)} leads to {target}"


def test_every_page_is_there_in_both_languages(site: Path, parts: dict[Path, Parts]) -> None:
    english = {path.relative_to(site) for path in parts if path.parts[len(site.parts)] != "zh"}
    chinese = {path.relative_to(site / "zh") for path in parts if path.parts[len(site.parts)] == "zh"}
    assert english - {Path("404.html")} == chinese
    assert parts[site / "index.html"].language == "en"
    assert parts[site / "zh/index.html"].language == "zh"


def test_a_page_that_is_written_in_chinese_is_the_chinese_one(site: Path) -> None:
    translated = sorted((ROOT / "docs").rglob("*.zh.md"))
    assert translated
    for source in translated:
        title = re.match(r"# (.+)", source.read_text())
        built = site / "zh" / source.relative_to(ROOT / "docs").with_suffix("").with_suffix(".html")
        built = built.with_name(built.name.replace("README", "index"))
        assert title
        assert title[1].replace("`", "") in re.sub(r"<[^>]+>", "", built.read_text()), source


def test_what_the_code_says_is_in_chinese_on_the_chinese_pages(site: Path) -> None:
    said = [texts for texts in translations() if len(texts[0]) > 30 and not re.search(r"[`<>'\"&*{]", texts[0])]
    for name in ("configuration", "reference/http", "reference/sockets"):
        english, chinese = ((site / folder / f"{name}.html").read_text() for folder in ("", "zh"))
        here = [texts for texts in said if texts[0] in english]
        assert len(here) > 10
        assert not [texts for texts in here if texts[0] in chinese or texts[1] not in chinese], name


async def test_axe_has_nothing_serious_to_say_against_it(site: Path) -> None:
    found = []
    async with chromium() as browser:
        for scheme in ("light", "dark"):
            page = await browser.new_page(color_scheme=scheme)
            for name in ("quickstart", "web", "zh/index"):
                await page.goto((site / f"{name}.html").as_uri())
                found += [f"{name}, {scheme}: {each}" for each in await faults(page)]
    assert not found, "\n".join(found)


SPLIT = """() => [...document.querySelectorAll("td > code")].filter(code => /^[\\w.]+$/.test(code.textContent)
  && code.getClientRects().length > 1).map(code => code.textContent)"""


async def test_names_in_tables_are_not_split_at_the_end_of_a_line(site: Path) -> None:
    async with chromium() as browser:
        for width in (1280, 400):
            page = await browser.new_page(viewport={"width": width, "height": 800})
            for name in ("configuration", "metrics", "protocol"):
                await page.goto((site / f"{name}.html").as_uri())
                assert await page.evaluate(SPLIT) == [], (name, width)
