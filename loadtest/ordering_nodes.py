"""Real nodes over one Redis and one database, with people on all of them who write to one group and to friends."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Struct

from loadtest.connections import Connection
from loadtest.log_writer import Orders, Written, has_measured
from loadtest.metrics import metrics_of
from loadtest.plan import Person
from loadtest.processes import sample
from loadtest.seed import seeding, settings_of
from loadtest.server import Server, environment_of, running_server
from loadtest.sockets import Loop
from loadtest.wire import frame

_PATIENCE = 30.0
_GREET_SECONDS, _GREETINGS = 1.0, 30
_GREETING = b'"clientMsgId":"hello '
_SEQ = b'"seq":'


class Talked(Struct, frozen=True, kw_only=True):
    """What each writer did, what the database used meanwhile, and which conversations there were (as LIKE)."""

    written: list[Written]
    database_cpu: float
    conversations: list[str]
    problems: dict[str, int] = {}


class _Cast(Struct, frozen=True, kw_only=True):
    people: list[Person]
    group_id: str
    friends: list[list[str]]
    prefix: str


class _Speaker(Connection):
    """Writes to the group or to one of their friends, the next message when the last is acknowledged."""

    def __init__(self, loop: Loop, person: Person, friends: list[str], group_id: str, hot: float) -> None:
        self.hot: list[tuple[float, float]] = []
        self.cold: list[tuple[float, float]] = []
        self.last_seq = self.refused = self.disordered = self.pushes = self.own = self.greeted = 0
        self.is_done = self.is_ending = False
        self.user_id = person.user_id.encode()
        self.greeters: set[bytes] = set()
        self._friends = friends
        self._group_id = group_id
        self._hot_share = hot
        self._dice = random.Random(person.user_id)
        self._count = 0
        self._is_hot = False
        self._sent_at = 0.0
        super().__init__(loop, person)

    @property
    def has_met_all(self) -> bool:
        """Whether they have written to each of their friends, or would have."""
        return self._count > len(self._friends)

    def begin(self) -> None:
        self._say(perf_counter())

    def lost(self) -> None:
        self.is_done = True

    def greet(self) -> None:
        """Say something to the group that is not counted."""
        self._count += 1
        address = {"convType": "group", "groupId": self._group_id}
        self._ask(
            {
                **address,
                "type": "text",
                "clientMsgId": f"hello {self.user_id.decode()} {self._count}",
                "payload": {"text": "hello"},
            }
        )

    def receive(self, text: bytes) -> None:
        if b'"action":"message"' in text:
            if b'"groupId":' in text:
                self._hear(text)
        elif b'"action":"ack"' in text and _GREETING in text:
            self.greeted += 1
        elif b'"action":"ack"' in text:
            now = perf_counter()
            (self.hot if self._is_hot else self.cold).append((self._sent_at, (now - self._sent_at) * 1000))
            self.own += self._is_hot
            self._say(now)
        elif b'"action":"error"' in text:
            self.refused += 1
            self._say(perf_counter())

    def _hear(self, text: bytes) -> None:
        start = text.index(_SEQ) + len(_SEQ)
        seq = int(text[start : text.index(b",", start)])
        self.disordered += seq <= self.last_seq  # twice, or before one that it follows
        self.last_seq = seq
        if _GREETING in text:
            self.greeters.add(text[text.index(_GREETING) + len(_GREETING) :].partition(b" ")[0])
        else:
            self.pushes += 1

    def _say(self, now: float) -> None:
        if self.is_ending:
            self.is_done = True
            return
        self._is_hot = self._dice.random() < self._hot_share
        address = (
            {"convType": "group", "groupId": self._group_id}
            if self._is_hot
            else {"convType": "c2c", "to": self._friends[self._count % len(self._friends)]}
        )
        data = {**address, "type": "text", "clientMsgId": f"m{self._count}", "payload": {"text": "x" * 100}}
        self._count += 1
        self._sent_at = now
        self._ask(data)

    def _ask(self, data: dict[str, Any]) -> None:
        self.write(frame(msgspec.json.encode({"action": "send", "id": self._count, "data": data})))


def talk_on_nodes(variables: dict[str, str], folder: Path, orders: list[Orders], database: int | None) -> Talked:
    """One node for each of `orders`, with as many speakers; `cold` is the number of all pairs."""
    secret = secrets.token_urlsafe(48)
    environment = {**environment_of(folder, secret), **variables}
    cast = asyncio.run(_seed(environment, secret, sum(each.senders for each in orders), orders[0].cold))
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(running_server(environment, folder)) for _ in orders]
        return _talk(nodes, cast, orders, database)


async def _seed(environment: dict[str, str], secret: str, speakers: int, cold: int) -> _Cast:
    async with seeding(settings_of(environment), secret) as seed:
        people = await seed.people(speakers)
        friends = [await seed.strangers(max(1, cold // speakers)) for _ in people]
        await seed.befriend(
            (person.user_id, friend) for person, mine in zip(people, friends, strict=True) for friend in mine
        )
        group_id = await seed.group([person.user_id for person in people])
        return _Cast(people=people, group_id=group_id, friends=friends, prefix=seed.prefix)


def _talk(nodes: list[Server], cast: _Cast, orders: list[Orders], database: int | None) -> Talked:
    loop, hot, count = Loop(nodes[0].target), orders[0].hot_share, len(orders)
    speakers = []
    for number, (person, friends) in enumerate(zip(cast.people, cast.friends, strict=True)):
        loop.aim(nodes[number % count].target)
        speakers.append(_Speaker(loop, person, friends, cast.group_id, hot))
    if not loop.turn_until(lambda _: loop.opened == len(speakers), _PATIENCE):
        raise TimeoutError("a handshake got no answer")
    _meet(loop, speakers, speakers[:count])
    start = perf_counter() + orders[0].warmup
    for speaker in speakers:
        speaker.begin()
    loop.turn_until(lambda now: now >= start, _PATIENCE)
    if orders[0].is_warm:  # what is measured is not the first message of any conversation
        loop.turn_until(lambda _: all(each.has_met_all for each in speakers), _PATIENCE)
    start = perf_counter()
    end = start + orders[0].seconds
    before, database_cpu = [_reading(node) for node in nodes], _cpu(database)
    loop.turn_until(lambda now: now >= end and (_have_talked(speakers, start) or now >= end + _PATIENCE), _PATIENCE)
    after, database_cpu = [_reading(node) for node in nodes], _cpu(database) - database_cpu
    for speaker in speakers:
        speaker.is_ending = True
    loop.turn_until(lambda _: all(each.is_done for each in speakers), _PATIENCE)
    total = sum(each.own for each in speakers)
    loop.turn_until(lambda _: all(each.pushes + each.own >= total for each in speakers), _PATIENCE / 6)
    problems = {
        "lost connections": len(loop.losses),
        "refused": sum(each.refused for each in speakers),
        "out of order": sum(each.disordered for each in speakers),
        "not pushed": sum(max(0, total - each.pushes - each.own) for each in speakers),
        "pushed twice": sum(max(0, each.pushes + each.own - total) for each in speakers),
    }
    loop.close()
    written = [
        Written(
            hot_ms=[ms for each in speakers[number::count] for at, ms in each.hot if at >= start],
            cold_ms=[ms for each in speakers[number::count] for at, ms in each.cold if at >= start],
            cpu=after[number][0] - before[number][0],
            lost_races=int(after[number][1] - before[number][1]),
            batches=int(after[number][2] - before[number][2]),
            stored=sum(len(each.hot) + len(each.cold) + each.greeted for each in speakers[number::count]),
        )
        for number in range(count)
    ]
    conversations = [f"c2c:{cast.prefix}%", f"group:{cast.group_id}"]
    return Talked(written=written, database_cpu=database_cpu, conversations=conversations, problems=problems)


def _have_talked(speakers: list[_Speaker], start: float) -> bool:
    """Whether each has written a few times since then, but for those whose connection was lost."""
    return all(each.is_done or has_measured(each.hot, each.cold, start) for each in speakers)


def _meet(loop: Loop, speakers: list[_Speaker], one_of_each_node: list[_Speaker]) -> None:
    """Go on when each has heard somebody of each node: one that waited in vain for its Redis lets people in before it
    hears what is said elsewhere. They would catch up by `sync`; these do not."""
    names = {each.user_id for each in one_of_each_node}
    for _ in range(_GREETINGS):
        for one in one_of_each_node:
            one.greet()
        if loop.turn_until(lambda _: all(names - {each.user_id} <= each.greeters for each in speakers), _GREET_SECONDS):
            return
    raise TimeoutError("not everybody hears what is said to the group")


def _reading(node: Server) -> tuple[float, float, float]:
    """CPU, lost races, batches until now."""
    told = metrics_of(node.target)
    return sample([node.pid]).cpu, told["im_commit_retries_total"], told["im_commit_batch_size_count"]


def _cpu(pid: int | None) -> float:
    return 0.0 if pid is None else sample([pid]).cpu
