"""A node over its stores and the devices of a few people, in one loop: frames are real JSON, sockets are lists."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from goim.app.ground import Ground
from goim.app.node import Node
from goim.app.storage import Stores
from goim.config import Settings
from goim.errors import GoimError
from goim.gateway.connection import Connection
from goim.gateway.transport import Listener
from goim.model.users import Login, User
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, body_of, encode_json
from tests.client import Envelope
from tests.e2e.mirror import Client
from tests.e2e.neighbours import Way, Ways, alone
from tests.e2e.slow import Pace
from tests.fake_clock import FakeClock

PATIENCE = 30.0


@dataclass(frozen=True)
class Place:
    """Where one may talk: between two people, or in a group. Nobody else may hear it."""

    conv_id: str
    people: tuple[str, ...] = ()

    @property
    def group_id(self) -> str:
        return self.conv_id.removeprefix("group:")

    def address(self, sender: str) -> Envelope:
        """How its members name it; others only know the id."""
        if not self.people:
            return {"groupId": self.group_id}
        if sender not in self.people:
            return {"convId": self.conv_id}
        return {"to": next(one for one in self.people if one != sender), "convId": self.conv_id}


class Wire:
    """A `Transport` that keeps what is sent as the client gets it: whole envelopes, in order."""

    queued_bytes = 0

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self.listener: Listener | None = None
        self.inbox: list[Envelope] = []
        self.closed: CloseCode | None = None

    def start(self, listener: Listener) -> None:
        self.listener = listener

    def send_frame(self, frame: Frame) -> None:
        envelope = json.loads(body_of(frame))
        if "id" in envelope:
            self._phone.answered(envelope)
        elif self.closed is None:
            self._phone.overheard(envelope)
        if self.closed is None:
            self.inbox.append(envelope)

    def close(self, code: CloseCode) -> None:
        self.closed = self.closed or code

    def pause(self) -> None:
        """Nobody here sends that much."""

    def resume(self) -> None:
        """It was never paused."""


@dataclass
class Asked:
    """A request under way."""

    request: Envelope
    answer: asyncio.Future[Envelope]


class Phone:
    """One device: at most one connection at a time, and a memory that survives it."""

    def __init__(self, village: Village, user_id: str, name: str) -> None:
        self.user_id = user_id
        self.name = name
        self.client = Client(user_id)
        self.wire: Wire | None = None
        self.node: Node | None = None
        self._village = village
        self.listeners: list[Callable[[Envelope], None]] = []
        self._asked: dict[int, Asked] = {}

    @property
    def is_live(self) -> bool:
        return self.wire is not None and self.wire.listener is not None and self.wire.closed is None

    @property
    def pending(self) -> list[asyncio.Future[Envelope]]:
        """The answers that have not come, whether or not there is still somebody to hear them."""
        return [asked.answer for asked in self._asked.values() if not asked.answer.done()]

    async def connect(self, node: Node) -> None:
        """What a gateway does with a socket that was let in, and what a client does next: fetch its list."""
        self.hang_up()
        self.node = node
        wire = self.wire = Wire(self)
        login = Login(self.user_id, f"session of {self.name}", None)
        connection = Connection(login, self.name, wire, "websocket", node.services, node.tasks)
        self._village.carried[wire] = connection
        node.services.delivery.attach(connection)
        groups = await node.services.access.groups_of(self.user_id)
        node.services.delivery.enter_groups(connection, groups)
        await node.services.delivery.settled()
        self.client.arrive(self._village.deleted)
        self.client.is_one_of_many = len(self._village.nodes) > 1
        wire.start(connection)
        await self._village.seed(self)

    def hang_up(self, *, is_lost: bool = False) -> None:
        """The connection is gone; `is_lost`: with whatever was on its way."""
        if self.wire is None:
            return
        if not is_lost:
            self.listen()
        connection = self._village.carried.pop(self.wire, None)
        if connection is not None and self.node is not None:
            self.node.services.delivery.detach(connection)
        self.wire.closed = self.wire.closed or CloseCode.GOING_AWAY
        self.wire = None

    def ask(self, action: str, data: Envelope) -> asyncio.Future[Envelope]:
        """Send a request."""
        assert self.wire is not None
        assert self.wire.listener is not None
        number = next(self._village.numbers)
        request = {"action": action, "data": data, "id": number}
        asked = Asked(request, asyncio.get_running_loop().create_future())
        self._asked[number] = asked
        self.wire.listener.receive(json.dumps(request).encode(), is_text=True)
        return asked.answer

    def answered(self, envelope: Envelope) -> None:
        """Every request is answered once."""
        answer = self._asked[envelope["id"]].answer
        if answer.done():
            self._village.mistakes.append(f"answered twice: {envelope}")
        else:
            answer.set_result(envelope)

    def overheard(self, envelope: Envelope) -> None:
        """A push is for those who are in there."""
        if not self._village.may_hear(self.user_id, envelope):
            self._village.mistakes.append(f"{self.user_id} was pushed {envelope}")
        for listener in self.listeners:
            listener(envelope)

    def listen(self) -> None:
        """Take note of what came."""
        if self.wire is None:
            return
        inbox, self.wire.inbox = self.wire.inbox, []
        for envelope in inbox:
            self.client.take(envelope, self._asked[envelope["id"]].request if "id" in envelope else None)

    def ask_for_missing(self, limit: int) -> None:
        """Sync what has to be."""
        if self.is_live and (wanted := self.client.wanted()):
            self.ask("sync", {"convs": wanted, "limit": limit})


@dataclass
class Village:
    """Everybody, their devices, and the nodes they are on. `outside` has who is in no group now."""

    settings: Settings
    stores: Stores
    clock: FakeClock
    user_ids: tuple[str, ...]
    pace: Pace
    ways: Ways = alone
    places: list[Place] = field(default_factory=list)
    outside: dict[str, set[str]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    carried: dict[Wire, Connection] = field(default_factory=dict)
    works: list[asyncio.Task[Any]] = field(default_factory=list)
    deleted: dict[tuple[str, str], int] = field(default_factory=dict)
    watermarks: dict[tuple[str, str], int] = field(default_factory=dict)
    sync_limit: int = 200

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1)
        self.phones = [Phone(self, user_id, f"{user_id}-{n}") for user_id in self.user_ids for n in (1, 2)]
        self.nodes: list[Node] = []
        self.asked: int | None = None
        self._turns = itertools.count()
        self._door = asyncio.Lock()
        self._stop: asyncio.Event
        self._living: list[asyncio.Task[None]]

    # the nodes

    @property
    def node(self) -> Node:
        """The one that is `asked`, else each in turn: people come to any."""
        return self.nodes[(next(self._turns) if self.asked is None else self.asked) % len(self.nodes)]

    async def start(self) -> None:
        """Nodes with nothing in their memory."""
        self._stop = asyncio.Event()
        self.nodes, self._living = [], []
        for way in self.ways(self.settings, self.clock, self.pace):
            node = Node(Ground(self.settings, self.stores, way.bus, self.clock, way.metrics, None, way.shared))
            started = asyncio.Event()
            self._living.append(asyncio.get_running_loop().create_task(self._live(node, way, started)))
            await started.wait()
            self.nodes.append(node)

    async def _live(self, node: Node, way: Way, started: asyncio.Event) -> None:
        async with way.running(), node.running():
            started.set()
            await self._stop.wait()

    async def everything_is_told(self) -> None:
        """What a node told the others has arrived there, and what those told because of it as well."""
        for _ in range(2 * (len(self.nodes) > 1)):
            for node in self.nodes:
                await node.services.delivery.settled()

    async def stop(self) -> None:
        """Finish what is under way and end."""
        await asyncio.gather(*self.works)  # first: who is about to connect would else stay at a node that is gone
        for phone in self.phones:
            phone.hang_up()
        self._stop.set()
        await asyncio.gather(*self._living)

    async def settle_in(self) -> None:
        """Accounts; friends are all but the last one, who is only the first one's; a group of the first three."""
        for user_id in self.user_ids:
            await self.stores.users.add(
                User(user_id=user_id, username=user_id, nickname=user_id, password_hash="", created_at=1)
            )
        for one, other in itertools.combinations(self.user_ids, 2):
            chosen = f"chat-{one}-{other}" if one == self.user_ids[0] else f"c2c:{one}:{other}"
            self.places.append(Place(chosen, (one, other)))
            if one == self.user_ids[0] or other != self.user_ids[-1]:
                await self.node.services.friends.befriend(one, other, None)
                await self.node.services.friends.befriend(other, one, None)
        await self.found(*self.user_ids[:-1])

    async def found(self, owner: str, *friends: str) -> None:
        """Make a group."""
        created = await self.node.services.groups.create(owner, "the group", friends)
        self.places.append(Place(created.conv_id))
        self.outside[created.conv_id] = set(self.user_ids) - {owner, *created.added}

    # what happens in it

    def work(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[GoimError | None]:
        """Something asked over HTTP, under way from now on; its refusal is its result."""
        task = asyncio.get_running_loop().create_task(_refusal_of(work))
        self.works.append(task)
        return task

    async def move(self, place: Place, user_id: str, work: Coroutine[Any, Any, Any], *, is_coming: bool) -> None:
        """Somebody comes or goes, one after another: they may hear it from when it is asked to when it is answered."""
        async with self._door:
            if is_coming:
                self.outside[place.conv_id].discard(user_id)
            try:
                await work
            finally:
                await self.everything_is_told()
                if await self.stores.members.get(place.group_id, user_id) is None:
                    self.outside[place.conv_id].add(user_id)

    async def end(self, place: Place, user_id: str) -> None:
        """Disband a group."""
        async with self._door:
            await self.node.services.groups.disband(user_id, place.group_id)
            await self.everything_is_told()
            self.outside[place.conv_id] = set(self.user_ids)
            self.places.remove(place)

    def members(self, conv_id: str) -> set[str]:
        """Who is in a conversation now."""
        people = next((place.people for place in self.places if place.conv_id == conv_id), ())
        return set(people or self.user_ids) - self.outside.get(conv_id, set())

    def may_hear(self, user_id: str, envelope: Envelope) -> bool:
        """Whether a push may go to somebody: they are in there, or told that they are out."""
        data = envelope["data"]
        conv_id = data.get("convId") or ("group:" + data["groupId"] if "groupId" in data else None)
        if conv_id is None or envelope["action"] in ("group_invite", "group_disbanded", "conversation_updated"):
            return True
        if envelope["action"] == "member_left" and data["userId"] == user_id:
            return True
        return user_id in self.members(conv_id)

    async def seed(self, phone: Phone) -> None:
        """Fetch a device's list and the watermarks of what it knows and what is in the list; nothing of it counts once
        it has connected anew."""
        wire, views = phone.wire, await self.views(phone.user_id)
        for conv_id in [*views, *(conv_id for conv_id in phone.client.mirrors if conv_id not in views)]:
            readers = await self.readers(conv_id)
            if phone.wire is not wire:
                return
            if conv_id in views or conv_id in phone.client.mirrors:
                phone.client.seed(conv_id, views.get(conv_id), readers)

    async def views(self, user_id: str) -> dict[str, Envelope]:
        """Somebody's whole list, page by page."""
        views: list[Any] = []
        conversations = self.node.services.conversations
        page = await conversations.page(user_id, None, 3)
        while page.before is not None:
            views += page.conversations
            page = await conversations.page(user_id, page.before, 3)
        return {view["convId"]: view for view in plain([*views, *page.conversations])}

    async def readers(self, conv_id: str) -> dict[str, int]:
        """Everybody's watermark in a conversation, as stored."""
        return {receipt.user_id: receipt.seq for receipt in await self.stores.receipts.of_conversation(conv_id)}

    # until it is quiet

    async def settle(self) -> None:
        """Wait until everything asked is answered, everything pushed is known and everything missed is synced."""
        async with asyncio.timeout(PATIENCE):
            while not await self._is_quiet():
                for phone in self.phones:
                    phone.ask_for_missing(self.sync_limit)
        dice, self.pace.dice = self.pace.dice, None
        for phone in self.phones:
            if phone.is_live and any(mirror.is_new or mirror.unsure for mirror in phone.client.mirrors.values()):
                await self.seed(phone)
        self.pace.dice = dice

    async def _is_quiet(self) -> bool:
        works, self.works = self.works, []
        await asyncio.gather(*works)
        while pending := [answer for phone in self.phones for answer in phone.pending]:
            await asyncio.gather(*pending)
        for node in self.nodes:
            await node.services.messages.batches.drain()
            await node.services.messages.contested.batches.drain()
            await node.services.receipts.batches.drain()
        if len(self.nodes) > 1:
            await self._join_up()
        for phone in self.phones:
            phone.listen()
        return not any(
            mirror.needs_sync for phone in self.phones if phone.is_live for mirror in phone.client.mirrors.values()
        )

    async def _join_up(self) -> None:
        """Have every node know what the others do, and write what it writes behind."""
        await self.everything_is_told()
        self.clock.advance(0.02)  # whoever waits for what is missing looks for it now
        for node in self.nodes:
            await node.services.conversations.page(self.user_ids[0], None, 1)
        await self.everything_is_told()


async def _refusal_of(work: Coroutine[Any, Any, Any]) -> GoimError | None:
    try:
        await work
    except GoimError as error:
        return error
    return None


def plain(value: Any) -> Any:
    """As a client reads it."""
    return json.loads(encode_json(value))
