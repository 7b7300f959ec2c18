"""The face without a screen: a line in is said, what others say goes to stdout, everything about it to stderr."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

import msgspec
import typer
from msgspec import Raw
from msgspec.structs import replace

from goim.client import SessionOver
from goim.client.answers import Message
from goim.client.events import Connected, Disconnected, Event, MessagePush
from goim.protocol import pushes
from goimctl.talk.commands import COMMANDS, Quit, obey
from goimctl.talk.news import told_of
from goimctl.talk.rooms import Pending, Room
from goimctl.talk.session import Session
from goimctl.talk.texts import clean, clock_time, line_of
from goimctl.talk.words import reason, t


class Lines:
    """For scripts and pipes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._streams: dict[str, Message] = {}  # those that go on: a line is shown when it is complete
        self.unsent = 0

    # what is typed

    async def talk(self) -> None:
        """Say line after line until `/quit` or the end of the input, and wait for what was said to arrive."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop,), name="stdin", daemon=True).start()
        me = self._session.people.name(self._session.me.user_id)
        self.note(t("you are {name}; /help lists what you can do", name=me))
        try:
            while (line := await self._lines.get()) is not None and self._session.ended is None:
                if self._session.here is None and line.strip() and not line.startswith("/"):
                    self.unsent += 1
                await obey(self._session, line)
        except Quit:
            pass
        except SessionOver as over:
            self._session.ended = reason(over)
        waiting = await self._session.all_sent()
        self.unsent += waiting  # only now: what is refused meanwhile counts, too

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own, since nothing can interrupt it."""
        typed: str | None = ""
        while typed is not None:
            line = sys.stdin.readline().encode(errors="surrogateescape").decode(errors="replace")
            typed = line.rstrip("\r\n") if line else None
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._lines.put_nowait, typed)

    def over(self) -> None:
        self._lines.put_nowait(None)

    # what is shown

    def heard(self, event: Event, room: Room | None) -> None:
        match event:
            case MessagePush(message):
                if message.stream_status == "streaming":
                    self._streams[message.server_msg_id] = message
                elif not message.recalled:
                    self._show(message, room)
            case pushes.StreamEnd(data) if data.stream_id in self._streams:
                self._show(replace(self._streams.pop(data.stream_id), payload={"text": data.text}), room)
            case _:
                note = self._note_of(event, room)
                if note:
                    self.note(note)

    def changed(self, room: Room | None) -> None:
        pass

    def refused(self, room: Room, pending: Pending, why: str) -> None:  # noqa: ARG002  # faces with a screen need them
        self.unsent += 1
        self.note(why)

    def note(self, text: str) -> None:
        for line in text.splitlines():
            typer.echo(f"* {line}", err=True)

    def show_help(self) -> None:
        self.note("\n".join(f"{entry.usage:24} {t(entry.meaning)}" for entry in COMMANDS.values()))

    def _show(self, message: Message, room: Room | None) -> None:
        people, me = self._session.people, self._session.me.user_id
        who = t("you") if message.from_ == me else people.name(message.from_)
        is_here = room is not None and room is self._session.here
        whereto = room.title if room and (room.is_group or message.from_ == me) else t("you")
        where = "" if is_here else f" → {whereto}"
        typer.echo(f"{clock_time(message.timestamp)} {who}{where}: {line_of(message)}")

    def _note_of(self, event: Event, room: Room | None) -> str | None:
        name = self._session.people.name
        match event:
            case Connected(is_first=False):
                return t("connected again")
            case Disconnected():
                return t("the connection is lost; trying again …")
            case pushes.Recalled(data):
                return t("{name} took message {seq} back", name=name(data.by), seq=data.seq)
            case pushes.Edited(data) | pushes.Replaced(data) if text := _text_in(data.payload):
                return t("message {seq} says now: {text}", seq=data.seq, text=text)
            case pushes.ReadBy(data) if room is self._session.here and data.user_id != self._session.me.user_id:
                return t("{name} has read up to {seq}", name=name(data.user_id), seq=data.seq)
            case pushes.Presence(data):
                return t("{name} is here" if data.online else "{name} is gone", name=name(data.user_id))
        return told_of(self._session, event)


def _text_in(payload: Raw) -> str:
    """What a payload says; "" if it says nothing, or there is none any more."""
    fields = msgspec.json.decode(payload, type=dict[str, object] | None) or {}
    return clean(str(fields.get("text", "")))
