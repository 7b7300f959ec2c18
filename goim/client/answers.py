"""What the server answers over HTTP, as far as clients read it; what else there is in an answer is passed over."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType, field

from goim.model.conversations import ConvType
from goim.model.groups import JoinPolicy, Role
from goim.model.messages import Reacted


class Answer(Struct, frozen=True, rename="camel"):
    """Times are unix milliseconds."""


class Message(Answer, frozen=True, kw_only=True):
    """The message object of the contract. `payload` is None if it was taken back; what is UNSET does not apply."""

    server_msg_id: str
    client_msg_id: str
    conv_id: str
    conv_type: ConvType
    from_: str = field(name="from")
    to: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    seq: int
    timestamp: int
    type: str
    payload: dict[str, object] | None
    recalled: bool
    edited_at: int | UnsetType = UNSET
    expire_at: int | UnsetType = UNSET
    burn_after_read: bool | UnsetType = UNSET
    reply_to: str | UnsetType = UNSET
    mentions: list[str] | UnsetType = UNSET
    reactions: list[Reacted] | UnsetType = UNSET
    stream_id: str | UnsetType = UNSET
    stream_status: str | UnsetType = UNSET
    stream_index: int | UnsetType = UNSET


class Change(Struct, frozen=True):
    """What happened to a message later, as `sync` tells it: `action` and `data` are those of its push."""

    change: int
    action: str
    data: Raw


class SyncedConv(Answer, frozen=True):
    conv_id: str
    messages: list[Message]
    changes: list[Change]
    last_seq: int
    last_change: int
    has_more: bool


class Synced(Answer, frozen=True):
    convs: list[SyncedConv]


class User(Answer, frozen=True):
    user_id: str
    username: str
    nickname: str = ""
    avatar_url: str = ""


class Users(Answer, frozen=True):
    users: list[User]


class Friend(User, frozen=True, kw_only=True):
    remark: str = ""
    since: int = 0


class Friends(Answer, frozen=True):
    friends: list[Friend]


class Requests(Answer, frozen=True):
    requests: list[User]


class Befriended(Answer, frozen=True):
    """`pending` until the other one says yes, then `accepted`."""

    status: str


class Presence(Answer, frozen=True):
    user_id: str
    online: bool
    last_seen: int = 0


class Presences(Answer, frozen=True):
    presence: list[Presence]


class Conversation(Answer, frozen=True, kw_only=True):
    """A line of one's own list of conversations."""

    conv_id: str
    conv_type: ConvType
    title: str
    last_seq: int
    last_change: int
    read_seq: int
    unread: int
    peer_id: str | None = None
    group_id: str | None = None
    pinned: bool = False
    muted: bool = False
    draft: str = ""
    last_message: Message | None = None
    updated_at: int = 0


class Conversations(Answer, frozen=True):
    conversations: list[Conversation]
    next_cursor: str | None = None


class Group(Answer, frozen=True, kw_only=True):
    """`role` is one's own, None where one is no member."""

    group_id: str
    conv_id: str
    name: str
    owner_id: str
    member_count: int
    join_policy: JoinPolicy
    muted: bool
    avatar_url: str = ""
    role: Role | None = None
    created_at: int = 0


class Groups(Answer, frozen=True):
    groups: list[Group]


class Added(Answer, frozen=True):
    """Who is in now, and who was asked in."""

    added: list[str]
    invited: list[str]


class MadeGroup(Added, frozen=True, kw_only=True):
    group_id: str
    conv_id: str


class Member(Answer, frozen=True):
    user_id: str
    role: Role
    nickname: str = ""
    joined_at: int = 0


class Members(Answer, frozen=True):
    members: list[Member]
    next_cursor: str | None = None


class History(Answer, frozen=True):
    messages: list[Message]
    has_more: bool = False


class Reader(Answer, frozen=True):
    user_id: str
    read_at: int


class Readers(Answer, frozen=True):
    """Who has read a message, the earliest first, and who of those it was for has not."""

    readers: list[Reader]
    unread: list[str]


class File(Answer, frozen=True, kw_only=True):
    """`url` leads to the bytes for those who may read them."""

    file_id: str
    url: str
    file_name: str
    size: int
    mime_type: str
    created_at: int
    expires_at: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: str | None = None


class Files(Answer, frozen=True):
    files: list[File]


class Link(Answer, frozen=True):
    """Good for whoever has it until it expires."""

    url: str
    expires_at: int


class Favourite(Answer, frozen=True, kw_only=True):
    favorite_id: str
    type: str
    title: str
    content: str
    tags: list[str]
    created_at: int
    conv_id: str | None = None
    message: Message | None = None


class Favourites(Answer, frozen=True):
    favorites: list[Favourite]


class IceServer(Answer, frozen=True):
    urls: list[str] | str
    username: str | None = None
    credential: str | None = None


class IceServers(Answer, frozen=True):
    ice_servers: list[IceServer]
