"""What changes say of messages is said only while those may be read."""

from __future__ import annotations

from collections.abc import Sequence

from goim.model.messages import Change, seqs_told, without_words
from goim.stores.base_log import MessageTable


async def readable(
    table: MessageTable, conv_id: str, changes: Sequence[Change], now_ms: int, floor: int = 0
) -> list[Change]:
    """Changes as somebody sees them who may read above `floor`.

    They are read before it is asked what is gone: who asks after a recall is never told what it took back.
    """
    seqs = seqs_told(changes)
    above = {seq for seq in seqs if seq > floor}
    gone = await table.gone(conv_id, above, now_ms) if above else set()
    return without_words(changes, gone | (seqs - above))
