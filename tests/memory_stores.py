"""All stores in memory: quick, and without the surprises of a database."""

from __future__ import annotations

from goim.app.storage import Stores
from goim.blobs.memory import MemoryBlobs
from goim.stores.base_search import NumberedIndex
from goim.stores.memory_data import MemoryData
from goim.stores.memory_log import MemoryChanges, MemoryConvDeletes, MemoryMessages, MemoryPending
from goim.stores.memory_mailbox import MemoryMailbox
from goim.stores.memory_outbox import MemoryFeedMarks, MemoryLogScan, MemoryOutbox
from goim.stores.memory_search import MemoryLogTail, MemorySearchIndex
from tests.contract import structured_stores


def memory_stores() -> Stores:
    """Everything in memory, each port with its twin."""
    data, messages = MemoryData(), MemoryMessages()
    return Stores(
        **vars(structured_stores.memory_stores(data)),
        messages=messages,
        changes=MemoryChanges(messages),
        deletes=MemoryConvDeletes(),
        pending=MemoryPending(),
        mailbox=MemoryMailbox(),
        blobs=MemoryBlobs(),
        numbered=NumberedIndex(MemoryLogTail(messages), MemorySearchIndex()),
        words=None,
        turns=None,
        outbox=MemoryOutbox(),
        feed_marks=MemoryFeedMarks(),
        log_scan=MemoryLogScan(messages),
    )
