"""What becomes of chats with everything the server tells unasked; what is not in the tables is passed over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from goim.client.events import Connected, Disconnected, Event, MessagePush, StreamText
from goim.errors import GoimError
from goim.protocol import pushes
from goimctl.talk.chats import Chats
from goimctl.talk.rooms import TYPING_SECONDS, Room
from goimctl.talk.texts import clean
from goimctl.talk.words import t


async def take(chats: Chats, event: Event) -> Room | None:
    """Take in one event; the conversation it was about, if it was about one."""
    taken = _TAKEN.get(type(event))
    return await taken(chats, event) if taken else None


async def _connected(chats: Chats, _: Connected) -> None:
    chats.is_connected = True
    await chats.refresh()


async def _disconnected(chats: Chats, _: Disconnected) -> None:
    chats.is_connected = False
    chats.online.clear()


async def _message(chats: Chats, event: MessagePush) -> Room:
    message = event.data
    to = [] if message.group_id else [str(message.to)]
    await chats.people.learn({message.from_, *to, *(message.mentions or [])})
    room = chats.room_of(message)
    room.add(message, chats.me.user_id)
    return room


async def _changed(chats: Chats, event: Any) -> Room | None:
    room = chats.by_conv(event.data.conv_id)
    if isinstance(event, pushes.Recalled | pushes.Reacted):
        await chats.people.learn({event.data.by if isinstance(event, pushes.Recalled) else event.data.user_id})
    if room is not None:
        room.take_change(event)
    return room


async def _chunk(chats: Chats, event: pushes.StreamChunkPush) -> Room | None:
    room = chats.by_conv(event.data.conv_id)
    if room is not None:
        room.take_chunk(event.data)
    return room


async def _text(chats: Chats, event: StreamText) -> Room | None:
    room = chats.by_conv(event.message.conv_id)
    if room is not None:
        room.take_text(event.message)
    return room


async def _read(chats: Chats, event: pushes.ReadBy) -> Room | None:
    room = chats.by_conv(event.data.conv_id)
    if room is None:
        return None
    if event.data.user_id == chats.me.user_id:
        room.read_seq = max(room.read_seq, event.data.seq)
    else:
        await chats.people.learn({event.data.user_id})
        room.has_read(event.data.user_id, event.data.seq)
    return room


async def _typing(chats: Chats, event: pushes.TypingBy) -> Room | None:
    room = chats.by_conv(event.data.conv_id)
    if room is None or event.data.user_id == chats.me.user_id:
        return None
    await chats.people.learn({event.data.user_id})
    if event.data.typing:
        room.typing[event.data.user_id] = chats.clock.monotonic() + TYPING_SECONDS
    else:
        room.typing.pop(event.data.user_id, None)
    return room


async def _mention(chats: Chats, event: pushes.Mention) -> Room | None:
    room = chats.by_conv(event.data.conv_id)
    if room is not None and room.read_seq < event.data.seq:
        room.is_mentioned = True
    return room


async def _presence(chats: Chats, event: pushes.Presence) -> Room | None:
    await chats.people.learn({event.data.user_id})
    if event.data.online:
        chats.online.add(event.data.user_id)
    else:
        chats.online.discard(event.data.user_id)
    return chats.rooms.get(event.data.user_id)


async def _friends(chats: Chats, event: Any) -> None:
    """Friendship has changed: those lists are short, so they are asked for again."""
    await chats.people.learn({event.data.user_id})
    await chats.refresh()


async def _group(chats: Chats, event: Any) -> Room | None:
    """A group has come or changed; of one that is gone the conversation stays to be read."""
    data = event.data
    before = chats.groups.get(data.group_id)
    try:
        chats.enter_group(await chats.api.group(data.group_id))
    except GoimError:
        chats.groups.pop(data.group_id, None)  # and its name stays where it is shown
        return chats.rooms.get(data.group_id) if before else None
    chats.invitations.pop(data.group_id, None)
    return chats.rooms[data.group_id]


async def _member(chats: Chats, event: Any) -> Room | None:
    await chats.people.learn({event.data.user_id})
    room = await _group(chats, event)
    if room is not None and room.members:
        await chats.load_members(room)
    return room


async def _invited(chats: Chats, event: pushes.GroupInvite) -> None:
    chats.invitations[event.data.group_id] = clean(event.data.name or event.data.group_id)


async def _mine(chats: Chats, event: pushes.ConversationUpdated) -> Room | None:
    data = event.data
    room = chats.by_conv(data.conv_id)
    if room is not None:
        room.is_pinned = data.pinned if isinstance(data.pinned, bool) else room.is_pinned
        room.is_muted = data.muted if isinstance(data.muted, bool) else room.is_muted
        room.read_seq = max(room.read_seq, data.read_seq or 0)
        if data.deleted is True:
            del chats.rooms[room.other_id]
            if room is chats.here:
                chats.here = chats.room(room.other_id, room.conv_type, room.title)
    return room


_Taken = Callable[[Chats, Any], Awaitable[Room | None]]
_TAKEN: dict[type[Any], _Taken] = {
    Connected: _connected,
    Disconnected: _disconnected,
    MessagePush: _message,
    pushes.Recalled: _changed,
    pushes.Edited: _changed,
    pushes.Replaced: _changed,
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


def told_of(chats: Chats, event: Event) -> str | None:
    """What there is to say of an event besides what it changes in a conversation."""
    tell = _TOLD.get(type(event))
    return tell(chats, event) if tell else None


def _of_request(chats: Chats, event: pushes.FriendRequest) -> str:
    name, username = chats.people.name(event.data.user_id), chats.people.username(event.data.user_id)
    return t("{name} would like to be your friend: /friend {username}", name=name, username=username)


def _of_friend(chats: Chats, event: pushes.FriendAccepted | pushes.FriendRemoved) -> str:
    name = chats.people.name(event.data.user_id)
    if isinstance(event, pushes.FriendRemoved):
        return t("you and {name} are friends no longer", name=name)
    return t("you and {name} are friends", name=name)


def _of_notice(chats: Chats, event: pushes.NoticePosted) -> str:
    data = event.data
    return f"{_group_name(chats, data.group_id)}: {clean(data.title)}: {clean(data.content)}"


def _of_member(chats: Chats, event: pushes.MemberJoined | pushes.MemberLeft) -> str:
    data = event.data
    who, name = chats.people.name(data.user_id), _group_name(chats, data.group_id)
    is_me, is_in = data.user_id == chats.me.user_id, isinstance(event, pushes.MemberJoined)
    if is_me:
        return t("you are in the group {name} now" if is_in else "you are out of the group {name}", name=name)
    return t("{who} is in the group {name} now" if is_in else "{who} is out of the group {name}", who=who, name=name)


def _group_name(chats: Chats, group_id: str) -> str:
    room = chats.rooms.get(group_id)
    return room.title if room else clean(group_id)


def _of_invitation(_: Chats, event: pushes.GroupInvite) -> str:
    name = clean(event.data.name or event.data.group_id)
    group_id = clean(event.data.group_id)
    return t("you are invited to the group {name}: /group join {group}", name=name, group=group_id)


_TOLD: dict[type[Any], Callable[[Chats, Any], str]] = {
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
