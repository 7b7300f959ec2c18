"""Why the server ended a connection: the close codes of the contract."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """WebSocket close codes; over TCP the same number stands in the last error."""

    GOING_AWAY = 1001
    BAD_UTF8 = 1007
    TOO_LARGE = 1009
    OVERLOADED = 1013
    SESSION_ENDED = 4001
    PROTOCOL_ABUSE = 4002
    SLOW_CONSUMER = 4008
    REPLACED = 4009
    KICKED = 4010
    DRAINING = 4012
