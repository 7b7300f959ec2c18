"""As much of the server's answers as the terminal client reads."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from goim.model.conversations import ConvType


class Answer(Struct, frozen=True, rename="camel"):
    """What else there is in an answer is passed over."""


class Nothing(Answer, frozen=True):
    """There is nothing to say, or nothing that matters here."""


class Person(Answer, frozen=True):
    user_id: str
    username: str


class Found(Answer, frozen=True):
    users: list[Person]


class Friends(Answer, frozen=True):
    friends: list[Person]


class Requests(Answer, frozen=True):
    requests: list[Person]


class Befriended(Answer, frozen=True):
    status: str


class Presence(Answer, frozen=True):
    user_id: str
    online: bool


class Presences(Answer, frozen=True):
    presence: list[Presence]


class Line(Answer, frozen=True):
    """A line of the list of conversations."""

    conv_id: str
    conv_type: ConvType
    title: str
    last_seq: int
    last_change: int
    unread: int
    peer_id: str | None = None
    group_id: str | None = None


class Lines(Answer, frozen=True):
    conversations: list[Line]


class Group(Answer, frozen=True):
    """`invited` is who was asked in when it was made."""

    group_id: str
    conv_id: str
    name: str = ""
    invited: list[str] = []


class Groups(Answer, frozen=True):
    groups: list[Group]


class Added(Answer, frozen=True):
    added: list[str]
    invited: list[str]


class Member(Answer, frozen=True):
    user_id: str
    role: str


class Members(Answer, frozen=True):
    members: list[Member]


class Message(Answer, frozen=True, kw_only=True):
    """The message object; of a payload only what is said in every type."""

    server_msg_id: str
    client_msg_id: str
    conv_id: str
    conv_type: ConvType
    from_: str = field(name="from")
    to: str | None = None
    group_id: str | None = None
    seq: int
    timestamp: int
    type: str
    payload: dict[str, object] | None
    recalled: bool


class History(Answer, frozen=True):
    messages: list[Message]


class Acked(Answer, frozen=True):
    conv_id: str
    seq: int


class ReadUpTo(Answer, frozen=True):
    seq: int


class Changed(Answer, frozen=True):
    change: int
    action: str
    data: Raw


class SyncedConv(Answer, frozen=True):
    conv_id: str
    messages: list[Message]
    changes: list[Changed]
    last_seq: int
    has_more: bool


class Synced(Answer, frozen=True):
    convs: list[SyncedConv]
