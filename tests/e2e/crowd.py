"""People with `goim.client` who talk all the time, whatever happens: at the end each has exactly the log."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from goim.client import Client, Connected, Disconnected, Event, MessagePush, Timing, text_of
from goim.clock import SystemClock
from tests.client import Envelope, Person, World

PATIENCE = 60.0
TIMING = Timing(first_pause=0.05, longest_pause=0.5, heartbeat=5.0, patience=10.0)
clock = SystemClock()


@dataclass
class Talker:
    """Sends until it is acknowledged, and keeps everything that they are shown: each message once, in order."""

    person: Person
    client: Client
    shown: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    sent: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    losses: list[float] = field(default_factory=list)
    is_connected: bool = False

    async def live(self) -> None:
        """Be there, until this is cancelled."""
        async with self.client:
            async for event in self.client.events():
                self._look_at(event)

    async def arrived(self) -> None:
        """Wait until they are connected."""
        await _until(lambda: self.is_connected, self.person.username)

    def _look_at(self, event: Event) -> None:
        if isinstance(event, MessagePush):
            message = event.data
            shown = self.shown[message.conv_id]
            assert message.seq > max(shown, default=0), f"{message.seq} of {message.conv_id} came late, or again"
            shown[message.seq] = text_of(message)
        elif isinstance(event, Connected | Disconnected):
            self.is_connected = isinstance(event, Connected)
            if not self.is_connected:
                self.losses.append(clock.monotonic())

    async def say(self, text: str, *, to: str | None = None, group: str | None = None) -> None:
        sent = await self.client.send(text, to=to, group=group)
        assert sent.seq not in self.sent[sent.conv_id], "two of one's own messages in one place"
        self.sent[sent.conv_id][sent.seq] = text

    @property
    def has(self) -> dict[str, dict[int, str]]:
        """What is on their screen: what was shown, and what they said themselves."""
        assert all(not self.shown[conv_id].keys() & self.sent[conv_id].keys() for conv_id in self.sent), "shown twice"
        return {conv_id: self.shown[conv_id] | self.sent[conv_id] for conv_id in {*self.shown, *self.sent}}


class Crowd:
    """Pairs of friends who are all in one group."""

    def __init__(self, talkers: Sequence[Talker], group: Envelope) -> None:
        self.talkers = talkers
        self.group = group
        self._over = asyncio.Event()

    @property
    def sent(self) -> int:
        """How many messages are acknowledged."""
        return sum(len(sent) for talker in self.talkers for sent in talker.sent.values())

    async def say_more(self, count: int) -> None:
        """Wait until so many more messages are acknowledged."""
        await _until(lambda: self.sent >= enough, enough := self.sent + count)

    @contextlib.asynccontextmanager
    async def talking(self, pause: float) -> AsyncIterator[None]:
        """Everybody talks to their friend and into the group, with a pause of about so many seconds in between, until
        the end of the block; what was begun by then is acknowledged, too."""
        self._over.clear()
        async with asyncio.TaskGroup() as tasks:
            for place, talker in enumerate(self.talkers):
                tasks.create_task(self._talk(talker, self.talkers[place ^ 1], random.Random(place), pause))
            try:
                yield
            finally:
                self._over.set()

    async def _talk(self, talker: Talker, friend: Talker, chance: random.Random, pause: float) -> None:
        for number in itertools.count():
            if self._over.is_set():
                return
            where = {"group": self.group["groupId"]} if chance.random() < 0.3 else {"to": friend.person.user_id}
            await talker.say(f"{talker.person.username} {clock.monotonic():.4f} {number}", **where)
            await clock.sleep(pause * chance.uniform(0.5, 1.5))

    async def everybody_has_the_log(self) -> None:
        """Wait until everybody has it; it is dense, and has everything that was acknowledged, once."""
        everything: dict[str, dict[int, str]] = {}
        for talker in self.talkers:
            everything |= await self._has_the_log(talker)
        for conv_id, messages in everything.items():
            assert sorted(messages) == list(range(1, len(messages) + 1)), f"{conv_id} is not dense"
            in_order = [messages[seq] for seq in sorted(messages)]
            for talker in self.talkers:
                own = [text for text in in_order if text.startswith(f"{talker.person.username} ")]
                assert own == list(talker.sent[conv_id].values()), "somebody's messages are not in their order"
        assert sum(map(len, everything.values())) == self.sent

    async def _has_the_log(self, talker: Talker) -> dict[str, dict[int, str]]:
        log = await log_of(talker.person)
        with contextlib.suppress(AssertionError):
            await _until(lambda: talker.has == log, "")
        has = talker.has
        missing = {c: (sorted(log[c].keys() - has.get(c, {}).keys()), len(log[c])) for c in log if log[c] != has.get(c)}
        assert has == log, f"{talker.person.username} lacks {missing}"
        return log

    async def list_is_right(self) -> None:
        """Wait until the group is where its last message puts it in everybody's list: the consumer has worked."""
        [*_, last] = await self.talkers[0].person.whole_log(self.group["convId"])
        for talker in self.talkers:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while await _updated_at(talker.person, self.group["convId"]) != last["timestamp"]:
                        await clock.sleep(0.1)
            assert await _updated_at(talker.person, self.group["convId"]) == last["timestamp"]


async def _updated_at(person: Person, conv_id: str) -> int:
    lines = (await person.get("/api/conversations"))["conversations"]
    return next(int(line["updatedAt"]) for line in lines if line["convId"] == conv_id)


async def log_of(person: Person) -> dict[str, dict[int, str]]:
    """All of somebody's conversations."""
    lines = (await person.get("/api/conversations", limit=200))["conversations"]
    logs = {line["convId"]: await person.whole_log(line["convId"]) for line in lines}
    return {conv_id: {each["seq"]: each["payload"]["text"] for each in log} for conv_id, log in logs.items() if log}


@contextlib.asynccontextmanager
async def gathered(people: World, count: int, urls: Sequence[str] = ()) -> AsyncIterator[Crowd]:
    """So many people, an even number, online until the end of the block: spread over these servers, if there are
    several."""
    everybody = await asyncio.gather(*(people.person(None) for _ in range(count)))
    pairs = list(zip(everybody[::2], everybody[1::2], strict=True))
    for other in everybody[1:]:
        await people.befriend(everybody[0], other)
    for one, other in pairs[1:]:
        await people.befriend(one, other)
    group = await everybody[0].post(
        "/api/groups", {"name": "all", "memberIds": [each.user_id for each in everybody[1:]]}
    )
    where = itertools.cycle(urls or [people.base_url])
    talkers = [Talker(each, _client_of(next(where), each)) for each in everybody]
    async with asyncio.TaskGroup() as tasks:
        online = [tasks.create_task(talker.live()) for talker in talkers]
        for talker in talkers:
            await talker.arrived()
        yield Crowd(talkers, group)
        for each in online:
            each.cancel()


def _client_of(url: str, person: Person) -> Client:
    return Client(url, token=person.token, device_id=f"{person.user_id}-1", timing=TIMING)


async def _until(holds: Callable[[], bool], what: object) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await clock.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"in vain: {what}") from None
