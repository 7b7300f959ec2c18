"""A whole node in one process and without sockets: what runs for each message, and nothing else, to be counted.

A connection is uvicorn's protocol on a transport that only counts what is written to it. Time stands still, so that
nothing runs of its own accord; the database writer is a process of its own, which is not counted.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import uvloop

from goim.app.node import open_node, server_for
from goim.config import load
from goim.gateway.server import NodeServer
from loadtest.callgrind import Callgrind
from loadtest.plan import Person
from loadtest.population import Population
from loadtest.target import Target
from loadtest.wire import frame, opening

PAIRS, HEARERS, ROUNDS = 64, 99, 12
"""Pairs that talk at once; who hears in the one group; rounds that are counted, in each everybody says one thing."""
REFERENCES = 10_000
BURDEN = 20
"""Turns of the reference that a burdened message costs besides: more than may be added before somebody is told."""
_WARMING = 6
_TEXT = "x" * 100


class StillClock:
    """Time that does not pass."""

    def __init__(self) -> None:
        self._now_ms = time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002 it never ends
        await asyncio.get_running_loop().create_future()


class Room:
    """Where somebody waits for so many writes of the server."""

    def __init__(self) -> None:
        self._missing = 0
        self._heard = asyncio.get_running_loop().create_future()

    def expect(self, writes: int) -> asyncio.Future[None]:
        self._missing += writes
        self._heard = asyncio.get_running_loop().create_future()
        return self._heard

    def written(self) -> None:
        self._missing -= 1
        if not self._missing and not self._heard.done():
            self._heard.set_result(None)


class Wire(asyncio.Transport):
    """The server's end of a connection that leads nowhere; keeps what was written last."""

    def __init__(self, room: Room) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.last = b""
        self._room = room
        self._protocol: Any = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def say(self, data: bytes) -> None:
        """Bytes of the client."""
        self._protocol.data_received(data)

    def write(self, data: Any) -> None:
        self.last = data
        self._room.written()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Stage:
    """A node, and people who are connected to it."""

    def __init__(self, server: NodeServer) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self.room = Room()

    async def connect(self, people: Sequence[Person]) -> list[Wire]:
        """Log in with one device each."""
        wires: list[Wire] = []
        for person in people:
            config, wire = self._server.config, Wire(self.room)
            protocol: Any = config.http_protocol_class  # a class by now: the configuration is loaded
            wire.set_protocol(
                protocol(config=config, server_state=self._server.server_state, app_state=self._server.lifespan.state)
            )
            wire.get_protocol().connection_made(wire)
            answer = self.room.expect(1)
            wire.say(opening(Target("127.0.0.1", 2), "phone", person.token))
            await answer
            if not wire.last.startswith(b"HTTP/1.1 101 "):
                raise RuntimeError(f"the handshake was refused: {wire.last!r}")
            wires.append(wire)
        return wires

    def frame(self, address: dict[str, str]) -> bytes:
        """One text message as its client sends it."""
        name = f"bench-{next(self._numbers):09d}"
        data = {**address, "type": "text", "clientMsgId": name, "payload": {"text": _TEXT}}
        return frame(json.dumps({"action": "send", "id": name, "data": data}, separators=(",", ":")).encode())

    async def round(self, wires: Sequence[Wire], frames: Sequence[bytes], writes: int) -> None:
        """Everybody says something, and all of it is stored, acknowledged and delivered."""
        done = self.room.expect(writes)
        for wire, data in zip(wires, frames, strict=True):
            wire.say(data)
        await done


def reference(turns: int) -> int:
    """Work that never changes and costs an interpreter what code like ours costs it: calls, names, a dict, bytes."""
    table: dict[bytes, int] = {}
    for number in range(turns):
        key = _key(number)
        table[key] = table.get(key, 0) + len(key)
    return sum(table.values())


def _key(number: int) -> bytes:
    return b"%d" % (number % 1000)


class Count:
    """Has what runs on a stage counted, each kind of work by a name."""

    def __init__(self, stage: Stage, callgrind: Callgrind) -> None:
        self._stage = stage
        self._callgrind = callgrind

    async def all(self, people: Population) -> None:
        """The reference, messages between two, the same with a burden, messages to a group."""
        pairs, group = people.people[: 2 * PAIRS], people.people[2 * PAIRS :]
        senders = await self._stage.connect(pairs[::2])
        hearers = await self._stage.connect(pairs[1::2])
        members = await self._stage.connect(group)
        gc.collect()
        gc.freeze()
        gc.disable()
        with self._callgrind.counting("reference"):
            reference(REFERENCES)
        to = [{"convType": "c2c", "to": each.user_id} for each in pairs[1::2]]
        await self._rounds("message", senders, hearers, to)
        await self._rounds("burdened", senders, hearers, to, burden=BURDEN)
        to_group = [{"convType": "group", "groupId": people.group_ids[0]}]
        await self._rounds("delivery", members[:1], members[1:], to_group)

    async def _rounds(
        self,
        name: str,
        senders: Sequence[Wire],
        hearers: Sequence[Wire],
        to: Sequence[dict[str, str]],
        *,
        burden: int = 0,
    ) -> None:
        stage, writes = self._stage, len(senders) + len(hearers)
        script = [[stage.frame(each) for each in to] for _ in range(_WARMING + ROUNDS)]
        for frames in script[:_WARMING]:
            await stage.round(senders, frames, writes)
        with self._callgrind.counting(name):
            for frames in script[_WARMING:]:
                reference(burden * len(frames))
                await stage.round(senders, frames, writes)
        for wires, answer in ((senders, b'"action":"ack"'), (hearers, b'"action":"message"')):
            if any(answer not in wire.last for wire in wires):
                raise RuntimeError(f"no {answer.decode()}: {wires[0].last!r}")


async def main() -> None:
    """Count once, with the settings of the environment and the people that stdin names."""
    people = msgspec.json.decode(sys.stdin.buffer.read(), type=Population)
    async with open_node(load(None, os.environ).settings, clock=StillClock()) as node, asyncio.TaskGroup() as tasks:
        server = server_for(node)
        started = asyncio.get_running_loop().create_future()
        server.on_started = started.set_result
        tasks.create_task(server.serve())
        await started
        await Count(Stage(server), Callgrind()).all(people)
        os._exit(0)  # where time stands still, nothing comes to an end


if __name__ == "__main__":
    uvloop.run(main())
