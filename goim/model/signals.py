"""What the two sides of a call tell each other through the server: checked for shape and size, passed on unread."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, Raw, UnsetType

from goim.errors import ErrorCode, GoimError, invalid

MAX_SDP_BYTES = 64 * 1024
MAX_CANDIDATE_BYTES = 4 * 1024

Candidate = Raw | UnsetType
"""An object or a string of the browser's, or null for "that was the last one"."""


class SignalType(StrEnum):
    OFFER = "offer"
    ANSWER = "answer"
    CANDIDATE = "candidate"


def checked_signal(kind: SignalType, sdp: str | None, candidate: Candidate) -> tuple[str | UnsetType, Candidate]:
    """What is passed on: the sdp of an offer or answer, or the candidate; `INVALID` or `TOO_LARGE` for all else."""
    if kind is SignalType.CANDIDATE:
        if sdp:
            raise invalid("a candidate comes without sdp")
        return UNSET, _checked_candidate(candidate)
    if candidate is not UNSET and bytes(candidate) != b"null":
        raise invalid(f"an {kind} comes without candidate")
    return _checked_sdp(kind, sdp), UNSET


def _checked_sdp(kind: SignalType, sdp: str | None) -> str:
    if not sdp:
        raise invalid(f"an {kind} needs sdp")
    if len(sdp.encode()) > MAX_SDP_BYTES:
        raise GoimError(ErrorCode.TOO_LARGE, f"sdp has at most {MAX_SDP_BYTES} bytes")
    return sdp


def _checked_candidate(candidate: Candidate) -> Raw:
    if candidate is UNSET:
        raise invalid("candidate is missing")
    raw = bytes(candidate)
    if len(raw) > MAX_CANDIDATE_BYTES:
        raise GoimError(ErrorCode.TOO_LARGE, f"a candidate has at most {MAX_CANDIDATE_BYTES} bytes")
    if raw[:1] not in (b"{", b'"') and raw != b"null":
        raise invalid("candidate is an object or a string")
    return candidate
