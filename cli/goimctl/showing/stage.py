"""Sets the demo up on a server: accounts, friendships, groups and what was said in them, all through the public API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import msgspec

from goim.client import Client, ErrorCode, GoimError
from goim.client.answers import File, MadeGroup
from goim.client.http import Http, Nothing, part
from goim.clock import SystemClock
from goim.protocol.replies import SentData
from goimctl.showing import cast, pictures
from goimctl.showing.cast import Line, Room

Tell = Callable[[str, int, int], None]
_PATIENCE = 10.0


@dataclass
class Stage:
    """Everybody, connected, and the conversations of the groups in the order of `cast.ROOMS`."""

    people: dict[str, Client]
    rooms: list[MadeGroup]

    @property
    def you(self) -> Client:
        return self.people[cast.YOU]


async def you(url: str, password: str) -> None:
    """Make the account to look at it with, or see that this is its password."""
    await _register(url, cast.YOU, cast.PEOPLE[cast.YOU], password)
    async with Client(url, username=cast.YOU, password=password, device_id="demo"):
        pass


@asynccontextmanager
async def set_up(url: str, password: str, tell: Tell) -> AsyncIterator[Stage]:
    """Make what is not there yet. `Failed` if somebody else has these accounts, `Unreachable` if no server answers."""
    async with AsyncExitStack() as stack:
        people: dict[str, Client] = {}
        is_new = False
        for done, (name, nickname) in enumerate(cast.PEOPLE.items(), 1):
            is_new |= await _register(url, name, nickname, password)
            people[name] = await stack.enter_async_context(
                Client(url, username=name, password=password, device_id="demo")
            )
            tell("people", done, len(cast.PEOPLE))
        stage = Stage(people, [])
        if is_new:
            await _furnish(stage, tell)
        else:
            stage.rooms = await _rooms(stage)
        yield stage


async def take_down(url: str, password: str, tell: Tell) -> int:
    """Erase the demo's people; how many there were."""
    erased = 0
    for done, name in enumerate(cast.PEOPLE, 1):
        try:
            async with Client(url, username=name, password=password, device_id="demo") as client:
                for group in await client.api.groups():
                    if group.owner_id == client.user_id:
                        await client.api.http.delete(f"/api/groups/{part(group.group_id)}")
                await client.api.http.delete("/api/users/me", {"password": password})
                erased += 1
        except GoimError as error:
            if error.code is not ErrorCode.BAD_CREDENTIALS:
                raise
        tell("people", done, len(cast.PEOPLE))
    return erased


async def _register(url: str, name: str, nickname: str, password: str) -> bool:
    """Whether there was no such account before."""
    http = Http(url, SystemClock(), _PATIENCE)
    try:
        await http.post("/api/register", Nothing, {"username": name, "password": password, "nickname": nickname})
    except GoimError as error:
        if error.code is not ErrorCode.USERNAME_TAKEN:
            raise
        return False
    finally:
        await http.aclose()
    return True


async def _furnish(stage: Stage, tell: Tell) -> None:
    for name, client in stage.people.items():
        if name != cast.YOU:
            await _show_face(client, name)
    await _befriend(stage)
    total = sum(len(room.lines) for room in cast.ROOMS) + sum(map(len, cast.LETTERS.values()))
    done = 0
    for room in cast.ROOMS:
        stage.rooms.append(await _open(stage, room))
        sent: list[SentData] = []
        for line in room.lines:
            sent.append(await say(stage, line, stage.rooms[-1], sent))
            done += 1
            tell("messages", done, total)
    for name, letters in cast.LETTERS.items():
        for text in letters:
            await stage.people[name].send(text, to=stage.you.user_id)
            done += 1
            tell("messages", done, total)


async def _show_face(client: Client, name: str) -> None:
    made = await client.api.upload(f"{name}.png", pictures.face(name))
    await client.api.http.put("/api/users/me", Nothing, {"avatarUrl": made.url})


async def _befriend(stage: Stage) -> None:
    """Everybody with you and with one another, the bot with you alone."""
    names = list(stage.people)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            if cast.BOT in (one, other) and cast.YOU not in (one, other):
                continue
            await stage.people[one].api.befriend(stage.people[other].user_id)
            await stage.people[other].api.befriend(stage.people[one].user_id)


async def _open(stage: Stage, room: Room) -> MadeGroup:
    owner, *others = (stage.people[name] for name in room.members)
    made = await owner.api.make_group(room.name, [each.user_id for each in others])
    if room.notice:
        path = f"/api/groups/{part(made.group_id)}/notices"
        await owner.api.http.post(path, Nothing, {"title": room.name, "content": room.notice})
    if room.is_pinned:
        await stage.you.api.http.tell(f"/api/conversations/{part(made.conv_id)}/pin", {"pinned": True})
    return made


async def say(stage: Stage, line: Line, room: MadeGroup, earlier: list[SentData]) -> SentData:
    """Say one line in a group, and let happen to it what shall."""
    speaker = stage.people[line.who]
    sent = await speaker.send(
        group=room.group_id,
        kind=line.kind,
        payload=await _payload(speaker, line),
        reply_to=earlier[-line.answers].server_msg_id if line.answers else None,
        mentions=[stage.people[name].user_id for name in line.mentions] or None,
    )
    for name, emoji in line.reactions:
        await stage.people[name].react(room.conv_id, sent.server_msg_id, emoji)
    match line.fate:
        case "recalled":
            await speaker.recall(room.conv_id, sent.server_msg_id)
        case "edited":
            await speaker.edit(room.conv_id, sent.server_msg_id, line.text.rpartition(" ")[0] + ".")
        case "kept":
            await stage.you.api.keep_message(room.conv_id, sent.server_msg_id, ["launch"])
    return sent


async def _payload(speaker: Client, line: Line) -> dict[str, object]:
    match line.kind:
        case "image":
            made = await speaker.api.upload("picture.jpg", pictures.landscape(line.text))
            return _picture(made) | {"text": line.text}
        case "file":
            made = await speaker.api.upload(line.text, b"On Friday, goim goes live.\n")
            return {"url": made.url, "name": made.file_name, "size": made.size}
        case "location":
            return {"latitude": 39.99, "longitude": 116.19, "address": line.text}
    return {"text": line.text}


def _picture(made: File) -> dict[str, object]:
    known = {"url": made.url, "width": made.width, "height": made.height, "thumbnail": made.thumbnail}
    return {name: value for name, value in known.items() if value is not None}


async def _rooms(stage: Stage) -> list[MadeGroup]:
    """The groups of an earlier demo; those that it did not come to, or that somebody has disbanded, are opened."""
    there = {group.name: group for group in await stage.you.api.groups()}
    if any(room.name not in there for room in cast.ROOMS):
        await _befriend(stage)  # only friends are put into a group
    return [
        msgspec.convert(
            {"groupId": there[room.name].group_id, "convId": there[room.name].conv_id, "added": [], "invited": []},
            MadeGroup,
        )
        if room.name in there
        else await _open(stage, room)
        for room in cast.ROOMS
    ]
