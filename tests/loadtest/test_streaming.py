"""The reader of a stream finds whatever is wrong with it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest.ledger import Ledger
from loadtest.streaming import Reader, Stream, Writer


def heard(*frames: dict[str, Any]) -> set[str]:
    """The problems that a reader finds in what it is sent of an answer of three chunks."""
    stream = Stream(0.0)
    stream.id, stream.sent = "s", 3
    stream.due.extend([1.0, 2.0, 3.0])
    writer = Writer.__new__(Writer)
    writer.streams, writer.ledger, writer._size = [stream], Ledger(0.0, 10.0), 4
    reader = Reader.__new__(Reader)
    reader._writer, reader.loop = writer, SimpleNamespace(now=4.0)  # type: ignore[assignment]
    for frame in frames:
        reader.receive(json.dumps(frame).encode())
    return set(writer.ledger.problems)


def chunk(index: int, delta: str = "", stream: str = "s") -> dict[str, Any]:
    return {"action": "stream_chunk", "data": {"streamId": stream, "index": index, "delta": delta or f"{index:04d}"}}


def end(text: str = "…000100020003", status: str = "done") -> dict[str, Any]:
    return {"action": "stream_end", "data": {"streamId": "s", "text": text, "streamStatus": status}}


WHOLE = [chunk(1), chunk(2), chunk(3)]


def test_a_whole_answer_has_no_problems() -> None:
    assert heard(*WHOLE, end()) == set()


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        ([chunk(1), chunk(3), end()], "lost chunk"),
        ([chunk(1), chunk(2), end()], "lost chunk"),
        ([chunk(1), chunk(1), chunk(2), chunk(3), end()], "duplicate or reordered chunk"),
        ([chunk(1), chunk(2, "else"), chunk(3), end()], "corrupt chunk"),
        ([*WHOLE, end("…0001")], "corrupt stream"),
        ([*WHOLE, end(status="failed")], "corrupt stream"),
        ([*WHOLE, end(), end()], "stream that ends twice"),
        ([chunk(1, stream="t")], "stray stream_chunk"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(frames: list[dict[str, Any]], problem: str) -> None:
    assert heard(*frames) == {problem}
