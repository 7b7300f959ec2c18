"""Several writer processes on one MongoDB, killed in the middle, the server too: dense, in order, once, as acked."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from goim.stores.mongo import MongoDatabase, mongo_database
from tests.mongo_server import MongoServer, running_mongo
from tests.mongo_writer import batch
from tests.process import ROOT

BATCHES = 12
NAMES = ("ann", "bob", "cy")


class Ack(NamedTuple):
    """What a writer was told."""

    name: str
    conv_id: str
    seq: int
    client_msg_id: str
    is_duplicate: bool


class Writer:
    """A process that writes, and what it has said so far."""

    def __init__(self, uri: str, name: str, told: asyncio.Event) -> None:
        self._args = (uri, name, str(BATCHES))
        self._told = told
        self.name = name
        self.acks: list[Ack] = []
        self._process: asyncio.subprocess.Process

    async def run(self, *, kill_after: int | None = None) -> None:
        """Until it has sent everything, or `kill -9` after so many acks."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.mongo_writer", *self._args, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        said = 0
        async for line in self._process.stdout:
            conv_id, seq, client_msg_id, is_duplicate = line.decode().split()
            self.acks.append(Ack(self.name, conv_id, int(seq), client_msg_id, is_duplicate == "1"))
            self._told.set()
            said += 1
            if said == kill_after:
                self._process.kill()
        code = await self._process.wait()
        assert code == 0 or kill_after is not None


async def check(database: MongoDatabase, writers: list[Writer]) -> None:
    """The log against what all were told."""
    stored: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
    for document in await database["messages"].find().sort([("conv_id", 1), ("seq", 1)]).to_list(None):
        stored[document["conv_id"]].append(document)
    for conv_id, rows in stored.items():
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), f"{conv_id} has a gap or a repeat"
        for name in NAMES:
            mine = [str(row["client_msg_id"]) for row in rows if row["from_user_id"] == name]
            assert mine == sorted(set(mine)), f"{name}'s messages in {conv_id} are out of order or there twice"
    found = {
        (conv_id, row["from_user_id"], row["client_msg_id"]): row["seq"]
        for conv_id, rows in stored.items()
        for row in rows
    }
    drafts = (draft for name in NAMES for number in range(BATCHES) for draft in batch(name, number))
    assert found.keys() == {draft.sent_key for draft in drafts}
    for ack in (ack for writer in writers for ack in writer.acks):
        assert found[ack.conv_id, ack.name, ack.client_msg_id] == ack.seq, "an ack said something else"


@pytest.mark.timeout(240)
async def test_writers_at_once_and_one_of_them_killed_again_and_again(mongo_server: MongoServer) -> None:
    async with mongo_server.migrated() as (uri, database):
        writers = [Writer(uri, name, asyncio.Event()) for name in NAMES]

        async def unlucky(writer: Writer) -> None:
            for acks in (5, 10, 18):
                await writer.run(kill_after=acks)
            await writer.run()

        await asyncio.gather(unlucky(writers[0]), *(writer.run() for writer in writers[1:]))
        await check(database, writers)
    for writer in writers[1:]:
        assert not any(ack.is_duplicate for ack in writer.acks), "nobody sent these twice"
        assert len(writer.acks) == BATCHES * 4


@pytest.mark.timeout(240)
async def test_the_server_is_killed_in_the_middle_and_comes_back(tmp_path: Path) -> None:
    with running_mongo(tmp_path) as server:
        async with server.migrated() as (uri, database):
            told = asyncio.Event()
            writers = [Writer(uri, name, told) for name in NAMES]
            async with asyncio.TaskGroup() as tasks:
                for writer in writers:
                    tasks.create_task(writer.run())
                for acks, kill in zip((20, 60, 100), server.kills, strict=False):
                    while sum(len(writer.acks) for writer in writers) < acks:
                        await told.wait()
                        told.clear()
                    kill()
                    server.start()
        async with mongo_database(uri) as database:
            await check(database, writers)
