"""A process that appends to the log as a node does, beside others: to be killed and started again.

    python -m tests.stores.race_writer DSN NAME BATCHES FOLDER

What it is about to append and what was acknowledged stands in two journals in FOLDER; one that is started again sends
anew what it finds unacknowledged. At the end it prints what the races have cost, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from time import perf_counter

from goim.clock import SystemClock
from goim.config.dsn import parse_dsn
from goim.metrics import Metrics
from goim.model.conversations import of_group
from goim.model.messages import Draft, Sent, SentKey
from goim.stores.log import Log
from goim.stores.mysql import MysqlEngine
from goim.stores.sql import SqlMessages
from goim.stores.sql_turns import SqlTurns

BATCH = 16
COLD = 2_500
HOT_SHARE = float(os.environ.get("HOT_SHARE", "0.1"))


def draft_of(name: str, number: int, conv_id: str) -> Draft:
    return Draft(
        conv=of_group(conv_id.removeprefix("group:")),
        from_user_id=name,
        client_msg_id=str(number),
        type="text",
        payload=json.dumps({"text": "x" * 90}),
    )


async def append(log: Log, drafts: list[Draft]) -> list[Sent]:
    """As a node does: what is contested by itself, beside the rest."""
    contested: dict[str, list[Draft]] = {}
    for draft in drafts:
        if log.is_contested(draft.conv.conv_id):
            contested.setdefault(draft.conv.conv_id, []).append(draft)
    rest = [draft for draft in drafts if draft.conv.conv_id not in contested]
    works = [log.append_alone(group) for group in contested.values()] + ([log.append(rest)] if rest else [])
    answers = await asyncio.gather(*works)
    told: dict[SentKey, Sent] = {}
    for group, places in zip([*contested.values(), rest], answers, strict=False):
        told |= {draft.sent_key: place for draft, place in zip(group, places, strict=True)}
    return [told[draft.sent_key] for draft in drafts]


class Writer:
    """Journals, and appends."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._asked = folder / f"{name}.asked"
        self._acked = folder / f"{name}.acked"
        for path in (self._asked, self._acked):
            _drop_torn_line(path)
        self._dice = random.Random(f"{name}{self._asked.exists()}")
        self._number = len(self._lines(self._asked))

    def unacked(self) -> list[Draft]:
        """What an earlier life has left open, in order."""
        done = {line.split()[0] for line in self._lines(self._acked)}
        asked = [line.split() for line in self._lines(self._asked)]
        return [draft_of(self.name, int(number), conv_id) for number, conv_id in asked if number not in done]

    def drafts(self) -> list[Draft]:
        """The next batch, written down."""
        drafts = []
        for _ in range(BATCH):
            is_hot = self._dice.random() < HOT_SHARE
            conv_id = "group:hot" if is_hot else f"group:{self.name}-{self._dice.randrange(COLD)}"
            drafts.append(draft_of(self.name, self._number, conv_id))
            self._number += 1
        self._note(self._asked, [f"{each.client_msg_id} {each.conv.conv_id}" for each in drafts])
        return drafts

    def acked(self, drafts: list[Draft], places: list[Sent]) -> None:
        pairs = zip(drafts, places, strict=True)
        self._note(self._acked, [f"{draft.client_msg_id} {place.seq} {place.timestamp}" for draft, place in pairs])

    def _note(self, path: Path, lines: list[str]) -> None:
        with path.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))

    def _lines(self, path: Path) -> list[str]:
        return path.read_text().splitlines() if path.exists() else []


def _drop_torn_line(path: Path) -> None:
    """A write that ends in another page than it began in is cut at the page by a `kill -9`."""
    if path.exists():
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


async def main(dsn: str, name: str, batches: int, folder: Path) -> None:
    metrics = Metrics()
    writer = Writer(name, folder)
    took = []
    async with MysqlEngine(parse_dsn(dsn), connections=4) as engine:
        log = Log(SqlMessages(engine), SystemClock(), metrics, turns=SqlTurns(engine))
        left = writer.unacked()
        if left:
            writer.acked(left, await append(log, left))
        started = perf_counter()
        for _ in range(batches):
            drafts = writer.drafts()
            before = perf_counter()
            places = await append(log, drafts)
            took.append(perf_counter() - before)
            writer.acked(drafts, places)
        seconds = perf_counter() - started
    took.sort()
    figures = {
        "msgs_per_s": round(batches * BATCH / seconds),
        "lost_races": metrics.commit_retries,
        "p50_ms": round(took[len(took) // 2] * 1000, 2),
        "p99_ms": round(took[len(took) * 99 // 100] * 1000, 2),
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
