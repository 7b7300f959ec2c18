"""Terms and questions: words by their beginnings, Chinese and its neighbours by pairs, signs by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goim.model.search import MAX_TEXT, MAX_WORD, Term, index_terms, question
from tests.thinking import UNHURRIED


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Hello, World! hello", ["hello", "world"]),
        ("snake_case a-b don't 3.14", ["snake", "case", "a", "b", "don", "t", "3", "14"]),
        ("Привет Straße", ["привет", "strasse"]),
        ("你好世界", ["你好", "好世", "世界", "界"]),
        ("茶", ["茶"]),
        ("买iPhone手机", ["买", "iphone", "手机", "机"]),
        ("ＡＢＣ", ["abc"]),
        ("カメラ", ["カメ", "メラ", "ラ"]),
        ("한국어 배우기", ["한국", "국어", "어", "배우", "우기", "기"]),
        ("好👍。，！", ["好", "👍"]),
        ("", []),
        ("  \n\x00…¤", ["¤"]),
    ],
)
def test_a_text_is_kept_under_its_words_pairs_and_signs(text: str, terms: list[str]) -> None:
    assert index_terms(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("hel w", [Term("hel", True), Term("w")]),
        ("世", [Term("世", True)]),
        ("世界", [Term("世界")]),
        ("好世界", [Term("好世"), Term("世界")]),
        ("👍", [Term("👍")]),
        ("x x", [Term("x")]),
        ("!?", []),
        (" ", []),
    ],
)
def test_a_question_asks_for_beginnings_of_words_and_for_pairs(text: str, terms: list[Term]) -> None:
    assert list(question(text).terms) == terms


@pytest.mark.parametrize(
    ("asked", "text", "fits"),
    [
        ("好世界", "你好世界", True),
        ("好世界", "世界真好,好世道", False),
        ("WORLD hello", "Hello world", True),
        ("hello moon", "Hello world", False),
        ("a.b", "b and a", True),
    ],
)
def test_a_hit_has_every_part_of_the_question(asked: str, text: str, fits: bool) -> None:
    assert question(asked).fits(text) is fits


def test_long_texts_and_words_are_kept_by_their_beginnings() -> None:
    word = "x" * (MAX_WORD + 1)
    assert index_terms(word) == [word[:MAX_WORD]]
    assert question(word).terms == (Term(word[:MAX_WORD], True),)
    assert not question(word).fits(word[:-1])
    assert index_terms("茶" * MAX_TEXT + "尾") == ["茶茶", "茶"]


def has(terms: list[str], term: Term) -> bool:
    return any(each.startswith(term.text) if term.is_prefix else each == term.text for each in terms)


@UNHURRIED
@given(st.text(st.sampled_from("abAB ,世界好ß茶👍é _한"), max_size=30), st.data())
def test_what_stands_in_a_text_is_found_by_it(text: str, data: st.DataObject) -> None:
    """Whatever is cut out of a text, from the beginning of a word on, finds the text."""
    start = data.draw(st.integers(0, len(text)))
    while start and text[start - 1] in "abABßé":
        start -= 1
    part = text[start : data.draw(st.integers(start, len(text)))]
    asked = question(part)
    assert asked.fits(text)
    for term in asked.terms:
        assert has(index_terms(text), term) or len(term.text) == 1  # the first letter of a word that goes on
