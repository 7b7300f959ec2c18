"""Somebody talking at a terminal: where they are, what they have said and what they have seen."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Iterable

from msgspec import Raw
from msgspec.structs import replace

from goim.client.answers import Conversation, Conversations, Message, Synced, SyncedConv, User
from goim.client.http import Http
from goim.client.link import Envelope, Link
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import ConvType
from goim.protocol.replies import SentData
from goimctl.talk.people import People, Place
from goimctl.talk.screen import Screen, clean, clock_time
from goimctl.talk.seen import Seen

_REMEMBERED = 1000
_PATIENCE = 10.0
CONNECTED = Envelope(action="connected", data=Raw(b"{}"))
LOST = Envelope(action="lost", data=Raw(b"{}"))


class Session:
    """What commands and news work on."""

    def __init__(self, me: User, api: Http, link: Link, screen: Screen) -> None:
        self.me = me
        self.api = api
        self.link = link
        self.screen = screen
        self.news: asyncio.Queue[Envelope] = asyncio.Queue()  # every push in order, CONNECTED and LOST between them
        link.take = self._take
        link.turned = self._turned
        self.people = People(api, me)
        self.place: Place | None = None
        self.lines: list[Conversation] = []
        self.refused = 0
        self.is_back = False
        self.unsent: asyncio.Queue[tuple[Place, str, str]] = asyncio.Queue()
        self._seen: dict[str, Seen] = {}
        self._mine: deque[str] = deque(maxlen=_REMEMBERED)
        screen.prompt = lambda: f"{self.place.title if self.place else me.username}> "

    def _take(self, envelope: Envelope) -> None:
        if envelope.id is None:
            self.news.put_nowait(envelope)

    def _turned(self, is_up: bool) -> None:  # noqa: FBT001 a state, not a mode
        if self.link.over is None:
            self.news.put_nowait(CONNECTED if is_up else LOST)

    # saying something

    def say(self, text: str) -> None:
        """Send it when everything before it has arrived."""
        if self.place is None:
            self.screen.note("to whom? /with NAME says it")
            self.refused += 1
            return
        client_msg_id = secrets.token_urlsafe(12)
        self._mine.append(client_msg_id)
        self.unsent.put_nowait((self.place, client_msg_id, text))

    async def send_all(self) -> None:
        """Send one after another; what was not answered goes again under the same id, so it is never there twice."""
        while True:
            place, client_msg_id, text = await self.unsent.get()
            data = {"type": "text", "payload": {"text": text}, "clientMsgId": client_msg_id, **place.target()}
            try:
                acked = await self.link.ask("send", data, SentData)
            except GoimError as error:
                self.refused += 1
                way_out = f": /friend {place.title}" if error.code is ErrorCode.NOT_FRIEND else ""
                self.screen.note(f"not sent: {clean(error.message)}{way_out}")
            else:
                self.seen(acked.conv_id, acked.seq - 1).add(acked.seq)
                self._learn(place, acked.conv_id)
            finally:
                self.unsent.task_done()

    def _learn(self, place: Place, conv_id: str | None) -> None:
        if self.place == place:
            self.place = replace(place, conv_id=conv_id)

    async def here(self) -> str:
        """The conversation one is in, with everything said so far in it; `NOT_FOUND` if nothing ever was."""
        if self.place is None:
            raise GoimError(ErrorCode.INVALID, "where? /with NAME says it")
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.unsent.join()
        except TimeoutError:
            raise GoimError(ErrorCode.UNAVAILABLE, "what you said has not arrived yet") from None
        place = self.place
        if place.conv_id is None:
            lines = await self.load_lines()
            self._learn(place, next((line.conv_id for line in lines if line.peer_id == place.other_id), None))
        if self.place.conv_id is None:
            raise GoimError(ErrorCode.NOT_FOUND, "nothing was said here yet")
        return self.place.conv_id

    # seeing what is said

    def seen(self, conv_id: str, upto: int = 0) -> Seen:
        """What was shown of a conversation; of one that was not met before, everything `upto` here counts as shown."""
        return self._seen.setdefault(conv_id, Seen(upto))

    async def receive(self, message: Message) -> None:
        """Show a message that was pushed, after those before it that were not."""
        seen = self.seen(message.conv_id, message.seq - 1)
        if seen.has(message.seq):
            return
        if seen.leaves_gap(message.seq):
            await self.catch_up([message.conv_id])
        else:
            await self._show_new(message)

    async def catch_up(self, conv_ids: Iterable[str]) -> list[SyncedConv]:
        """Show what was missed of these conversations; returns what happened there besides."""
        parts: list[SyncedConv] = []
        wanted = list(conv_ids)
        while wanted:
            convs = [{"convId": c, "fromSeq": self.seen(c).upto, "fromChange": self.seen(c).change} for c in wanted]
            synced = await self.link.ask("sync", {"convs": convs, "limit": 200}, Synced)
            for conv in synced.convs:
                await self._show_missed(conv)
            parts += synced.convs
            wanted = [conv.conv_id for conv in synced.convs if conv.has_more]
        return parts

    async def _show_missed(self, conv: SyncedConv) -> None:
        seen = self.seen(conv.conv_id)
        for message in conv.messages:
            if not seen.has(message.seq):
                await self._show_new(message)
        read_to = conv.messages[-1].seq if conv.has_more and conv.messages else 0
        seen.skip_to(read_to if conv.has_more else conv.last_seq)
        seen.change = max([seen.change, *(change.change for change in conv.changes)])

    async def _show_new(self, message: Message) -> None:
        self.seen(message.conv_id).add(message.seq)
        if message.client_msg_id not in self._mine and not message.recalled:
            await self.show(message)

    async def show(self, message: Message) -> None:
        """One line for one message: when, who, where if not here, and what."""
        who = "you" if message.from_ == self.me.user_id else await self.people.name(message.from_)
        where = "" if self._is_here(message) else f" → {await self._whereabouts(message)}"
        self.screen.show(f"{clock_time(message.timestamp)} {who}{where}: {content_of(message)}")

    def _is_here(self, message: Message) -> bool:
        if self.place is None:
            return False
        return self.place.other_id == (message.group_id or _other(message, self.me.user_id))

    async def _whereabouts(self, message: Message) -> str:
        if message.conv_type is ConvType.GROUP:
            return await self.people.group_name(str(message.group_id))
        return "you" if message.to == self.me.user_id else await self.people.name(str(message.to))

    # the list

    async def load_lines(self) -> list[Conversation]:
        """The latest conversations."""
        self.lines = (await self.api.get("/api/conversations", Conversations, limit=200)).conversations
        return self.lines

    async def begin(self) -> None:
        """What was said before does not count as missed: it is for /history."""
        for line in await self.load_lines():
            self._seen[line.conv_id] = Seen(line.last_seq, line.last_change)

    async def missed(self) -> list[str]:
        """The conversations in which something has happened that was not shown."""
        for line in await self.load_lines():
            self._seen.setdefault(line.conv_id, Seen(line.last_seq - line.unread, line.last_change))
        return [
            line.conv_id for line in self.lines if not self._seen[line.conv_id].is_at(line.last_seq, line.last_change)
        ]


def _other(message: Message, me: str) -> str | None:
    return (message.to or None) if message.from_ == me else message.from_


def content_of(message: Message) -> str:
    """What a message says, in one line of text."""
    payload = message.payload
    if payload is None:
        return "(taken back)"
    if message.type in ("text", "stream"):
        return clean(str(payload.get("text", "")))
    return clean(f"[{message.type}] {payload.get('url') or json.dumps(payload, ensure_ascii=False)}")
