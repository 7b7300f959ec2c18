"""People as they are: they mostly read, now and then write to a friend or a group, and rarely upload something."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from functools import partial

from loadtest.connections import Connection
from loadtest.ledger import Judge, Ledger, Place
from loadtest.plan import Conversation, Person, Plan
from loadtest.sockets import Loop
from loadtest.talk import DIGITS, Talk, read_envelope
from loadtest.talking import Pace
from loadtest.web import WebLink, request, request_with
from loadtest.wire import frame
from loadtest.work import Work

_ACTS = {"history": 40, "list": 20, "sync": 19, "c2c": 15, "group": 5, "upload": 1}
_WEB_LINKS = 32
_UPLOAD_BYTES = 65536
_BOUNDARY = "goim-bench"


class Villager(Connection):
    """Speaks in several conversations, and asks for what it may have missed."""

    def __init__(self, loop: Loop, person: Person) -> None:
        self.talks: dict[str, Talk] = {}
        self.ledger = Ledger(0.0, 0.0)
        self._asked: dict[str, float] = {}
        super().__init__(loop, person)

    def join(self, kind: str, one: Conversation, text: str) -> Talk:
        """Take part in a conversation."""
        prefix = f"{secrets.token_hex(4)}-"
        self.talks[kind] = Talk(one.address, prefix, text, hearers=1, window=0, until_heard=False)
        return self.talks[kind]

    def receive(self, text: bytes) -> None:
        if b'"action":"message"' in text:
            self.heard += 1
            return
        number = read_envelope(text).id or ""
        asked_at = self._asked.pop(number, None)
        if asked_at is not None:
            self.ledger.book("sync", self.loop.now, asked_at)
        for talk in self.talks.values():
            if talk.prefix == number[:-DIGITS]:
                talk.answered(text)

    def sync(self, due_at: float) -> None:
        number = secrets.token_hex(4)
        self._asked[number] = due_at
        self.write(frame(b'{"action":"sync","id":"%s","data":{"convs":[]}}' % number.encode()))


class Mixing(Work):
    """A village for each two conversations: pairs of friends, and a group of all."""

    def prepare(self) -> None:
        self._villagers: dict[str, Villager] = {}
        self._random = random.Random(1)
        self._links: list[WebLink] = []
        self._waiting: list[tuple[bytes, str, float]] = []
        self._web_done = 0
        everybody = {person.user_id: person for one in self.plan.conversations for person in one.speakers}
        self.connect(partial(self._open, person) for person in everybody.values())
        for one in self.plan.conversations:
            self._join(one, self.plan)
        self.wait(self.plan.rest)
        talks = list(self._talks())
        for villager in self._villagers.values():
            for talk in villager.talks.values():
                villager.write(talk.next(self.loop.now))
        self.loop.turn_until(lambda _: all(talk.answers for talk in talks), self.plan.patience)

    def begin(self, at: float) -> None:
        for villager in self._villagers.values():
            villager.ledger = self.ledger
        turns = [partial(self._act, villager) for villager in self._villagers.values()]
        self.loop.alarm = Pace(turns, self.plan.rate, at + self.plan.offset)

    def counts(self) -> dict[str, int]:
        heard = sum(villager.heard for villager in self._villagers.values())
        return {"message": sum(talk.answers for talk in self._talks()), "delivery": heard, "http": self._web_done}

    def finish(self) -> None:
        self.loop.alarm = None
        talks = list(self._talks())
        self.loop.turn_until(
            lambda _: all(talk.answers >= len(talk.sent_at) for talk in talks) and not self._waiting, self.plan.patience
        )
        rooms: dict[str, list[Talk]] = {}
        for talk in talks:
            rooms.setdefault(talk.conv_id, []).append(talk)
        places = [
            Place(each.tape, list(each.talks.values()), [t for own in each.talks.values() for t in rooms[own.conv_id]])
            for each in self._villagers.values()
        ]
        judge = Judge(self.ledger, talks, places)
        self.loop.turn_until(lambda _: False, self.plan.rest)
        self.loop.turn_until(lambda _: judge.is_complete(), self.plan.patience)
        judge.close()

    def _talks(self) -> Iterator[Talk]:
        return (talk for villager in self._villagers.values() for talk in villager.talks.values())

    def _open(self, person: Person) -> None:
        self._villagers[person.user_id] = Villager(self.loop, person)

    def _join(self, one: Conversation, plan: Plan) -> None:
        """Both friends speak, each addressing the other; in a group everybody does."""
        for person in one.speakers:
            address, kind = one.address, one.address["convType"]
            if kind == "c2c":
                (other,) = (each for each in one.speakers if each is not person)
                address = {"convType": "c2c", "to": other.user_id}
            self._villagers[person.user_id].join(kind, Conversation(address, [], []), "x" * plan.text_bytes)

    def _act(self, villager: Villager, due_at: float) -> None:
        (act,) = self._random.choices(list(_ACTS), list(_ACTS.values()))
        if act in villager.talks:
            villager.write(villager.talks[act].next(due_at))
        elif act == "sync":
            villager.sync(due_at)
        elif act not in ("c2c", "group"):
            self._waiting.append((self._request(act, villager), act, due_at))
            self._ask_next()

    def _request(self, act: str, villager: Villager) -> bytes:
        target, token = self.plan.target, villager.person.token
        if act == "upload":
            head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.bin"\r\n\r\n'
            body = head.encode() + self._random.randbytes(_UPLOAD_BYTES) + f"\r\n--{_BOUNDARY}--\r\n".encode()
            kind = f"multipart/form-data; boundary={_BOUNDARY}"
            return request_with(target, "POST", "/api/files/upload", token, body, kind)
        if act == "list":
            return request(target, "GET", "/api/conversations", token)
        talk = self._random.choice(list(villager.talks.values()))
        return request(target, "GET", f"/api/messages/history?convId={talk.conv_id}&limit=50", token)

    def _ask_next(self) -> None:
        """Requests wait until a connection is free; the wait counts. There are as many as it takes, up to a limit: one
        on which nothing is ever asked, the server closes."""
        while self._waiting:
            link = next((each for each in self._links if each.is_free), None)
            if link is None:
                if len(self._links) == _WEB_LINKS:
                    return
                link = WebLink(self.loop)
                self._links.append(link)
            asked, act, due_at = self._waiting.pop(0)
            link.ask(asked, self._answer(act, due_at))

    def _answer(self, act: str, due_at: float) -> Callable[[int, bytes, float], None]:
        def answered(status: int, body: bytes, now: float) -> None:
            self._web_done += 1
            if 200 <= status < 300:
                self.ledger.book(act, now, due_at)
            else:
                self.ledger.refuse(f"HTTP {status}", body[:200].decode(errors="replace"))
            self._ask_next()

        return answered
