from __future__ import annotations

import pytest

from goim.protocol.frames import framed
from loadtest.wire import PING, TEXT, frame, masked, split

BODIES = [b"", b"a" * 5, b"b" * 125, b"c" * 126, b"d" * 65535, b"e" * 65536]


def test_whole_frames_of_every_length_are_split() -> None:
    frames, rest = split(b"".join(framed(body) for body in BODIES))
    assert frames == [(TEXT, body) for body in BODIES]
    assert rest == b""


@pytest.mark.parametrize("body", BODIES[:4])
def test_a_frame_cut_anywhere_waits_for_its_rest(body: bytes) -> None:
    data = b"\x89\x00" + framed(body)
    for cut in range(2, len(data)):
        frames, rest = split(data[:cut])
        assert frames == [(PING, b"")]
        assert split(rest + data[cut:]) == ([(TEXT, body)], b"")


@pytest.mark.parametrize("body", BODIES)
def test_an_outgoing_frame_is_masked_with_the_key_it_carries(body: bytes) -> None:
    data = frame(body)
    head = len(data) - len(body)
    key = data[head - 4 : head]
    assert bytes(byte ^ key[place % 4] for place, byte in enumerate(data[head:])) == body
    assert int.from_bytes(data[1:2], "big") & 0x80
    assert key != bytes(4)  # with an empty key a server would have less to do than with a real client's


def test_pieces_masked_apart_fit_together() -> None:
    assert masked(b"abc") + masked(b"defgh") == masked(b"abcdefgh")
