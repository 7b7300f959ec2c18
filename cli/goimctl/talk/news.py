"""What becomes of a session with everything the server tells unasked; what is not in the tables is passed over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from goim.client.events import Connected, Disconnected, Event, MessagePush, StreamText
from goim.errors import GoimError
from goim.protocol import pushes
from goimctl.talk.rooms import TYPING_SECONDS, Room
from goimctl.talk.texts import clean
from goimctl.talk.words import t

if TYPE_CHECKING:
    from goimctl.talk.session import Session


async def take(session: Session, event: Event) -> Room | None:
    """Take in one event; the conversation it was about, if it was about one."""
    taken = _TAKEN.get(type(event))
    return await taken(session, event) if taken else None


async def _connected(session: Session, _: Connected) -> None:
    session.is_connected = True
    await session.refresh()


async def _disconnected(session: Session, _: Disconnected) -> None:
    session.is_connected = False
    session.online.clear()


async def _message(session: Session, event: MessagePush) -> Room:
    message = event.data
    to = [] if message.group_id else [str(message.to)]
    await session.people.learn({message.from_, *to, *(message.mentions or [])})
    room = session.room_of(message)
    room.add(message, session.me.user_id)
    return room


async def _changed(session: Session, event: Any) -> Room | None:
    room = session.by_conv(event.data.conv_id)
    if isinstance(event, pushes.Recalled | pushes.Reacted):
        await session.people.learn({event.data.by if isinstance(event, pushes.Recalled) else event.data.user_id})
    if room is not None:
        room.take_change(event)
    return room


async def _chunk(session: Session, event: pushes.StreamChunkPush) -> Room | None:
    room = session.by_conv(event.data.conv_id)
    if room is not None:
        room.take_chunk(event.data)
    return room


async def _text(session: Session, event: StreamText) -> Room | None:
    room = session.by_conv(event.message.conv_id)
    if room is not None:
        room.take_text(event.message)
    return room


async def _read(session: Session, event: pushes.ReadBy) -> Room | None:
    room = session.by_conv(event.data.conv_id)
    if room is None:
        return None
    if event.data.user_id == session.me.user_id:
        room.read_seq = max(room.read_seq, event.data.seq)
    else:
        await session.people.learn({event.data.user_id})
        room.has_read(event.data.user_id, event.data.seq)
    return room


async def _typing(session: Session, event: pushes.TypingBy) -> Room | None:
    room = session.by_conv(event.data.conv_id)
    if room is None or event.data.user_id == session.me.user_id:
        return None
    await session.people.learn({event.data.user_id})
    if event.data.typing:
        room.typing[event.data.user_id] = session.clock.monotonic() + TYPING_SECONDS
    else:
        room.typing.pop(event.data.user_id, None)
    return room


async def _mention(session: Session, event: pushes.Mention) -> Room | None:
    room = session.by_conv(event.data.conv_id)
    if room is not None and room.read_seq < event.data.seq:
        room.is_mentioned = True
    return room


async def _presence(session: Session, event: pushes.Presence) -> Room | None:
    await session.people.learn({event.data.user_id})
    if event.data.online:
        session.online.add(event.data.user_id)
    else:
        session.online.discard(event.data.user_id)
    return session.rooms.get(event.data.user_id)


async def _friends(session: Session, event: Any) -> None:
    """Friendship has changed: those lists are short, so they are asked for again."""
    await session.people.learn({event.data.user_id})
    await session.refresh()


async def _group(session: Session, event: Any) -> Room | None:
    """A group has come or changed; of one that is gone the conversation stays to be read."""
    data = event.data
    before = session.groups.get(data.group_id)
    try:
        session.enter_group(await session.client.api.group(data.group_id))
    except GoimError:
        session.groups.pop(data.group_id, None)  # and its name stays where it is shown
        return session.rooms.get(data.group_id) if before else None
    session.invitations.pop(data.group_id, None)
    return session.rooms[data.group_id]


async def _member(session: Session, event: Any) -> Room | None:
    await session.people.learn({event.data.user_id})
    room = await _group(session, event)
    if room is not None and room.members:
        await session.load_members(room)
    return room


async def _invited(session: Session, event: pushes.GroupInvite) -> None:
    session.invitations[event.data.group_id] = clean(event.data.name or event.data.group_id)


async def _mine(session: Session, event: pushes.ConversationUpdated) -> Room | None:
    data = event.data
    room = session.by_conv(data.conv_id)
    if room is not None:
        room.is_pinned = data.pinned if isinstance(data.pinned, bool) else room.is_pinned
        room.is_muted = data.muted if isinstance(data.muted, bool) else room.is_muted
        room.read_seq = max(room.read_seq, data.read_seq or 0)
        if data.deleted is True:
            del session.rooms[room.other_id]
    return room


_Taken = Callable[["Session", Any], Awaitable[Room | None]]
_TAKEN: dict[type[Any], _Taken] = {
    Connected: _connected,
    Disconnected: _disconnected,
    MessagePush: _message,
    pushes.Recalled: _changed,
    pushes.Edited: _changed,
    pushes.Reacted: _changed,
    pushes.StreamEnd: _changed,
    pushes.StreamChunkPush: _chunk,
    StreamText: _text,
    pushes.ReadBy: _read,
    pushes.TypingBy: _typing,
    pushes.Mention: _mention,
    pushes.Presence: _presence,
    pushes.FriendRequest: _friends,
    pushes.FriendAccepted: _friends,
    pushes.FriendRemoved: _friends,
    pushes.GroupCreated: _group,
    pushes.GroupUpdated: _group,
    pushes.GroupDisbanded: _group,
    pushes.GroupInvite: _invited,
    pushes.MemberJoined: _member,
    pushes.MemberLeft: _member,
    pushes.ConversationUpdated: _mine,
}


def told_of(session: Session, event: Event) -> str | None:
    """What there is to say of an event besides what it changes in a conversation."""
    tell = _TOLD.get(type(event))
    return tell(session, event) if tell else None


def _of_request(session: Session, event: pushes.FriendRequest) -> str:
    name, username = session.people.name(event.data.user_id), session.people.username(event.data.user_id)
    return t("{name} would like to be your friend: /friend {username}", name=name, username=username)


def _of_friend(session: Session, event: pushes.FriendAccepted | pushes.FriendRemoved) -> str:
    name = session.people.name(event.data.user_id)
    if isinstance(event, pushes.FriendRemoved):
        return t("you and {name} are friends no longer", name=name)
    return t("you and {name} are friends", name=name)


def _of_notice(session: Session, event: pushes.NoticePosted) -> str:
    data = event.data
    return f"{_group_name(session, data.group_id)}: {clean(data.title)}: {clean(data.content)}"


def _of_member(session: Session, event: pushes.MemberJoined | pushes.MemberLeft) -> str:
    data = event.data
    who, name = session.people.name(data.user_id), _group_name(session, data.group_id)
    is_me, is_in = data.user_id == session.me.user_id, isinstance(event, pushes.MemberJoined)
    if is_me:
        return t("you are in the group {name} now" if is_in else "you are out of the group {name}", name=name)
    return t("{who} is in the group {name} now" if is_in else "{who} is out of the group {name}", who=who, name=name)


def _group_name(session: Session, group_id: str) -> str:
    room = session.rooms.get(group_id)
    return room.title if room else clean(group_id)


def _of_invitation(_: Session, event: pushes.GroupInvite) -> str:
    name = clean(event.data.name or event.data.group_id)
    group_id = clean(event.data.group_id)
    return t("you are invited to the group {name}: /group join {group}", name=name, group=group_id)


_TOLD: dict[type[Any], Callable[[Session, Any], str]] = {
    pushes.FriendRequest: _of_request,
    pushes.FriendAccepted: _of_friend,
    pushes.FriendRemoved: _of_friend,
    pushes.GroupCreated: lambda s, e: t("you are in the group {name}", name=_group_name(s, e.data.group_id)),
    pushes.GroupDisbanded: lambda s, e: t("the group {name} is no more", name=_group_name(s, e.data.group_id)),
    pushes.GroupInvite: _of_invitation,
    pushes.MemberJoined: _of_member,
    pushes.MemberLeft: _of_member,
    pushes.NoticePosted: _of_notice,
}
