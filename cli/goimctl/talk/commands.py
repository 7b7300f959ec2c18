"""What may be typed in `goimctl chat`: a text is sent, a word after a slash is a command."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from goim.client import Unreachable
from goim.client.answers import Message
from goim.errors import ErrorCode, GoimError
from goimctl.talk import attachments, forwards
from goimctl.talk.rooms import Room
from goimctl.talk.session import Session
from goimctl.talk.texts import clean
from goimctl.talk.words import reason, t

Words = Sequence[str]
Command = Callable[[Session, Words], Awaitable[None]]
_WORD = re.compile(r"""(["'])(.*?)\1(?!\S)|\S+""")


class Quit(Exception):
    """The person has had enough."""


class Misused(Exception):
    """A command without what it needs."""


async def obey(session: Session, typed: str, reply_to: str | None = None) -> None:
    """Send a text or do what it says; what goes wrong is told, not raised. Two slashes send one."""
    if not typed.strip():
        return
    try:
        if not typed.startswith("/") or typed.startswith("//"):
            session.say(_here(session), typed[1:] if typed.startswith("//") else typed, reply_to)
        else:
            name, _, rest = typed[1:].partition(" ")
            await run(session, name, words_in(rest))
    except (GoimError, Unreachable, OSError) as error:
        session.face.note(clean(reason(error)))


def words_in(typed: str) -> list[str]:
    """The words of a line, with quotes around those that have spaces in them; quotes within a word are part of it."""
    found = list(_WORD.finditer(typed))
    for each in found:
        if each[1] is None and each[0][0] in "\"'":
            raise GoimError(ErrorCode.INVALID, t("the quote is not closed: {rest}", rest=typed[each.start() :]))
    return [each[0] if each[1] is None else each[2] for each in found]


async def run(session: Session, name: str, words: Words) -> None:
    """One command with its words."""
    entry = COMMANDS.get(name)
    if entry is None:
        session.face.note(t("there is no /{name}: /help lists what there is", name=clean(name)))
        return
    try:
        await entry.command(session, words)
    except Misused:
        session.face.note(t("like this: {usage}   {meaning}", usage=entry.usage, meaning=t(entry.meaning)))


def _here(session: Session) -> Room:
    if session.here is None:
        raise GoimError(ErrorCode.INVALID, t("to whom? /with NAME says it"))
    return session.here


def _group_id(session: Session) -> str:
    if session.here is None or not session.here.is_group:
        raise GoimError(ErrorCode.INVALID, t("you are in no group: /with NAME goes to one"))
    return session.here.other_id


async def show_help(session: Session, _: Words) -> None:
    session.face.show_help()


async def people(session: Session, _: Words) -> None:
    """Friends, and who would like to be one."""
    await session.refresh()
    lines = [_person(session, user_id) for user_id in session.friends]
    for user_id in session.requests:
        username = session.people.username(user_id)
        name = session.people.name(user_id)
        lines.append(t("{name} would like to be your friend: /friend {username}", name=name, username=username))
    session.face.note("\n".join(lines) or t("no friends yet: /friend NAME asks somebody"))


def _person(session: Session, user_id: str, role: str = "member") -> str:
    name, username = session.people.name(user_id), session.people.username(user_id)
    marks = [clean(role)] if role != "member" else []
    marks += [t("here")] if user_id in session.online else []
    called = name if name == username else f"{name} ({username})"
    return f"{called} ({', '.join(marks)})" if marks else called


async def with_(session: Session, words: Words) -> None:
    """List the conversations, or go to one."""
    if not words:
        lines = [
            f"{number:3} {room.title}" + (f" {t('({count} unread)', count=room.unread)}" if room.unread else "")
            for number, room in enumerate(session.ordered(), start=1)
        ]
        session.face.note("\n".join(lines) or t("no conversations yet: /friend NAME, then /with NAME"))
        return
    go_to(session, await session.find_room(" ".join(words)))


def go_to(session: Session, room: Room | None) -> None:
    """Talk there from now on."""
    session.here = room
    session.face.changed(room)


async def friend(session: Session, words: Words) -> None:
    """Say my half of a friendship."""
    if len(words) != 1:
        raise Misused
    person = await session.people.find(words[0])
    if await session.api.befriend(person.user_id) == "pending":
        session.face.note(t("{name} is asked", name=clean(person.username)))
    await session.refresh()
    session.face.changed(None)


async def group(session: Session, words: Words) -> None:
    """Make a group, or do something in the one where one is."""
    verb, *rest = words or [""]
    doing = _GROUP.get(verb)
    if doing is None:
        raise Misused
    await doing(session, rest)


async def _new_group(session: Session, words: Words) -> None:
    if not words:
        raise Misused
    made = await session.api.make_group(words[0], await _ids(session, words[1:]))
    room = session.enter_group(await session.api.group(made.group_id))
    room.updated_at = session.clock.now_ms()
    go_to(session, room)
    await _tell_invited(session, made.invited)


async def _join(session: Session, words: Words) -> None:
    if len(words) != 1:
        raise Misused
    if not await session.api.join_group(words[0]):
        session.face.note(t("owner or an admin decides whether you come in"))


async def _add(session: Session, words: Words) -> None:
    if not words:
        raise Misused
    added = await session.api.add_members(_group_id(session), await _ids(session, words))
    await _tell_invited(session, added.invited)


async def _members(session: Session, _: Words) -> None:
    members = (await session.api.members(_group_id(session))).members
    await session.people.learn(member.user_id for member in members)
    session.face.note("\n".join(_person(session, member.user_id, member.role) for member in members))


async def _leave(session: Session, _: Words) -> None:
    await session.api.leave_group(_group_id(session))
    go_to(session, None)


_GROUP: dict[str, Command] = {
    "new": _new_group,
    "join": _join,
    "add": _add,
    "members": _members,
    "leave": _leave,
}


async def _ids(session: Session, names: Words) -> list[str]:
    return [(await session.people.find(name)).user_id for name in names]


async def _tell_invited(session: Session, user_ids: Sequence[str]) -> None:
    await session.people.learn(user_ids)
    for user_id in user_ids:
        session.face.note(t("{name} is no friend of yours and was invited", name=session.people.name(user_id)))


async def read(session: Session, _: Words) -> None:
    """Say that everything here is read."""
    session.face.note(t("read up to {seq}", seq=await session.read(_here(session))))


async def recall(session: Session, _: Words) -> None:
    """Take my last message here back."""
    mine = [message for message in await _said(session) if message.from_ == session.me.user_id]
    if not mine:
        raise GoimError(ErrorCode.NOT_FOUND, t("you have said nothing here lately"))
    await session.recall(mine[-1])
    session.face.note(t("message {seq} is taken back", seq=mine[-1].seq))


async def _said(session: Session) -> list[Message]:
    """What was said here lately and was not taken back, the latest last."""
    room = _here(session)
    await session.all_sent()
    if not room.is_loaded:
        await session.load(room)
    return [message for message in room.ordered() if not message.recalled]


async def forward(session: Session, words: Words) -> None:
    """Send the latest message here to others."""
    if not words:
        raise Misused
    said = await _said(session)
    if not said:
        raise GoimError(ErrorCode.NOT_FOUND, t("nothing was said here lately"))
    await forwards.forward(session, said[-1], words)


async def send(session: Session, words: Words) -> None:
    """Send a file as what it is."""
    if not words:
        raise Misused
    await attachments.send(session, _here(session), attachments.path_of(" ".join(words)))


async def quit_(_: Session, __: Words) -> None:
    raise Quit


class Entry(Struct, frozen=True):
    """A command, how it is typed and what it does."""

    usage: str
    meaning: str
    command: Command


COMMANDS: dict[str, Entry] = {
    "people": Entry("/people", "friends, who is here, and who would like to be one", people),
    "friend": Entry("/friend NAME", "ask somebody to be your friend, or say yes", friend),
    "with": Entry("/with [NAME]", "talk to somebody or a group; alone: list the conversations", with_),
    "group": Entry("/group new NAME [WHO…]", "also: add WHO…, members, join ID, leave", group),
    "send": Entry("/send FILE", "send a picture or another file", send),
    "forward": Entry("/forward WHO…", "forward the latest message here to others", forward),
    "read": Entry("/read", "say that everything here is read", read),
    "recall": Entry("/recall", "take your last message here back", recall),
    "help": Entry("/help", "this list", show_help),
    "quit": Entry("/quit", "leave", quit_),
}
