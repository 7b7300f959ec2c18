"""What may go wrong for a client besides a refusal, which is a `GoimError` with its code."""

from __future__ import annotations

from goim.errors import ErrorCode, GoimError
from goim.protocol.close_codes import CloseCode


class Unreachable(Exception):
    """There is no server, or it did not answer as one."""


class Strange(Unreachable):
    """It answered, and not as this version of goim does."""


class SessionOver(Exception):
    """The server has ended this session for good: connecting again would not help. `code` is its close code, or 401."""

    def __init__(self, why: str, code: int) -> None:
        super().__init__(why)
        self.code = code


FOR_GOOD = {
    CloseCode.SESSION_ENDED: "the server ended this session",
    CloseCode.REPLACED: "this device connected from elsewhere",
    CloseCode.KICKED: "this device was removed",
    CloseCode.PROTOCOL_ABUSE: "the server does not understand this client",
}
"""The close codes after which a client must not come back."""


def refusal(code: str, message: str, retry_after_ms: int | None = None, conv_id: str | None = None) -> GoimError:
    """What the server said no with; a code that this version does not know counts as `INTERNAL`."""
    known = ErrorCode[code] if code in ErrorCode.__members__ else ErrorCode.INTERNAL
    return GoimError(known, message or code, conv_id=conv_id, retry_after_ms=retry_after_ms)
