"""One writer of the log in a process of its own: sends its messages in order, batch by batch, and says which stand.

    python -m tests.mongo_writer URI NAME BATCHES

Every line on stdout is an ack: conversation, seq, client_msg_id, and whether it was stored before. What a run that was
killed had not told is sent again by the next one with the same name.
"""

from __future__ import annotations

import asyncio
import sys

from goim.clock import SystemClock
from goim.errors import StoreDown
from goim.metrics import Metrics
from goim.model.conversations import c2c
from goim.model.messages import Draft
from goim.stores.log import Log
from goim.stores.mongo import MongoMessages, mongo_database

HOT = "hot"
ANOTHER_TRY_SECONDS = 0.1


def batch(name: str, number: int) -> list[Draft]:
    """Two messages to the hot conversation with one to a cold one between them, one to another cold one."""
    convs = [HOT, f"cold-{name}-{number % 3}", HOT, f"shared-{number % 5}"]
    return [
        Draft(
            conv=c2c("ann", "bob", conv_id=conv_id, created_at=0),
            from_user_id=name,
            client_msg_id=f"{number:04}-{place}",
            type="text",
            payload='{"text":"hi"}',
        )
        for place, conv_id in enumerate(convs)
    ]


async def main(uri: str, name: str, batches: int) -> None:
    """Send everything; a database that is away is waited for."""
    clock = SystemClock()
    async with mongo_database(uri) as database:
        log = Log(MongoMessages(database), clock, Metrics())
        for number in range(batches):
            await _append(log, clock, batch(name, number))


async def _append(log: Log, clock: SystemClock, drafts: list[Draft]) -> None:
    while True:
        try:
            places = await log.append(drafts)
            break
        except StoreDown:
            await clock.sleep(ANOTHER_TRY_SECONDS)
    for draft, place in zip(drafts, places, strict=True):
        told = (draft.conv.conv_id, str(place.seq), draft.client_msg_id, str(int(place.is_duplicate)))
        sys.stdout.write(" ".join(told) + "\n")  # in one piece: `kill -9` cuts none in two
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
