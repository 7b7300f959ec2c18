"""Devices that want to hear of messages while they are not connected, and what they are told."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

MAX_DEVICES = 20
MAX_ADDRESS = 2048


class PushKind(StrEnum):
    """`webpush` is a browser's subscription, `http` a token for a provider of the operator's."""

    WEBPUSH = "webpush"
    HTTP = "http"


class PushDevice(Struct, frozen=True, kw_only=True):
    """Where a device is reached: a subscription's endpoint and keys, or a token and the provider it is for.

    It is good as long as the session that registered it.
    """

    user_id: str
    device_id: str
    session_id: str
    kind: PushKind
    address: str
    p256dh: str = ""
    auth: str = ""
    provider: str = ""
    created_at: int

    def __repr__(self) -> str:
        return f"PushDevice(user_id={self.user_id!r}, device_id={self.device_id!r}, kind={self.kind.value!r}, …)"


class Notification(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a device is told of a message. From `from_user_id` on only where content is shown."""

    type: str
    conv_id: str
    conv_type: str
    group_id: str | UnsetType = UNSET
    server_msg_id: str
    seq: int
    timestamp: int
    mention: bool = False
    from_user_id: str | UnsetType = UNSET
    from_name: str | UnsetType = UNSET
    group_name: str | UnsetType = UNSET
    message_type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
