"""What messages say in words, and how words are compared."""

from __future__ import annotations

import pytest

from goim.model.words import folded, words_of


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        ("text", '{"text":"hello","name":5}', "hello"),
        ("stream", '{"text":""}', ""),
        ("file", '{"url":"/files/x","name":"计划.pdf","size":1}', "计划.pdf"),
        ("location", '{"latitude":1,"longitude":2,"address":"Rom"}', "Rom"),
        ("location", '{"latitude":1,"longitude":2}', ""),
        ("card", '{"userId":"u","nickname":"Ann"}', "Ann"),
        ("image", '{"url":"/files/x"}', ""),
        ("custom", '{"text":"not looked into"}', ""),
        ("call", '{"callId":"c"}', ""),
    ],
)
def test_a_message_says_its_text_or_the_name_of_what_it_shows(kind: str, payload: str, words: str) -> None:
    assert words_of(kind, payload) == words_of(kind, payload.encode()) == words


@pytest.mark.parametrize(
    ("text", "key"),
    [("Straße", "strasse"), ("ＡＢＣ　ｄ", "abc d"), ("  a \n\t b ", "a b"), ("ﬁn", "fin"), ("你好", "你好"), ("", "")],
)
def test_texts_are_compared_whatever_their_case_width_and_blanks(text: str, key: str) -> None:
    assert folded(text) == key
