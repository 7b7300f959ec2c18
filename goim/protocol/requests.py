"""What clients ask over sockets: one struct an action, told apart by `action` and decoded in one pass."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from goim.model.conversations import ConvType
from goim.protocol.calls import CallAnswer, CallEnd, CallReject, CallStart, WebrtcSignaling
from goim.protocol.envelope import Request, RequestId


class SendData(Struct, frozen=True, gc=False, rename="camel"):
    """A message to send: where to (convId, or convType with to or groupId) and what. `payload` stays as it came."""

    type: str
    payload: Raw
    conv_id: str | None = None
    conv_type: ConvType | None = None
    to: str | None = None
    group_id: str | None = None
    client_msg_id: str | None = None
    expire_at_ms: int | None = None
    burn_after_read: bool | None = None
    reply_to: str | None = None
    mentions: list[str] | None = None


class RecallData(Struct, frozen=True, rename="camel"):
    conv_id: str
    server_msg_id: str


class EditData(Struct, frozen=True, rename="camel"):
    conv_id: str
    server_msg_id: str
    payload: Raw


class ReactData(Struct, frozen=True, rename="camel"):
    conv_id: str
    server_msg_id: str
    emoji: str
    remove: bool | None = None


class StreamChunkData(Struct, frozen=True, rename="camel"):
    stream_id: str
    delta: str
    metadata: Raw | UnsetType = UNSET


class EndStreamData(Struct, frozen=True, rename="camel"):
    stream_id: str
    final_text: str | None = None
    error: str | None = None


class ReadData(Struct, frozen=True, rename="camel"):
    conv_id: str
    seq: int


class SubscribeGroupData(Struct, frozen=True, rename="camel"):
    group_id: str


class SyncConv(Struct, frozen=True, rename="camel"):
    """What the client has of one conversation: every seq and every change up to these."""

    conv_id: str
    from_seq: int | None = None
    from_change: int | None = None


class SyncData(Struct, frozen=True, rename="camel"):
    convs: list[SyncConv]
    limit: int | None = None


class TypingData(Struct, frozen=True, rename="camel"):
    conv_id: str
    typing: bool


class AuthData(Struct, frozen=True, rename="camel"):
    token: str
    device_id: str | None = None


class NoData(Struct, frozen=True):
    pass


class Send(Request, frozen=True, tag="send", kw_only=True):
    data: SendData


class Recall(Request, frozen=True, tag="recall", kw_only=True):
    data: RecallData


class Edit(Request, frozen=True, tag="edit", kw_only=True):
    data: EditData


class React(Request, frozen=True, tag="react", kw_only=True):
    data: ReactData


class StartStream(Request, frozen=True, tag="start_stream", kw_only=True):
    data: SendData


class StreamChunk(Request, frozen=True, tag="stream_chunk", kw_only=True):
    data: StreamChunkData


class EndStream(Request, frozen=True, tag="end_stream", kw_only=True):
    data: EndStreamData


class Read(Request, frozen=True, tag="read", kw_only=True):
    data: ReadData


class SubscribeGroup(Request, frozen=True, tag="subscribe_group", kw_only=True):
    data: SubscribeGroupData


class Sync(Request, frozen=True, tag="sync", kw_only=True):
    data: SyncData


class Typing(Request, frozen=True, tag="typing", kw_only=True):
    data: TypingData


class Ping(Request, frozen=True, tag="ping", kw_only=True):
    data: NoData | None = NoData()


class Auth(Request, frozen=True, tag="auth", kw_only=True):
    """The first line over TCP."""

    data: AuthData


class Outline(Struct, frozen=True):
    """As much of a refused envelope as its error repeats. `action` is None where there is none, or anything at all."""

    action: object = None
    id: RequestId = UNSET
    data: Raw = Raw()


class OutlineData(Struct, frozen=True, rename="camel"):
    client_msg_id: str | UnsetType = UNSET


CallRequest = CallStart | CallAnswer | CallReject | CallEnd | WebrtcSignaling
AnyRequest = (
    Send
    | StartStream
    | StreamChunk
    | EndStream
    | Recall
    | Edit
    | React
    | Read
    | SubscribeGroup
    | Sync
    | Typing
    | Ping
    | CallRequest
)
decode_request = msgspec.json.Decoder(AnyRequest).decode
decode_auth = msgspec.json.Decoder(Auth).decode
decode_outline = msgspec.json.Decoder(Outline).decode
decode_outline_data = msgspec.json.Decoder(OutlineData).decode


def is_request_id(raw: RequestId) -> bool:
    """Whether an `id` is what it may be: absent, a string, a number, or null, as some write what is absent."""
    return raw is UNSET or bytes(raw)[0] in b'"-0123456789n'
