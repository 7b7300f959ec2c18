"""What a client is told: every push of the contract as it stands in `goim.protocol`, and what happens to the client
itself."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from goim.client.answers import Message
from goim.client.link import Envelope
from goim.protocol import calls, pushes


class Connected(Struct, frozen=True):
    """A connection stands; what was missed comes next. `is_first`: there was none before."""

    is_first: bool


class Disconnected(Struct, frozen=True):
    """The connection is lost; the client tries again by itself."""


class MessagePush(pushes.Push, frozen=True, tag="message"):
    """Somebody said something, perhaps oneself on another device."""

    data: Message


class StreamText(Struct, frozen=True):
    """What a stream holds by now, chunks that were missed included: put it in the place of what was shown of it."""

    message: Message


class OtherPush(Struct, frozen=True):
    """A push that this version does not know."""

    action: str
    data: Raw


Push = (
    MessagePush
    | pushes.Recalled
    | pushes.Edited
    | pushes.Replaced
    | pushes.Reacted
    | pushes.StreamChunkPush
    | pushes.StreamEnd
    | pushes.Mention
    | pushes.ReadBy
    | pushes.TypingBy
    | pushes.Presence
    | pushes.FriendRequest
    | pushes.FriendAccepted
    | pushes.FriendRemoved
    | pushes.GroupCreated
    | pushes.GroupUpdated
    | pushes.GroupDisbanded
    | pushes.MemberJoined
    | pushes.MemberLeft
    | pushes.MemberUpdated
    | pushes.GroupInvite
    | pushes.JoinAsked
    | pushes.NoticePosted
    | pushes.ConversationUpdated
    | pushes.Reconnect
    | calls.CallIncoming
    | calls.AnsweredElsewhere
    | calls.RejectedElsewhere
    | calls.EndedElsewhere
    | calls.Signalled
)
Changed = pushes.Recalled | pushes.Edited | pushes.Reacted | pushes.StreamEnd
Event = Push | Connected | Disconnected | StreamText | OtherPush

_pushes: msgspec.json.Decoder[Push] = msgspec.json.Decoder(Push)


def event_of(action: str, data: Raw) -> Push | OtherPush:
    """A push as it is told; one that this version does not know stays as it came."""
    try:
        return _pushes.decode(msgspec.json.encode(Envelope(action, data)))
    except msgspec.ValidationError:
        return OtherPush(action, data)
