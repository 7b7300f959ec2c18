"""What may be typed in `goimctl chat`: a text is sent, a word after a slash is a command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from goim.client import Unreachable
from goim.client.answers import Befriended, Friends, History, Presences, Requests
from goim.client.http import Nothing
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import ConvType
from goim.protocol.replies import ReadAckData
from goimctl.talk.group_commands import Misused, group
from goimctl.talk.people import Place
from goimctl.talk.screen import clean
from goimctl.talk.session import Session

Words = Sequence[str]
Command = Callable[[Session, Words], Awaitable[None]]


class Quit(Exception):
    """The person has had enough."""


async def obey(session: Session, typed: str) -> None:
    """Send a line or do what it says; what goes wrong is told, not raised. Two slashes send one."""
    if not typed.strip():
        return
    if not typed.startswith("/") or typed.startswith("//"):
        session.say(typed.removeprefix("/") if typed.startswith("//") else typed)
        return
    name, *words = typed[1:].split() or [""]
    entry = COMMANDS.get(name)
    if entry is None:
        session.screen.note(f"there is no /{clean(name)}: /help lists what there is")
        return
    try:
        await entry.command(session, words)
    except Misused:
        session.screen.note(f"like this: {entry.usage}   {entry.meaning}")
    except (GoimError, Unreachable) as error:
        session.screen.note(clean(str(error)))


async def show_help(session: Session, _: Words) -> None:
    for entry in COMMANDS.values():
        session.screen.note(f"{entry.usage:24} {entry.meaning}")


async def people(session: Session, _: Words) -> None:
    """Friends, and who would like to be one."""
    friends = (await session.api.get("/api/friends", Friends, limit=200)).friends
    online: dict[str, bool] = {}
    if friends:
        ids = ",".join(friend.user_id for friend in friends)
        found = await session.api.get("/api/presence", Presences, userIds=ids)
        online = {each.user_id: each.online for each in found.presence}
    for friend in friends:
        session.screen.note(f"{clean(friend.username)}{' (here)' if online.get(friend.user_id) else ''}")
    for person in (await session.api.get("/api/friends/requests", Requests, limit=200)).requests:
        name = clean(person.username)
        session.screen.note(f"{name} would like to be your friend: /friend {name}")
    if not friends:
        session.screen.note("no friends yet: /friend NAME asks somebody")


async def with_(session: Session, words: Words) -> None:
    """List the conversations, or go to one."""
    if not words:
        await _list_lines(session)
        return
    session.place = await find_place(session, " ".join(words))
    session.screen.note(f"you talk to {session.place.title}")


async def _list_lines(session: Session) -> None:
    lines = await session.load_lines()
    for number, line in enumerate(lines, start=1):
        place = await session.people.place_of(line)
        unread = f" ({line.unread} unread)" if line.unread else ""
        session.screen.note(f"{number:3} {place.title}{unread}")
    if not lines:
        session.screen.note("no conversations yet: /friend NAME, then /with NAME")


async def find_place(session: Session, name: str) -> Place:
    """A conversation by its number in the list, a person by username or a group by name; `NOT_FOUND` otherwise."""
    lines = session.lines or await session.load_lines()
    if name.isdecimal() and 0 < int(name) <= len(lines):
        return await session.people.place_of(lines[int(name) - 1])
    try:
        person = await session.people.find(name)
    except GoimError as refusal:
        group = await session.people.find_group(name)
        if group is None:
            raise refusal from None
        return Place(title=clean(group.name), conv_type=ConvType.GROUP, other_id=group.group_id, conv_id=group.conv_id)
    conv_id = next((line.conv_id for line in lines if line.peer_id == person.user_id), None)
    return Place(title=clean(person.username), conv_type=ConvType.C2C, other_id=person.user_id, conv_id=conv_id)


async def friend(session: Session, words: Words) -> None:
    """Say my half of a friendship."""
    if len(words) != 1:
        raise Misused
    person = await session.people.find(words[0])
    answer = await session.api.post("/api/friends", Befriended, {"friendId": person.user_id})
    if answer.status == "pending":
        session.screen.note(f"{clean(person.username)} is asked")


async def history(session: Session, words: Words) -> None:
    """What was said here."""
    limit = int(words[0]) if words and words[0].isdecimal() else 20
    conv_id = await session.here()
    for message in (await session.api.get("/api/messages/history", History, convId=conv_id, limit=limit)).messages:
        await session.show(message)


async def read(session: Session, _: Words) -> None:
    """Say that everything here is read."""
    conv_id = await session.here()
    answer = await session.link.ask("read", {"convId": conv_id, "seq": session.seen(conv_id).upto}, ReadAckData)
    session.screen.note(f"read up to {answer.seq}")


async def recall(session: Session, _: Words) -> None:
    """Take my last message here back."""
    conv_id = await session.here()
    latest = await session.api.get("/api/messages/history", History, convId=conv_id, limit=200)
    mine = [m for m in latest.messages if m.from_ == session.me.user_id and not m.recalled]
    if not mine:
        raise GoimError(ErrorCode.NOT_FOUND, "you have said nothing here lately")
    await session.link.ask("recall", {"convId": conv_id, "serverMsgId": mine[-1].server_msg_id}, Nothing)
    session.screen.note(f"message {mine[-1].seq} is taken back")


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
    "history": Entry("/history [N]", "what was said here", history),
    "read": Entry("/read", "say that everything here is read", read),
    "recall": Entry("/recall", "take your last message here back", recall),
    "help": Entry("/help", "this list", show_help),
    "quit": Entry("/quit", "leave (Ctrl-D does, too)", quit_),
}
