"""What the server answers on the connection that asked: exactly one of these for every request."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

from goim.errors import ErrorCode, GoimError
from goim.model.messages import Message
from goim.protocol.envelope import RequestId


class Reply(Struct, frozen=True, gc=False, tag_field="action", omit_defaults=True):
    """An envelope that repeats the `id` of its request."""

    id: RequestId = UNSET


class SentData(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """The ack of a send. `duplicate`: this message was stored before, by an earlier try."""

    client_msg_id: str
    server_msg_id: str
    conv_id: str
    seq: int
    timestamp: int
    duplicate: bool = False


class StreamStartedData(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A stream has begun, or had begun before (`duplicate`)."""

    stream_id: str
    server_msg_id: str
    conv_id: str
    seq: int
    timestamp: int
    duplicate: bool = False


class StreamEndedData(Struct, frozen=True, rename="camel"):
    stream_id: str
    server_msg_id: str
    change: int


class ChangedData(Struct, frozen=True, rename="camel"):
    """The ack of something done to a message."""

    conv_id: str
    server_msg_id: str
    change: int


class ReadAckData(Struct, frozen=True, rename="camel"):
    conv_id: str
    seq: int


class SubscribedData(Struct, frozen=True, rename="camel"):
    group_id: str
    conv_id: str
    last_seq: int
    last_change: int


class ChangeData(Struct, frozen=True):
    """A change as `sync` tells it: `action` and `data` as in its push."""

    change: int
    action: str
    data: Raw


class SyncedConv(Struct, frozen=True, rename="camel"):
    conv_id: str
    messages: list[Message]
    changes: list[ChangeData]
    last_seq: int
    last_change: int
    has_more: bool


class SyncedData(Struct, frozen=True):
    convs: list[SyncedConv]


class PongData(Struct, frozen=True):
    timestamp: int


class NothingData(Struct, frozen=True):
    pass


class ErrorData(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why not. `convId` goes with `CONV_CONFLICT`."""

    code: ErrorCode
    message: str
    action: str
    client_msg_id: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    conv_id: str | UnsetType = UNSET


class AuthOkData(Struct, frozen=True, rename="camel"):
    """Over TCP: who the connection is."""

    user_id: str
    device_id: str


class AuthOk(Reply, frozen=True, tag="auth_ok", kw_only=True):
    data: AuthOkData


class Ack(Reply, frozen=True, tag="ack", kw_only=True):
    data: SentData | ChangedData | NothingData


class StreamStarted(Reply, frozen=True, tag="stream_started", kw_only=True):
    data: StreamStartedData


class StreamEnded(Reply, frozen=True, tag="stream_ended", kw_only=True):
    data: StreamEndedData


class ReadAck(Reply, frozen=True, tag="read_ack", kw_only=True):
    data: ReadAckData


class Subscribed(Reply, frozen=True, tag="subscribed", kw_only=True):
    data: SubscribedData


class Synced(Reply, frozen=True, tag="synced", kw_only=True):
    data: SyncedData


class Pong(Reply, frozen=True, tag="pong", kw_only=True):
    data: PongData


class Error(Reply, frozen=True, tag="error", kw_only=True):
    data: ErrorData


def error_data(error: GoimError, action: str, client_msg_id: str | UnsetType = UNSET) -> ErrorData:
    """What a client is told of a refusal."""
    return ErrorData(
        code=error.code,
        message=error.message,
        action=action,
        client_msg_id=client_msg_id,
        retry_after_ms=UNSET if error.retry_after_ms is None else error.retry_after_ms,
        conv_id=UNSET if error.conv_id is None else error.conv_id,
    )
