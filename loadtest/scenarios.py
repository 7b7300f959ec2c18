"""What can be measured: whom each scenario needs, and what its generators do."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Struct

from loadtest.plan import Conversation, Person, Plan
from loadtest.population import Population, Wanted
from loadtest.target import Target

_TAPE_BYTES = 400_000_000  # what all generators together may keep before they check it


class Scenario(StrEnum):
    """By what is typed."""

    C2C = "c2c"
    GROUP = "group"
    FANOUT = "fanout"
    IDLE = "idle"
    CONNECT = "connect"
    STREAM = "stream"
    MIXED = "mixed"


_UNITS = {
    Scenario.FANOUT: "delivery",
    Scenario.GROUP: "delivery",
    Scenario.IDLE: "handshake",
    Scenario.CONNECT: "handshake",
    Scenario.STREAM: "chunk",
    Scenario.MIXED: "act",
}
_WORKS = {Scenario.IDLE: "idle", Scenario.CONNECT: "connect", Scenario.STREAM: "stream", Scenario.MIXED: "mixed"}
_VILLAGE = 20
_ACTS_OF_ONE = 0.2
_TEXT_BYTES, _CHUNK_BYTES = 100, 12


class Load(Struct, frozen=True, kw_only=True, rename="camel"):
    """All that makes a run what it is, and that another run is to be compared by."""

    scenario: Scenario
    senders: int = 500
    chunk_rate: float = 20.0
    chunks: int = 100
    window: int = 1
    rate: float = 0.0
    groups: int = 10
    size: int = 100
    online: float = 0.5
    speakers: int = 1
    hearers: int = 1000
    connections: int = 2000
    text_bytes: int = 0
    seconds: float = 10.0
    warmup: float = 2.0
    rest: float = 2.5
    processes: int = 1

    @property
    def title(self) -> str:
        pace = f"{self.rate:,.0f} messages a second" if self.rate else f"window {self.window}"
        match self.scenario:
            case Scenario.C2C:
                return f"c2c: {self.senders} senders, {pace}"
            case Scenario.GROUP:
                there = f"{self.groups} groups of {self.size}, {self.online:.0%} online"
                return f"group: {there}, {self.speakers} speaking in each, {pace}"
            case Scenario.FANOUT:
                return f"fanout: 1 → {self.hearers}, {pace}"
            case Scenario.IDLE:
                return f"idle: {self.connections} connections"
            case Scenario.CONNECT:
                return f"connect: {self.connections} people come at once, twice"
            case Scenario.MIXED:
                return f"mixed: {2 * self.senders} people, {self._acts:,.0f} acts a second"
            case Scenario.STREAM:
                return f"stream: {self.senders} answers at once, {self.chunk_rate:g} chunks a second each"

    @property
    def unit(self) -> str:
        """What CPU is divided by."""
        return _UNITS.get(self.scenario, "message")

    @property
    def awake(self) -> int:
        """Members of a group who are connected."""
        return max(1 + self.speakers, round(self.size * self.online))

    def wanted(self) -> Wanted:
        """Whom it takes. Members of groups who are not online are the same people in each group."""
        match self.scenario:
            case Scenario.C2C | Scenario.STREAM:
                return Wanted(people=2 * self.senders, are_pairs=True)
            case Scenario.MIXED:
                villages = [[*range(first, last)] for first, last in self._villages()]
                return Wanted(people=2 * self.senders, are_pairs=True, groups=villages)
            case Scenario.GROUP:
                asleep = range(self.groups * self.awake, self.groups * self.awake + max(0, self.size - self.awake))
                groups = [[*range(first, first + self.awake), *asleep] for first in self._firsts()]
                return Wanted(people=asleep.stop, groups=groups)
            case Scenario.FANOUT:
                return Wanted(people=1 + self.hearers, groups=[list(range(1 + self.hearers))])
            case Scenario.IDLE | Scenario.CONNECT:
                return Wanted(people=self.connections)

    def plans(self, target: Target, there: Population) -> list[Plan]:
        """What each generator does: people who meet are in the same one."""
        conversations = self._conversations(there)
        people = [] if conversations else there.people
        rates = {Scenario.STREAM: self.senders * self.chunk_rate, Scenario.MIXED: self._acts}
        rate = rates.get(self.scenario, self.rate)
        most = 1 if self.scenario is Scenario.MIXED else self.processes  # its people are in two conversations each
        count = max(1, min(most, len(conversations) or len(people)))
        plan = Plan(
            work=_WORKS.get(self.scenario, "talk"),
            target=target,
            window=self.window,
            until_heard=self.scenario is Scenario.FANOUT,
            text_bytes=self.text_bytes or (_CHUNK_BYTES if self.scenario is Scenario.STREAM else _TEXT_BYTES),
            chunks=self.chunks,
            rest=self.rest,
            warmup=self.warmup,
            seconds=self.seconds,
            tape_bytes=_TAPE_BYTES // count,
        )
        return [
            msgspec.structs.replace(
                plan,
                conversations=conversations[index::count],
                people=people[index::count],
                rate=rate * len(conversations[index::count]) / max(1, len(conversations)),
                offset=index / rate if rate else 0.0,
            )
            for index in range(count)
        ]

    @property
    def _acts(self) -> float:
        """Of all people together, a second; each does something every five seconds, if nobody says otherwise."""
        return self.rate or 2 * self.senders * _ACTS_OF_ONE

    def _villages(self) -> list[tuple[int, int]]:
        """First and last (not of it) of the people of each; the pairs of friends are in it together."""
        end = 2 * self.senders
        return [(first, min(end, first + _VILLAGE)) for first in range(0, end, _VILLAGE)]

    def _village_life(self, there: Population) -> list[Conversation]:
        """A village's pairs and then its group; everybody speaks in both."""
        found: list[Conversation] = []
        for group_id, (first, last) in zip(there.group_ids, self._villages(), strict=True):
            people = there.people[first:last]
            pairs = zip(people[::2], people[1::2], strict=True)
            found += [Conversation({"convType": "c2c"}, list(pair), []) for pair in pairs]
            found.append(_spoken_to(group_id, people, len(people)))
        return found

    def _firsts(self) -> range:
        return range(0, self.groups * self.awake, self.awake)

    def _conversations(self, there: Population) -> list[Conversation]:
        match self.scenario:
            case Scenario.C2C | Scenario.STREAM:
                return [
                    Conversation({"convType": "c2c", "to": hearer.user_id}, [speaker], [hearer])
                    for speaker, hearer in zip(there.people[::2], there.people[1::2], strict=True)
                ]
            case Scenario.MIXED:
                return self._village_life(there)
            case Scenario.GROUP:
                awake = [there.people[first : first + self.awake] for first in self._firsts()]
                return [self._meeting(*each) for each in zip(there.group_ids, awake, strict=True)]
            case Scenario.FANOUT:
                return [_spoken_to(there.group_ids[0], there.people, 1)]
            case Scenario.IDLE | Scenario.CONNECT:
                return []

    def _meeting(self, group_id: str, awake: list[Person]) -> Conversation:
        return _spoken_to(group_id, awake, self.speakers)


def _spoken_to(group_id: str, awake: list[Person], speakers: int) -> Conversation:
    """The first ones speak to all others."""
    return Conversation({"convType": "group", "groupId": group_id}, awake[:speakers], awake[speakers:])
