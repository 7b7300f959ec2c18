"""Draws the screen of `goimctl chat` for the docs: `PYTHONPATH=cli python -m tests.cli.picture` does it anew."""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from goimctl.talk.rooms import Room
from goimctl.talk.screen.app import ChatApp
from goimctl.talk.screen.composer import Composer
from goimctl.talk.session import Session
from msgspec.structs import replace
from rich.cells import cell_len

from goim.client import Client
from goim.client.answers import Group, Message, User
from goim.model.conversations import ConvType
from goim.model.groups import JoinPolicy, Role
from goim.model.messages import Reacted
from tests.fake_clock import FakeClock

PICTURE = Path(__file__).parents[2] / "docs" / "assets" / "chat.svg"
_NOW_MS = 1_790_247_720_000  # a Thursday, 10:22 in UTC
_MINUTE = 60_000
_CELL = 12.2
_NAMES = {"me": "You", "ada": "Ada Ruiz", "lin": "林晓", "max": "Max Okafor", "sam": "Sam Patel", "bot": "Goim Bot"}


def _session() -> Session:
    client = Client("http://127.0.0.1:1", token="none")
    client.login.user_id, client.login.username = "me", "you"
    session = Session(client, FakeClock(_NOW_MS))
    session.people.meet(*(User(user_id=each, username=each, nickname=name) for each, name in _NAMES.items()))
    session.online = {"ada", "bot"}
    session.is_connected = True
    team = _room(session, "team", "Launch week", 0)
    team.is_pinned = True
    session.here = team
    team.draft = "那就周五上线!"
    _tell(team)
    _talk(session, "bot", "Ask me anything: I answer as I think.", 2, unread=0)
    _talk(session, "lin", "设计稿我放在群里了,有空看一下 🙏", 9, unread=2)
    _talk(session, "ada", "See you at ten?", 31, unread=1)
    hike = _room(session, "hike", "周末爬山 🏔", 55)
    hike.add(_said(hike, "max", 8, "text", {"text": "香山,八点半集合"}, 55), "me")
    hike.read_seq, hike.is_muted = 4, True
    return session


def _room(session: Session, group_id: str, name: str, ago: int) -> Room:
    group = Group(
        group_id=group_id,
        conv_id=f"group:{group_id}",
        name=name,
        owner_id="ada",
        member_count=5,
        join_policy=JoinPolicy.OPEN,
        muted=False,
        role=Role.MEMBER,
    )
    room = session.enter_group(group)
    room.is_loaded, room.has_earlier, room.updated_at = True, False, _NOW_MS - ago * _MINUTE
    return room


def _talk(session: Session, who: str, text: str, ago: int, *, unread: int) -> None:
    room = session.room(who, ConvType.C2C)
    room.add(_said(room, who, 5, "text", {"text": text}, ago), "me")
    room.read_seq = room.last_seq - unread


def _said(room: Room, who: str, seq: int, kind: str, payload: dict[str, object], ago: int) -> Message:
    return Message(
        server_msg_id=f"{room.other_id}{seq}",
        client_msg_id=f"{room.other_id}{seq}",
        conv_id=room.conv_id or room.other_id,
        conv_type=room.conv_type,
        from_=who,
        seq=seq,
        timestamp=_NOW_MS - ago * _MINUTE,
        type=kind,
        payload=payload,
        recalled=False,
    )


def _tell(room: Room) -> None:
    """What is said in the open conversation."""
    picture: dict[str, object] = {"url": "/p.png", "name": "sign-in.png", "width": 960, "height": 600, "size": 214_000}
    lines = [
        _said(room, "ada", 1, "text", {"text": "Morning all! Four days to go. Who has the release notes?"}, 21),
        replace(_said(room, "max", 2, "text", {"text": "I do. First draft by noon."}, 20), reply_to="team1"),
        _said(room, "lin", 3, "text", {"text": "新的登录页好了,大家看看 👀"}, 14),
        replace(
            _said(room, "lin", 4, "image", picture, 14),
            reactions=[Reacted(emoji="😍", user_ids=["ada", "me"]), Reacted(emoji="👍", user_ids=["max"])],
        ),
        replace(_said(room, "me", 5, "text", {"text": "So much calmer than the old one."}, 12), edited_at=_NOW_MS),
        _said(room, "me", 6, "text", {"text": "@Goim Bot what is left to do?"}, 1),
        replace(
            _said(room, "bot", 7, "stream", {"text": "Three things: the notes,\nthe screenshots, and telling peop"}, 0),
            stream_status="streaming",
        ),
    ]
    for message in lines:
        room.add(message, "me")
    room.read_seq = room.last_seq
    for who, seq in (("ada", 6), ("max", 6), ("lin", 5)):
        room.has_read(who, seq)


@contextlib.contextmanager
def _anywhere() -> Iterator[None]:
    """With nothing of this machine's zone and taste."""
    with mock.patch.dict(os.environ, {"TZ": "UTC"}):
        os.environ.pop("NO_COLOR", None)
        time.tzset()
        yield
    time.tzset()


async def draw() -> str:
    """The same picture whenever and wherever it is drawn."""
    with _anywhere():
        app = ChatApp(_session())
        async with app.run_test(size=(98, 34)) as pilot:
            app.query_one(Composer).cursor_blink = False
            before, drawn = "", app.export_screenshot(title="goimctl chat")
            while drawn != before:
                await pilot.pause(0.1)
                before, drawn = drawn, app.export_screenshot(title="goimctl chat")
            return _self_contained(drawn)


def _self_contained(svg: str) -> str:
    """Without fonts from elsewhere, and with wide characters as wide as they are."""
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", '"Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace')
    svg = re.sub(r"\s*font-variant-east-asian: full-width;", "", svg)
    svg = re.sub(r"terminal-\d+-", "goim-chat-", svg)
    return re.sub(r'textLength="[\d.]+"([^>]*)>([^<]*)<', _measured, svg)


def _measured(found: re.Match[str]) -> str:
    return f'textLength="{cell_len(html.unescape(found[2])) * _CELL:g}"{found[1]}>{found[2]}<'


if __name__ == "__main__":
    PICTURE.write_text(asyncio.run(draw()) + "\n")
