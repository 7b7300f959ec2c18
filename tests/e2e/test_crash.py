"""Many senders at full speed, `kill -9` in the middle of it: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.client import Envelope, Person, World
from tests.process import ServerProcess, running_server

PAIRS = 4
WINDOW = 16


@dataclass
class Talker:
    """Sends to one friend as fast as it is acknowledged, and knows what was asked and what was acknowledged."""

    person: Person
    friend: Person
    asked: list[str] = field(default_factory=list)
    acks: dict[str, Envelope] = field(default_factory=dict)

    async def talk(self, url: str) -> None:
        """Until the connection breaks, perhaps while it is made."""
        headers = {"Authorization": f"Bearer {self.person.token}"}
        with contextlib.suppress(ConnectionClosed, InvalidMessage, OSError):
            async with connect(f"{url}/ws", additional_headers=headers, compression=None, proxy=None) as ws:
                for _ in range(WINDOW):
                    await ws.send(self._next())
                async for text in ws:
                    envelope = json.loads(text)
                    if envelope["action"] == "ack":
                        self.acks[envelope["data"]["clientMsgId"]] = envelope["data"]
                        await ws.send(self._next())

    def _next(self) -> str:
        self.asked.append(f"{self.person.username}-{len(self.asked)}")
        return json.dumps({"action": "send", "data": self.draft(self.asked[-1])})

    def draft(self, client_msg_id: str) -> Envelope:
        return self.person.text(self.friend, client_msg_id, clientMsgId=client_msg_id)

    async def resend(self, people: World) -> None:
        """Everything that was asked and not acknowledged, in order, until it is."""
        async with people.online(self.person) as device:
            for client_msg_id in self.asked:
                if client_msg_id not in self.acks:
                    self.acks[client_msg_id] = await device.ask("send", self.draft(client_msg_id))


@pytest.mark.timeout(240)
async def test_after_a_kill_every_acked_message_is_there_once_with_its_seq(tmp_path: Path) -> None:
    dice = random.Random(20261123)  # decides when to kill
    async with running_server(tmp_path) as (server, people):
        talkers = await talkers_on(people)
        for _ in range(4):
            await talk_until_killed(server, talkers, dice.uniform(0.15, 0.6))
            await server.start()
            await asyncio.gather(*(talker.resend(people) for talker in talkers))
        for one, other in zip(talkers[::2], talkers[1::2], strict=True):
            await check(one, other)
        assert sum(len(talker.acks) for talker in talkers) > 4 * PAIRS * WINDOW


async def talkers_on(people: World) -> list[Talker]:
    talkers = []
    for _ in range(PAIRS):
        one, other = await people.friends(None, None)
        talkers += [Talker(one, other), Talker(other, one)]
    return talkers


async def talk_until_killed(server: ServerProcess, talkers: list[Talker], seconds: float) -> None:
    """So long after the first answer."""
    before = [len(talker.acks) for talker in talkers]
    async with asyncio.TaskGroup() as tasks:
        for talker in talkers:
            tasks.create_task(talker.talk(server.url.replace("http", "ws")))
        while before == [len(talker.acks) for talker in talkers]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # noqa: TID251 the clients talk on their own
        await asyncio.sleep(seconds)  # noqa: TID251 the accident comes when it comes
        await server.kill()


async def check(one: Talker, other: Talker) -> None:
    """The log against what both were told."""
    conv_id = next(iter(one.acks.values()))["convId"]
    log = await one.person.whole_log(conv_id)
    assert [message["seq"] for message in log] == list(range(1, len(log) + 1)), "a gap or a repeat"
    stored = {message["clientMsgId"]: message for message in log}
    assert len(stored) == len(log), "a message is there twice"
    acks = one.acks | other.acks
    assert stored.keys() == acks.keys() == {*one.asked, *other.asked}
    for client_msg_id, ack in acks.items():
        message = stored[client_msg_id]
        assert (message["seq"], message["serverMsgId"]) == (ack["seq"], ack["serverMsgId"])
        assert message["timestamp"] == ack["timestamp"]
        assert message["payload"] == {"text": client_msg_id}
