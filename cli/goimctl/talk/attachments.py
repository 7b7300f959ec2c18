"""Files on their way into a conversation and out of it."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from goim.client.answers import File, Message
from goim.errors import ErrorCode, GoimError
from goimctl.talk.rooms import Room
from goimctl.talk.session import Session
from goimctl.talk.texts import file_of
from goimctl.talk.words import t


def path_of(typed: str) -> Path:
    """A path as people type it or drop it on a terminal, which may put quotes around it."""
    typed = typed.strip()
    if len(typed) > 1 and typed[0] == typed[-1] and typed[0] in "'\"":
        typed = typed[1:-1]
    return Path(typed).expanduser()


async def send(session: Session, room: Room, path: Path) -> None:
    """Upload a file and say it: a picture as a picture, anything else as a file."""
    content = await asyncio.to_thread(path.read_bytes)
    made = await session.api.upload(path.name, content)
    kind = "image" if made.mime_type.startswith("image/") and made.width else "file"
    session.send(room, kind, _payload(made))


def _payload(made: File) -> dict[str, object]:
    known: dict[str, object | None] = {
        "url": made.url,
        "name": made.file_name,
        "size": made.size,
        "width": made.width,
        "height": made.height,
        "thumbnail": made.thumbnail,
    }
    return {name: value for name, value in known.items() if value is not None}


async def save(session: Session, message: Message, folder: Path) -> Path:
    """Keep the file of a message in a folder, beside whatever has that name already; where it lies now."""
    shown = file_of(message)
    if shown is None:
        raise GoimError(ErrorCode.INVALID, t("there is no file in this message"))
    url, name = shown
    if not url.startswith("/") and not url.startswith(f"{session.api.http.url}/"):
        raise GoimError(ErrorCode.INVALID, t("this file lies elsewhere: {url}", url=url))
    content = await session.api.download(url)
    return await asyncio.to_thread(_keep, folder, Path(name).name or "file", content)


def _keep(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in count():
        path = folder / (name if not number else f"{Path(name).stem} ({number}){Path(name).suffix}")
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            continue
        return path
    raise AssertionError("there is always another number")


def downloads() -> Path:
    """Where people look for what they have saved."""
    usual = Path.home() / "Downloads"
    return usual if usual.is_dir() else Path.cwd()
