"""All stores in memory: quick, and without the surprises of a database."""

from __future__ import annotations

from goim.app.storage import Stores
from goim.blobs.memory import MemoryBlobs
from goim.stores.base_search import NumberedIndex
from goim.stores.memory_accounts import MemorySessions, MemoryUsers
from goim.stores.memory_admissions import MemoryAdmissions, MemoryNoticeBoard
from goim.stores.memory_conversations import MemoryConversations, MemoryReceipts
from goim.stores.memory_data import MemoryData
from goim.stores.memory_favourites import MemoryFavourites
from goim.stores.memory_files import MemoryFiles, MemoryGrants
from goim.stores.memory_friends import MemoryBlocks, MemoryFriends
from goim.stores.memory_groups import MemoryGroups, MemoryMembers
from goim.stores.memory_log import MemoryChanges, MemoryConvDeletes, MemoryMessages, MemoryPending
from goim.stores.memory_mailbox import MemoryMailbox
from goim.stores.memory_outbox import MemoryFeedMarks, MemoryLogScan, MemoryOutbox
from goim.stores.memory_overview import MemoryOverview
from goim.stores.memory_push import MemoryPushDevices
from goim.stores.memory_search import MemoryLogTail, MemorySearchIndex


def memory_stores() -> Stores:
    """Everything in memory, each port with its twin."""
    data, messages = MemoryData(), MemoryMessages()
    return Stores(
        users=MemoryUsers(data),
        favourites=MemoryFavourites(data),
        sessions=MemorySessions(data),
        friends=MemoryFriends(data),
        blocks=MemoryBlocks(data),
        groups=MemoryGroups(data),
        members=MemoryMembers(data),
        conversations=MemoryConversations(data),
        receipts=MemoryReceipts(data),
        messages=messages,
        changes=MemoryChanges(messages),
        deletes=MemoryConvDeletes(),
        pending=MemoryPending(),
        mailbox=MemoryMailbox(),
        files=MemoryFiles(data),
        grants=MemoryGrants(data),
        blobs=MemoryBlobs(),
        admissions=MemoryAdmissions(data),
        notice_board=MemoryNoticeBoard(data),
        numbered=NumberedIndex(MemoryLogTail(messages), MemorySearchIndex()),
        words=None,
        turns=None,
        overview=MemoryOverview(data),
        outbox=MemoryOutbox(),
        feed_marks=MemoryFeedMarks(),
        log_scan=MemoryLogScan(messages),
        push_devices=MemoryPushDevices(data),
    )
