"""The log forgets which conversations were contested, also those that nobody writes to again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar, cast

from goim.metrics import Metrics
from goim.model.conversations import of_group
from goim.model.messages import Draft, MessageRow, Sent, SentKey
from goim.stores.base import Taken
from goim.stores.base_log import MessageTable
from goim.stores.log import Log
from tests.fake_clock import FakeClock

T = TypeVar("T")


class Contended:
    """A table in which another node was always there first, once for each conversation."""

    def __init__(self) -> None:
        self.seqs: dict[str, int] = {}

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        for row in rows:
            if row.conv_id not in self.seqs:
                self.seqs[row.conv_id] = row.seq
                raise Taken("taken")

    async def last_seqs(self, conv_ids: Collection[str]) -> dict[str, int]:
        return {conv_id: self.seqs[conv_id] for conv_id in conv_ids if conv_id in self.seqs}

    async def find_sent(self, keys: Collection[SentKey]) -> dict[SentKey, Sent]:
        return {}


class NoTurns:
    async def hold(self, conv_id: str, work: Callable[[], Awaitable[T]]) -> T:
        return await work()


async def test_a_conversation_contested_once_and_never_written_again_is_forgotten() -> None:
    clock = FakeClock()
    log = Log(cast("MessageTable", Contended()), clock, Metrics(), turns=NoTurns())
    for number in range(20):
        draft = Draft(conv=of_group(str(number)), from_user_id="ann", client_msg_id="1", type="text", payload="{}")
        await log.append([draft])
        assert log.is_contested(draft.conv.conv_id)
        clock.advance(11)
    assert len(log._contested) == 1
