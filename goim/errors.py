"""Everything a client can be told went wrong: the codes of the contract and the one exception that carries them."""

from __future__ import annotations

import errno
from enum import StrEnum


class ErrorCode(StrEnum):
    """The codes of `docs/errors.md`; the same over HTTP, WebSocket and TCP."""

    INVALID = "INVALID"
    UNAUTHORIZED = "UNAUTHORIZED"
    BAD_CREDENTIALS = "BAD_CREDENTIALS"
    FORBIDDEN = "FORBIDDEN"
    NOT_FRIEND = "NOT_FRIEND"
    NOT_GROUP_MEMBER = "NOT_GROUP_MEMBER"
    BLOCKED = "BLOCKED"
    MUTED = "MUTED"
    NOT_FOUND = "NOT_FOUND"
    USERNAME_TAKEN = "USERNAME_TAKEN"
    CONV_CONFLICT = "CONV_CONFLICT"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    RECALL_EXPIRED = "RECALL_EXPIRED"
    CALL_BUSY = "CALL_BUSY"
    CALL_STATE = "CALL_STATE"
    STREAM_STATE = "STREAM_STATE"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED = "UNSUPPORTED"
    WEBRTC_DISABLED = "WEBRTC_DISABLED"
    RATE_LIMIT = "RATE_LIMIT"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


HTTP_STATUS: dict[ErrorCode, int] = {
    ErrorCode.INVALID: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.BAD_CREDENTIALS: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FRIEND: 403,
    ErrorCode.NOT_GROUP_MEMBER: 403,
    ErrorCode.BLOCKED: 403,
    ErrorCode.MUTED: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.USERNAME_TAKEN: 409,
    ErrorCode.CONV_CONFLICT: 409,
    ErrorCode.ALREADY_EXISTS: 409,
    ErrorCode.RECALL_EXPIRED: 409,
    ErrorCode.CALL_BUSY: 409,
    ErrorCode.CALL_STATE: 409,
    ErrorCode.STREAM_STATE: 409,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED: 400,
    ErrorCode.WEBRTC_DISABLED: 400,
    ErrorCode.RATE_LIMIT: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}


class GoimError(Exception):
    """A refusal that the client is told: a code of the contract and one sentence in plain words.

    `conv_id` goes with `CONV_CONFLICT` (the pair's own conversation), `retry_after_ms` with `RATE_LIMIT`.
    """

    def __init__(
        self, code: ErrorCode, message: str, *, conv_id: str | None = None, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.conv_id = conv_id
        self.retry_after_ms = retry_after_ms


def not_found(what: str) -> GoimError:
    """Not there, or not yours: the two must look alike."""
    return GoimError(ErrorCode.NOT_FOUND, f"no such {what}")


def invalid(why: str) -> GoimError:
    return GoimError(ErrorCode.INVALID, why)


class OperatorError(Exception):
    """What whoever runs goim has to set right: several problems stand one a line; `hint` is the way out, if there is
    one."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(OperatorError):
    """A setting is wrong; the message names the setting, where it came from and what would be right."""


def is_full(error: BaseException) -> bool:
    """Whether it is for want of room on a disk, or of a user's share of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class StoreDown(Exception):
    """A database cannot be reached or refused the work; nothing of it was kept, or it cannot be known: retry."""


class MigrationError(OperatorError):
    """The schema cannot be brought up."""
