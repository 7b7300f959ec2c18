"""What the server sends unasked: one struct a push. A new one is a struct here and a line in `docs/protocol.md`."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, field

from goim.model.groups import JoinPolicy, Role
from goim.model.messages import Message


class Push(Struct, frozen=True, gc=False, tag_field="action"):
    """An envelope nobody asked for."""


class RecalledData(Struct, frozen=True, rename="camel", omit_defaults=True):
    conv_id: str
    server_msg_id: str
    seq: int
    by: str
    change: int
    timestamp: int
    reason: str | UnsetType = UNSET


class EditedData(Struct, frozen=True, rename="camel"):
    conv_id: str
    server_msg_id: str
    seq: int
    payload: Raw
    edited_at: int
    change: int


class ReplacedData(Struct, frozen=True, rename="camel"):
    conv_id: str
    server_msg_id: str
    seq: int
    payload: Raw


class ReactionData(Struct, frozen=True, rename="camel"):
    conv_id: str
    server_msg_id: str
    seq: int
    user_id: str
    emoji: str
    removed: bool
    change: int


class StreamChunkData(Struct, frozen=True, rename="camel", omit_defaults=True):
    stream_id: str
    conv_id: str
    seq: int
    index: int
    delta: str
    metadata: Raw | UnsetType = UNSET


class StreamEndData(Struct, frozen=True, rename="camel", omit_defaults=True):
    stream_id: str
    conv_id: str
    seq: int
    text: str
    stream_status: str
    change: int
    error: str | UnsetType = UNSET


class MentionData(Struct, frozen=True, rename="camel"):
    conv_id: str
    group_id: str
    from_: str = field(name="from")
    seq: int


class ReadByData(Struct, frozen=True, rename="camel"):
    conv_id: str
    user_id: str
    seq: int


class TypingByData(Struct, frozen=True, rename="camel"):
    conv_id: str
    user_id: str
    typing: bool


class PresenceData(Struct, frozen=True, rename="camel"):
    user_id: str
    online: bool
    last_seen: int


class FriendRequestData(Struct, frozen=True, rename="camel"):
    user_id: str
    remark: str


class UserData(Struct, frozen=True, rename="camel"):
    user_id: str


class GroupData(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What became of a group; only what a client needs to show it."""

    group_id: str
    conv_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    avatar_url: str | UnsetType = UNSET
    owner_id: str | UnsetType = UNSET
    join_policy: JoinPolicy | UnsetType = UNSET
    muted: bool | UnsetType = UNSET
    by: str | UnsetType = UNSET


class MemberData(Struct, frozen=True, rename="camel", omit_defaults=True):
    group_id: str
    user_id: str
    role: Role
    by: str
    mute_until: int | UnsetType = UNSET


class JoinAskedData(Struct, frozen=True, rename="camel"):
    group_id: str
    user_id: str


class NoticePostedData(Struct, frozen=True, rename="camel"):
    notice_id: str
    group_id: str
    title: str
    content: str
    created_by: str
    created_at: int


class ConversationUpdatedData(Struct, frozen=True, rename="camel", omit_defaults=True):
    """My own view of a conversation changed, on another of my devices."""

    conv_id: str
    pinned: bool | UnsetType = UNSET
    muted: bool | UnsetType = UNSET
    draft: str | UnsetType = UNSET
    read_seq: int | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET


class ReconnectData(Struct, frozen=True, rename="camel"):
    after_ms: int


class CloseData(Struct, frozen=True):
    """Over TCP: the close code that a WebSocket would have got."""

    code: int


class MessagePush(Push, frozen=True, tag="message"):
    data: Message


class Recalled(Push, frozen=True, tag="recalled"):
    data: RecalledData


class Edited(Push, frozen=True, tag="edited"):
    data: EditedData


class Replaced(Push, frozen=True, tag="replaced"):
    data: ReplacedData


class Reacted(Push, frozen=True, tag="reaction"):
    data: ReactionData


class StreamChunkPush(Push, frozen=True, tag="stream_chunk"):
    data: StreamChunkData


class StreamEnd(Push, frozen=True, tag="stream_end"):
    data: StreamEndData


class Mention(Push, frozen=True, tag="mention"):
    data: MentionData


class ReadBy(Push, frozen=True, tag="read"):
    data: ReadByData


class TypingBy(Push, frozen=True, tag="typing"):
    data: TypingByData


class Presence(Push, frozen=True, tag="presence"):
    data: PresenceData


class FriendRequest(Push, frozen=True, tag="friend_request"):
    data: FriendRequestData


class FriendAccepted(Push, frozen=True, tag="friend_accepted"):
    data: UserData


class FriendRemoved(Push, frozen=True, tag="friend_removed"):
    data: UserData


class GroupCreated(Push, frozen=True, tag="group_created"):
    data: GroupData


class GroupUpdated(Push, frozen=True, tag="group_updated"):
    data: GroupData


class GroupDisbanded(Push, frozen=True, tag="group_disbanded"):
    data: GroupData


class MemberJoined(Push, frozen=True, tag="member_joined"):
    data: MemberData


class MemberLeft(Push, frozen=True, tag="member_left"):
    data: MemberData


class MemberUpdated(Push, frozen=True, tag="member_updated"):
    data: MemberData


class GroupInvite(Push, frozen=True, tag="group_invite"):
    data: GroupData


class JoinAsked(Push, frozen=True, tag="group_join_request"):
    data: JoinAskedData


class NoticePosted(Push, frozen=True, tag="group_notice"):
    data: NoticePostedData


class ConversationUpdated(Push, frozen=True, tag="conversation_updated"):
    data: ConversationUpdatedData


class Reconnect(Push, frozen=True, tag="reconnect"):
    data: ReconnectData


class Close(Push, frozen=True, tag="close"):
    data: CloseData
