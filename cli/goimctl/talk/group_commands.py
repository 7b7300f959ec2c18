"""`/group` of the terminal client."""

from __future__ import annotations

from collections.abc import Sequence

from goim.client.answers import Added, MadeGroup, Members
from goim.client.http import part
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import ConvType
from goimctl.talk.people import Place
from goimctl.talk.screen import clean
from goimctl.talk.session import Session

Words = Sequence[str]


class Misused(Exception):
    """A command without what it needs."""


async def group(session: Session, words: Words) -> None:
    """Make a group, or do something in the one where one is."""
    verb, *rest = words or [""]
    if verb == "new" and rest:
        await _new(session, rest[0], rest[1:])
    elif verb == "join" and len(rest) == 1:
        await session.api.tell(f"/api/groups/{part(rest[0])}/join", {})
    elif verb == "add" and rest:
        added = await session.api.post(f"{_path(session)}/members", Added, {"userIds": await _ids(session, rest)})
        await _tell_invited(session, added)
    elif verb == "members":
        await _members(session)
    elif verb == "leave":
        await session.api.tell(f"{_path(session)}/leave", {})
        session.place = None
    else:
        raise Misused


async def _new(session: Session, name: str, people: Words) -> None:
    body = {"name": name, "memberIds": await _ids(session, people)}
    made = await session.api.post("/api/groups", MadeGroup, body)
    session.place = Place(title=name, conv_type=ConvType.GROUP, other_id=made.group_id, conv_id=made.conv_id)
    await _tell_invited(session, made)


async def _members(session: Session) -> None:
    for member in (await session.api.get(f"{_path(session)}/members", Members, limit=200)).members:
        role = "" if member.role == "member" else f" ({clean(member.role)})"
        session.screen.note(f"{await session.people.name(member.user_id)}{role}")


async def _tell_invited(session: Session, added: Added) -> None:
    for user_id in added.invited:
        session.screen.note(f"{await session.people.name(user_id)} is no friend of yours and was invited")


def _path(session: Session) -> str:
    place = session.place
    if place is None or place.conv_type is not ConvType.GROUP:
        raise GoimError(ErrorCode.INVALID, "you are in no group: /with NAME goes to one")
    return f"/api/groups/{part(place.other_id)}"


async def _ids(session: Session, names: Words) -> list[str]:
    return [(await session.people.find(name)).user_id for name in names]
