"""A backup of a server at work: all that was acknowledged before it began is in it, and it agrees with itself."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Goimctl
from tests.client import Envelope, Person
from tests.e2e.test_crash import talkers_on
from tests.process import running_server


@pytest.mark.timeout(240)
async def test_a_backup_under_load_has_all_that_was_acknowledged_before_it(tmp_path: Path) -> None:
    goimctl = Goimctl(tmp_path)
    async with running_server(tmp_path) as (server, people):
        talkers = await talkers_on(people)
        async with asyncio.TaskGroup() as tasks:
            for talker in talkers:
                tasks.create_task(talker.talk(server.url.replace("http", "ws")))
            while not (all(len(talker.acks) > 100 for talker in talkers) and _have_read(tmp_path / "data")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # noqa: TID251 the clients talk on their own
            before = [dict(talker.acks) for talker in talkers]
            await goimctl.meanwhile("backup", "monday.tar")
            during = sum(len(talker.acks) for talker in talkers) - sum(map(len, before))
            await server.kill()
        assert during > 0, "nothing was sent while the backup was made"
    await goimctl.meanwhile("restore", "monday.tar", IM_SERVER_DATA_DIR="restored/data")
    _agrees_with_itself(tmp_path / "restored/data")
    async with running_server(tmp_path / "restored") as (_, people):
        for talker, acks in zip(talkers, before, strict=True):
            person = Person(await people.http(), username=talker.person.username)
            await _has(await people.log_in(person), acks)


def _have_read(folder: Path) -> bool:
    """Whether anybody is known to have read anything: that is written a moment after it is so."""
    with closing(sqlite3.connect(folder / "goim.db")) as data:
        return bool(data.execute("SELECT 1 FROM read_receipts").fetchone())


async def _has(person: Person, acks: dict[str, Envelope]) -> None:
    log = await person.whole_log(next(iter(acks.values()))["convId"])
    assert [message["seq"] for message in log] == list(range(1, len(log) + 1)), "a gap or a repeat"
    stored = {message["clientMsgId"]: message for message in log}
    for client_msg_id, ack in acks.items():
        assert stored[client_msg_id]["seq"] == ack["seq"]


def _agrees_with_itself(folder: Path) -> None:
    """Nobody has read more than there is, no message is without its conversation."""
    with closing(sqlite3.connect(folder / "messages.db")) as log:
        last_seqs = dict(log.execute("SELECT conv_id, MAX(seq) FROM messages GROUP BY conv_id"))
    with closing(sqlite3.connect(folder / "goim.db")) as data:
        convs = {conv_id for (conv_id,) in data.execute("SELECT conv_id FROM im_conversations")}
        read = data.execute("SELECT conv_id, seq FROM read_receipts").fetchall()
    assert last_seqs.keys() <= convs
    assert read
    assert all(seq <= last_seqs.get(conv_id, 0) for conv_id, seq in read)
