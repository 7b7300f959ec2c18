"""The Chinese pages say what the English ones say: all of it, in the same shape, and in Chinese."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from docs.site import texts
from docs.site.__main__ import generated
from tests.pages import PAGES, ROOT, anchors, links, page

ORIGINAL = {name: name.replace(".zh-CN.md", ".md").replace(".zh.md", ".md") for name in PAGES if ".zh" in name}
TRANSLATION = {english: name for name, english in ORIGINAL.items()}
FENCED = re.compile(r"^```[^\n`]*\n.*?^```$", re.MULTILINE | re.DOTALL)
SHAPE = re.compile(rf"{FENCED.pattern}|^ *(?:#+|-|\d+\.) |^\||(?<=\n\n)(?=\S)", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"(?<=\s)# .*$", re.MULTILINE)
NUMBER = re.compile(r"(?<![A-Za-z])\d(?:[\d,.]*\d)?")
NO_PROSE = re.compile(r"`[^`]*`|<[^>]*>|[\"“][^\"”]*[\"”]|[!-~]*[_=/.@{}][!-~]*")
CODE = re.compile(r"`[^`\n]*`")
WORD = re.compile(r"\b[a-z][a-z'-]*[a-z]\b")
SENTENCE = re.compile(r"\b[A-Za-z][a-z'-]*(?:,? [a-z][a-z'-]*){3,}")
PHRASE = re.compile(r"\b[A-Za-z][a-z'-]+ [a-z][a-z'-]+")
HAN = re.compile(r"[\u4e00-\u9fff]")
BROKEN = re.compile(r".{9}[\u4e00-\u9fff，。；：、）]\n *[\u4e00-\u9fff（].{9}")
NAMED = (r"`[^`]+`", r"\{\w+\}", r"\b\d+\b")


# what is generated


def test_everything_that_generated_pages_say_is_translated() -> None:
    missing = texts.untranslated()
    assert not missing, f"translate these in {texts.CATALOGUE.relative_to(ROOT)}, then `make docs`: {missing}"


def test_the_catalogue_has_what_generated_pages_say_and_nothing_else() -> None:
    wanted = dict(generated())[texts.CATALOGUE]
    here, there = ({*re.findall(r"^msgid .*", text, re.MULTILINE)} for text in (texts.CATALOGUE.read_text(), wanted))
    assert not there - here, f"`make docs` adds these to {texts.CATALOGUE.relative_to(ROOT)}: {there - here}"
    assert not here - there, f"`make docs` takes these out of {texts.CATALOGUE.relative_to(ROOT)}: {here - there}"


def test_a_generated_text_keeps_its_names_and_is_in_chinese() -> None:
    for original, chinese in texts.translations():
        for marks in NAMED:
            assert set(re.findall(marks, original)) == set(re.findall(marks, chinese)), (original, chinese)
        assert not english(chinese), (original, chinese)


# what is written by hand


@pytest.mark.parametrize("name", ORIGINAL)
def test_a_translated_page_has_the_shape_of_its_original(name: str) -> None:
    """Headings, paragraphs, items of lists, rows of tables, and blocks whole but for comments."""
    here, there = ([COMMENT.sub("#", part) for part in SHAPE.findall(page(each))] for each in (name, ORIGINAL[name]))
    assert here == there, f"what {ORIGINAL[name]} got or lost is for {name}, too"


@pytest.mark.parametrize("name", ORIGINAL)
def test_a_translated_page_has_the_names_and_numbers_of_its_original(name: str) -> None:
    here, there = (
        {*CODE.findall(text), *NUMBER.findall(CODE.sub("", text))} for text in map(words, (name, ORIGINAL[name]))
    )
    assert here == there, f"what {ORIGINAL[name]} got or lost is for {name}, too"


def words(name: str) -> str:
    """A page without blocks, and without where its links lead."""
    return re.sub(r"\]\([^)]*\)", "]", FENCED.sub("", page(name)))


@pytest.mark.parametrize("name", ORIGINAL)
def test_a_translated_page_has_the_links_of_its_original_and_leads_to_chinese_pages(name: str) -> None:
    here, there = places(name), places(ORIGINAL[name])
    english_ones = {target for target in here if target.partition("#")[0] in TRANSLATION}
    assert not english_ones, f"these are there in Chinese: {sorted(english_ones)}"
    assert sorted(map(in_original, here)) == sorted(there), f"{ORIGINAL[name]} leads elsewhere than {name}"


def places(name: str) -> list[str]:
    """Where the links of a page lead, from the root; not to the same page in the other language."""
    found = []
    for target in links(page(name)):
        path, mark, anchor = target.partition("#")
        if not re.match(r"[a-z]+:", target):
            path = os.path.normpath(f"{name}/../{path}") if path else name
        if path == name or name not in (ORIGINAL.get(path), TRANSLATION.get(path)):
            found.append(f"{path}{mark}{anchor}")
    return found


def in_original(target: str) -> str:
    """The same place in English."""
    path, mark, anchor = target.partition("#")
    if path not in ORIGINAL:
        return target
    place = anchors(page(path)).index(anchor) if anchor else -1
    return f"{ORIGINAL[path]}{mark}{anchors(page(ORIGINAL[path]))[place] if anchor else ''}"


@pytest.mark.parametrize("name", ORIGINAL)
def test_a_translated_page_is_in_chinese(name: str) -> None:
    assert not [line for line in prose(name) if english(line)]


@pytest.mark.parametrize("name", ORIGINAL)
def test_a_line_ends_only_where_a_space_may_stand(name: str) -> None:
    broken = BROKEN.findall(CODE.sub("…", words(name)))
    assert not broken, f"{name}: a browser shows a space within {broken}"


def prose(name: str) -> Iterator[str]:
    """Paragraphs, items of lists and cells of tables."""
    for line in CODE.sub("…", words(name)).splitlines():
        yield from line.split("|")


def english(text: str) -> bool:
    """Whether there is a sentence in it, or more words than Chinese: names alone do not make it English."""
    said = NO_PROSE.sub("…", text)
    han = len(HAN.findall(said))
    return (
        bool(SENTENCE.search(said)) or len(WORD.findall(said)) > max(3, han) or (not han and bool(PHRASE.search(said)))
    )


def test_english_left_in_a_chinese_page_is_found() -> None:
    assert english("The server pings a connection.")
    assert english("消息落盘之后才会确认。The server pings it every minute.")
    assert english("## All settings")
    assert not english("会话（conversation）里的 `send this and that`，见 Redis Cluster 与 MySQL")
    assert not english("| Redis、MySQL | Rocket.Chat |")
