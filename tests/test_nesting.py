"""How deeply JSON may be nested, whatever reads it."""

from __future__ import annotations

import json

import pytest

from goim.nesting import MAX_DEPTH, is_too_deep


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_one_more_than_the_most_is_too_deep(opening: str, closing: str) -> None:
    each = opening.count("[") + opening.count("{")
    assert not is_too_deep(nested(MAX_DEPTH // each, opening, closing))
    assert is_too_deep(nested(MAX_DEPTH // each + 1, opening, closing))


def test_many_beside_each_other_and_those_in_texts_are_not_deep() -> None:
    assert not is_too_deep(json.dumps([{"a": []}] * 1000).encode())
    assert not is_too_deep(json.dumps(["[" * 1000, '"' + "{" * 1000, "\\" + "[" * 1000]).encode())
    assert is_too_deep(b'["\\"]",' + nested(MAX_DEPTH) + b"]")


def test_what_is_no_json_has_a_depth_too() -> None:
    assert is_too_deep(b"[" * 1000)
    assert not is_too_deep(b'"' + b"[" * 1000)
    assert not is_too_deep(b"]" * 1000 + b"x" * 1000)
    assert not is_too_deep(b"")
