"""What the in-memory stores keep, in one place because erasing, joining and creating reach across several of them.

The methods of those stores never await, so each runs as one step of the event loop: that is what makes them atomic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from goim.model.conversations import Conversation, Entry, Receipt
from goim.model.favourites import Favourite
from goim.model.files import Grant, StoredFile
from goim.model.groups import Group, GroupNotice, Invitation, JoinRequest, Member
from goim.model.push import PushDevice
from goim.model.users import Device, Session, User


class Half(NamedTuple):
    """One side's wish to be friends."""

    remark: str
    at: int


class MemoryData:
    """Every structured table as a dict; pairs are keyed as the tables are."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.sessions: dict[str, Session] = {}
        self.devices: dict[tuple[str, str], Device] = {}
        self.halves: dict[tuple[str, str], Half] = {}
        self.blocks: dict[tuple[str, str], int] = {}
        self.groups: dict[str, Group] = {}
        self.members: defaultdict[str, dict[str, Member]] = defaultdict(dict)
        self.conversations: dict[str, Conversation] = {}
        self.by_subject: dict[str, Conversation] = {}
        self.entries: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self.receipts: defaultdict[str, dict[str, Receipt]] = defaultdict(dict)
        self.files: dict[str, StoredFile] = {}
        self.grants: dict[tuple[str, str, str, str], Grant] = {}
        self.kept_mutes: dict[tuple[str, str], int] = {}
        self.invitations: dict[tuple[str, str], Invitation] = {}
        self.requests: dict[tuple[str, str], JoinRequest] = {}
        self.notices: dict[str, GroupNotice] = {}
        self.push_devices: dict[tuple[str, str], PushDevice] = {}
        self.favourites: dict[tuple[str, str], Favourite] = {}

    def put_conversation(self, conv: Conversation) -> None:
        self.conversations[conv.conv_id] = self.by_subject[conv.subject] = conv

    def put_entry(self, user_id: str, conv: Conversation, updated_at: int) -> None:
        """List a conversation for somebody; a line that is there already stays as it is."""
        self.entries[conv.conv_id].setdefault(user_id, Entry(conv=conv, updated_at=updated_at))

    def raise_receipt(self, receipt: Receipt) -> None:
        """Keep the higher watermark; 0 is what everybody has anyway."""
        known = self.receipts[receipt.conv_id].get(receipt.user_id)
        if receipt.seq > (known.seq if known else 0):
            self.receipts[receipt.conv_id][receipt.user_id] = receipt

    def settle(self, group_id: str, user_ids: Iterable[str]) -> None:
        """These are invited no longer and ask no longer."""
        for user_id in user_ids:
            self.invitations.pop((group_id, user_id), None)
            self.requests.pop((group_id, user_id), None)

    def forget_admissions(self, *, group_id: str | None = None, user_id: str | None = None) -> None:
        """Forget whatever a group or a person has to do with invitations, requests and mutes that outlived a leave."""
        known = {**self.invitations, **self.requests, **self.kept_mutes}
        for group, user in [key for key in known if key[0] == group_id or key[1] == user_id]:
            self.settle(group, [user])
            self.kept_mutes.pop((group, user), None)
        self.notices = {name: each for name, each in self.notices.items() if each.group_id != group_id}
