"""All services of one node by name: what actions and routes are handed."""

from __future__ import annotations

from dataclasses import dataclass

from goim.clock import Clock
from goim.config import Settings
from goim.delivery import Delivery
from goim.metrics import Metrics
from goim.services.access import AccessBook
from goim.services.accounts import Accounts
from goim.services.administration import Administration
from goim.services.calls import CallDesk
from goim.services.changes import ChangeDesk
from goim.services.conversations import ConversationList
from goim.services.devices import DeviceBook
from goim.services.favourites import FavouriteBook
from goim.services.file_resume import PartialUploads
from goim.services.files import FileDesk
from goim.services.friends import FriendBook
from goim.services.group_door import GroupDoor
from goim.services.group_notices import GroupNotices
from goim.services.groups import GroupDesk
from goim.services.history import History
from goim.services.ice import IceServers
from goim.services.messages import Messages
from goim.services.presence import PresenceBook
from goim.services.push_desk import PushDesk
from goim.services.readers import Readers
from goim.services.receipts import ReceiptBook
from goim.services.search import Search
from goim.services.sessions import SessionDesk
from goim.services.specials import Specials
from goim.services.streams import Streams
from goim.services.unread import Unread


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """Put together in `app/office.py`, the same for every request of a node."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    delivery: Delivery
    access: AccessBook
    accounts: Accounts
    sessions: SessionDesk
    devices: DeviceBook
    favourites: FavouriteBook
    friends: FriendBook
    groups: GroupDesk
    group_door: GroupDoor
    group_notices: GroupNotices
    conversations: ConversationList
    messages: Messages
    streams: Streams
    specials: Specials
    receipts: ReceiptBook
    readers: Readers
    changes: ChangeDesk
    history: History
    search: Search
    unread: Unread
    presence: PresenceBook
    files: FileDesk
    partial_uploads: PartialUploads
    calls: CallDesk
    ice: IceServers
    push: PushDesk
    administration: Administration
