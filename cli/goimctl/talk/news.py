"""What the terminal client says of everything the server tells unasked; what is not in the table is passed over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from goim.client import Unreachable
from goim.client.answers import Message, SyncedConv
from goim.client.http import Nothing
from goim.errors import GoimError
from goim.model.conversations import ConvType
from goim.protocol.pushes import GroupData, MemberData, PresenceData, ReadByData, RecalledData, UserData
from goimctl.talk.screen import clean
from goimctl.talk.session import Session


async def listen(session: Session) -> None:
    """Show all news, one after another."""
    while True:
        envelope = await session.news.get()
        known = NEWS.get(envelope.action)
        if known is None:
            continue
        kind, tell = known
        try:
            await tell(session, msgspec.json.decode(envelope.data, type=kind))
        except (GoimError, Unreachable) as error:
            session.screen.note(clean(str(error)))
        except msgspec.MsgspecError:
            session.screen.note(f"the server tells of a {clean(envelope.action)} that this client does not understand")


async def _connected(session: Session, _: Nothing) -> None:
    """Show what was missed, be it between asking for the list and the first connection."""
    if session.is_back:
        session.screen.note("connected again")
    session.is_back = True
    for part in await session.catch_up(await session.missed()):
        await _tell_recalls(session, part)


async def _tell_recalls(session: Session, part: SyncedConv) -> None:
    for change in part.changes:
        if change.action == "recalled":
            await _recalled(session, msgspec.json.decode(change.data, type=RecalledData))


async def _lost(session: Session, _: Nothing) -> None:
    session.screen.note("the connection is lost; trying again …")


async def _message(session: Session, message: Message) -> None:
    await session.receive(message)


async def _recalled(session: Session, data: RecalledData) -> None:
    session.seen(data.conv_id).change = max(session.seen(data.conv_id).change, data.change)
    who = await session.people.name(data.by)
    session.screen.note(f"{who} took message {data.seq} back")


async def _read(session: Session, data: ReadByData) -> None:
    is_here = session.place is not None and session.place.conv_id == data.conv_id
    if is_here and data.user_id != session.me.user_id:
        session.screen.note(f"{await session.people.name(data.user_id)} has read up to {data.seq}")


async def _friend_request(session: Session, data: UserData) -> None:
    name = await session.people.name(data.user_id)
    session.screen.note(f"{name} would like to be your friend: /friend {name}")


async def _friend_accepted(session: Session, data: UserData) -> None:
    session.screen.note(f"you and {await session.people.name(data.user_id)} are friends")


async def _friend_removed(session: Session, data: UserData) -> None:
    session.screen.note(f"you and {await session.people.name(data.user_id)} are friends no longer")


async def _presence(session: Session, data: PresenceData) -> None:
    session.screen.note(f"{await session.people.name(data.user_id)} is {'here' if data.online else 'gone'}")


async def _group_created(session: Session, data: GroupData) -> None:
    session.screen.note(f"you are in the group {await session.people.group_name(data.group_id)}")


async def _group_updated(session: Session, data: GroupData) -> None:
    session.people.forget_group(data.group_id)


async def _group_disbanded(session: Session, data: GroupData) -> None:
    session.screen.note(f"the group {await session.people.group_name(data.group_id)} is no more")
    _leave_place(session, data.group_id)


async def _group_invite(session: Session, data: GroupData) -> None:
    name = clean(data.name or data.group_id)
    session.screen.note(f"you are invited to the group {name}: /group join {clean(data.group_id)}")


async def _member_joined(session: Session, data: MemberData) -> None:
    group = await session.people.group_name(data.group_id)
    is_me = data.user_id == session.me.user_id
    who = "you are" if is_me else f"{await session.people.name(data.user_id)} is"
    session.screen.note(f"{who} in the group {group} now")


async def _member_left(session: Session, data: MemberData) -> None:
    group = await session.people.group_name(data.group_id)
    if data.user_id == session.me.user_id:
        session.screen.note(f"you are out of the group {group}")
        _leave_place(session, data.group_id)
    else:
        session.screen.note(f"{await session.people.name(data.user_id)} is out of the group {group}")


def _leave_place(session: Session, group_id: str) -> None:
    place = session.place
    if place is not None and place.conv_type is ConvType.GROUP and place.other_id == group_id:
        session.place = None


NEWS: dict[str, tuple[Any, Callable[[Session, Any], Awaitable[None]]]] = {
    "connected": (Nothing, _connected),
    "lost": (Nothing, _lost),
    "message": (Message, _message),
    "recalled": (RecalledData, _recalled),
    "read": (ReadByData, _read),
    "friend_request": (UserData, _friend_request),
    "friend_accepted": (UserData, _friend_accepted),
    "friend_removed": (UserData, _friend_removed),
    "presence": (PresenceData, _presence),
    "group_created": (GroupData, _group_created),
    "group_updated": (GroupData, _group_updated),
    "group_disbanded": (GroupData, _group_disbanded),
    "group_invite": (GroupData, _group_invite),
    "member_joined": (MemberData, _member_joined),
    "member_left": (MemberData, _member_left),
}
