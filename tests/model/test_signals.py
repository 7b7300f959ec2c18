"""What may pass between the two sides of a call."""

from __future__ import annotations

import pytest
from msgspec import UNSET, Raw

from goim.errors import ErrorCode, GoimError
from goim.model.signals import MAX_CANDIDATE_BYTES, MAX_SDP_BYTES, Candidate, SignalType, checked_signal


@pytest.mark.parametrize("kind", [SignalType.OFFER, SignalType.ANSWER])
@pytest.mark.parametrize("candidate", [UNSET, Raw(b"null")])
def test_offers_and_answers_carry_sdp_and_nothing_else(kind: SignalType, candidate: Candidate) -> None:
    assert checked_signal(kind, "v=0", candidate) == ("v=0", UNSET)


@pytest.mark.parametrize(
    "raw", [b'{"candidate":"candidate:1 1 udp","sdpMid":"0"}', b'"candidate:1 1 udp"', b'""', b"null"]
)
@pytest.mark.parametrize("sdp", [None, ""])
def test_a_candidate_is_passed_on_as_it_came(raw: bytes, sdp: str | None) -> None:
    passed_sdp, candidate = checked_signal(SignalType.CANDIDATE, sdp, Raw(raw))
    assert passed_sdp is UNSET
    assert isinstance(candidate, Raw)
    assert bytes(candidate) == raw


@pytest.mark.parametrize(
    ("kind", "sdp", "candidate", "code"),
    [
        (SignalType.OFFER, None, UNSET, ErrorCode.INVALID),
        (SignalType.ANSWER, "", UNSET, ErrorCode.INVALID),
        (SignalType.OFFER, "v=0", Raw(b'"candidate:1"'), ErrorCode.INVALID),
        (SignalType.CANDIDATE, None, UNSET, ErrorCode.INVALID),
        (SignalType.CANDIDATE, "v=0", Raw(b'"candidate:1"'), ErrorCode.INVALID),
        (SignalType.CANDIDATE, None, Raw(b"7"), ErrorCode.INVALID),
        (SignalType.CANDIDATE, None, Raw(b"[]"), ErrorCode.INVALID),
        (SignalType.CANDIDATE, None, Raw(b"true"), ErrorCode.INVALID),
    ],
)
def test_anything_else_is_invalid(kind: SignalType, sdp: str | None, candidate: Candidate, code: ErrorCode) -> None:
    with pytest.raises(GoimError) as caught:
        checked_signal(kind, sdp, candidate)
    assert caught.value.code is code


def test_sizes_are_counted_in_bytes_and_bounded() -> None:
    checked_signal(SignalType.OFFER, "é" * (MAX_SDP_BYTES // 2), UNSET)
    checked_signal(SignalType.CANDIDATE, None, Raw(b'"' + b"c" * (MAX_CANDIDATE_BYTES - 2) + b'"'))
    with pytest.raises(GoimError) as caught:
        checked_signal(SignalType.OFFER, "é" * (MAX_SDP_BYTES // 2) + "v", UNSET)
    assert caught.value.code is ErrorCode.TOO_LARGE
    with pytest.raises(GoimError) as caught:
        checked_signal(SignalType.CANDIDATE, None, Raw(b'"' + b"c" * (MAX_CANDIDATE_BYTES - 1) + b'"'))
    assert caught.value.code is ErrorCode.TOO_LARGE
