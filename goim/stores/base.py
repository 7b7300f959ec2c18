"""The ports of everything that must survive: what each promises, whoever keeps the promise.

Shared by all: a method is atomic (all of it stands or none), may be called from many tasks at once, and raises
`StoreDown` when the database cannot be reached. What a method does not find it answers with None or leaves out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from goim.model.conversations import Activity, Conversation, Entry, Receipt
from goim.model.files import FileStats, Grant, StoredFile
from goim.model.groups import Group, Member
from goim.model.messages import SentKey
from goim.model.users import Block, Device, Friend, Session, User

UserIds = set[str]
"""By this name where a class has a method called `set`."""


class Taken(Exception):
    """A unique key of what was to be stored is taken already; nothing of it was stored."""


class Users(Protocol):
    """Accounts."""

    async def add(self, user: User) -> None:
        """Store a new account; `Taken` if its username is in use in whatever case."""
        ...

    async def get(self, user_id: str) -> User | None: ...

    async def by_username(self, username: str) -> User | None:
        """Find by username, whatever its case."""
        ...

    async def by_ids(self, user_ids: Collection[str]) -> dict[str, User]: ...

    async def update(self, user_id: str, changes: Mapping[str, Any]) -> User | None:
        """Set fields of an account (field names of `User`) and return what it is now."""
        ...

    async def change_password(self, user_id: str, was: str, becomes: str) -> bool:
        """Replace the hash of a password if it is still `was`; of two at once only one succeeds."""
        ...

    async def search(self, query: str, limit: int, among: int) -> list[User]:
        """Enabled accounts whose username begins with `query` (any case), then those whose nickname does, each by that
        name; then, by username, those of the last `among` accounts that have it anywhere in a name. Each once."""
        ...

    async def erase(self, user_id: str) -> None:
        """Delete the account with its sessions, devices, friendships and blocks; its username is free again."""
        ...


class Sessions(Protocol):
    """Logins and the devices they were used from."""

    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: str) -> Session | None: ...

    async def rotate(self, session_id: str, spent_hash: str, new_hash: str, expires_at: int) -> bool:
        """Replace the refresh token if `spent_hash` is the current one; of two at once only one succeeds."""
        ...

    async def of_user(self, user_id: str) -> list[Session]: ...

    async def end(self, session_ids: Collection[str]) -> None:
        """Delete sessions; those that do not exist are ignored."""
        ...

    async def living(self, session_ids: Collection[str]) -> dict[str, Session]:
        """Those of these sessions that are there and whose user is, and is not disabled."""
        ...

    async def seen(self, devices: Sequence[Device]) -> None:
        """Remember devices (insert, or replace what is known of the same user and device)."""
        ...

    async def devices(self, user_ids: Collection[str]) -> list[Device]:
        """What is known of the devices of these users, latest first."""
        ...

    async def forget_device(self, user_id: str, device_id: str) -> None: ...


class Added(NamedTuple):
    """A half of mine: whether it is new, and whether theirs was there when it came."""

    is_new: bool
    is_mutual: bool


class Friends(Protocol):
    """Halves of friendships: (A, B) says that A wants B; both halves make friends."""

    async def add_half(self, user_id: str, friend_id: str, remark: str | None, at: int) -> Added:
        """Store my half. A remark that is not None replaces an earlier one.

        Of two who add theirs at once, on whatever nodes, one finds the other's there.
        """
        ...

    async def halves(self, user_id: str, friend_id: str) -> tuple[bool, bool]:
        """Whether there is (my half, their half)."""
        ...

    async def remove(self, user_id: str, friend_id: str) -> bool:
        """Remove both halves; True if there was any."""
        ...

    async def set_remark(self, user_id: str, friend_id: str, remark: str) -> bool:
        """Set what I call a friend; False if there is no half of mine."""
        ...

    async def friends(self, user_id: str, limit: int, offset: int) -> list[Friend]:
        """Both halves present, earliest first; the remark is mine."""
        ...

    async def requests(self, user_id: str, limit: int, offset: int) -> list[Friend]:
        """People whose half waits for mine, earliest first; the remark is theirs."""
        ...

    async def friend_ids(self, user_id: str) -> list[str]:
        """Everybody I am friends with."""
        ...

    async def friend_ids_of(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        """Everybody each of these is friends with, in one query; those without friends are left out."""
        ...


class Blocks(Protocol):
    """Who does not want to hear from whom."""

    async def add(self, user_id: str, blocked_id: str, at: int) -> None:
        """Blocking twice keeps the first time."""
        ...

    async def remove(self, user_id: str, blocked_id: str) -> None: ...

    async def page(self, user_id: str, limit: int, offset: int) -> list[Block]:
        """Whom I block, earliest first."""
        ...

    async def is_between(self, one: str, other: str) -> bool:
        """Whether either of the two blocks the other."""
        ...

    async def ids_around(self, user_id: str) -> set[str]:
        """Everybody whom I block or who blocks me."""
        ...

    async def ids_around_each(self, user_ids: Collection[str]) -> dict[str, set[str]]:
        """The same for several people in one query; those with nobody around are left out."""
        ...


class Groups(Protocol):
    """Groups themselves."""

    async def create(self, group: Group, members: Sequence[Member]) -> None:
        """Store the group, its members, its conversation and a list entry for each member (`updated_at` =
        created_at)."""
        ...

    async def get(self, group_id: str) -> Group | None: ...

    async def by_ids(self, group_ids: Collection[str]) -> dict[str, Group]: ...

    async def update(self, group_id: str, changes: Mapping[str, Any]) -> Group | None:
        """Set `name`, `avatar_url`, `join_policy` or `muted` and return what it is now."""
        ...

    async def disband(self, group_id: str, *, if_alone: bool = False) -> bool:
        """Delete the group, its members, their list entries and receipts; False if there is none.

        `if_alone`: only one with a single member, else False. Its conversation's row and messages stay, unreachable.
        """
        ...

    async def of_user(self, user_id: str, limit: int, offset: int) -> list[tuple[Group, Member]]:
        """My groups with my membership, by group_id."""
        ...

    async def ids_of_users(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        """The ids of all groups of each of these users that is in any."""
        ...


class Members(Protocol):
    """Who is in a group."""

    async def get(self, group_id: str, user_id: str) -> Member | None: ...

    async def page(self, group_id: str, after: str, limit: int) -> list[Member]:
        """Members with a user_id after `after`, by user_id."""
        ...

    async def add(self, group_id: str, members: Sequence[Member], read_seq: int) -> list[str]:
        """Let people in, with list entry and a receipt at `read_seq`; returns who was not in already (others stay
        as they are). Who left with a mute comes back with it."""
        ...

    async def remove(self, group_id: str, user_id: str) -> bool:
        """Take somebody out with list entry and receipt; False if not in, or its owner: a group always has one."""
        ...

    async def set(self, group_id: str, user_id: str, changes: Mapping[str, Any]) -> Member | None:
        """Set `role` (not owner) or `mute_until`; None if not in, or its owner, above whom there is nobody."""
        ...

    async def hand_over(self, group_id: str, owner_id: str, new_owner_id: str) -> bool:
        """Make another member the owner, no longer muted, and the owner an admin; False if either is not what the
        call says."""
        ...

    async def among(self, group_id: str, user_ids: Collection[str]) -> UserIds:
        """Which of these are members."""
        ...

    async def share_a_group(self, user_id: str, user_ids: Collection[str]) -> UserIds:
        """Which of these are in any group together with `user_id`."""
        ...


class Conversations(Protocol):
    """Which conversations there are, and the line each member has of them in their list."""

    async def get(self, conv_id: str) -> Conversation | None: ...

    async def by_subject(self, subject: str) -> Conversation | None:
        """The conversation of a pair or group (see `Conversation.subject`)."""
        ...

    async def create(self, conv: Conversation) -> Conversation:
        """Store a pair's conversation with a list entry for both and return it; of two at once for a pair both get
        the first.

        `Taken` if the conv_id belongs to another pair.
        """
        ...

    async def entries(self, user_id: str, before: tuple[bool, int, str] | None, limit: int) -> list[Entry]:
        """Entries with `updated_at` > 0: pinned first, then latest, then greatest conv_id; `before` is such a
        triple to go on after."""
        ...

    async def entry(self, user_id: str, conv_id: str) -> Entry | None: ...

    async def set_entry(self, user_id: str, conv_id: str, changes: Mapping[str, Any]) -> None:
        """Set `pinned`, `muted`, `draft` or `updated_at` of an entry that exists."""
        ...

    async def bump(self, activities: Sequence[Activity]) -> None:
        """Raise `updated_at` of existing entries; it never falls by this."""
        ...

    async def active_since(self, user_ids: Collection[str], at: int) -> list[Conversation]:
        """Conversations that moved in the list of any of these users at a time or later, each once."""
        ...

    async def bump_members(self, conv_id: str, at: int, after: str, limit: int) -> list[str]:
        """The same for the first `limit` people, by user id, after `after` who have an entry of it: who they are."""
        ...


class Receipts(Protocol):
    """How far everybody has read."""

    async def advance(self, receipts: Sequence[Receipt]) -> None:
        """Raise watermarks; a lower one changes nothing, not even the time."""
        ...

    async def of(self, readers: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The watermarks of these, each by (conv_id, user_id); 0 is left out."""
        ...

    async def of_conversation(self, conv_id: str) -> list[Receipt]:
        """Everybody's watermark in one conversation."""
        ...


class Files(Protocol):
    """What is known of uploaded files; their bytes are in the blobs."""

    async def add(self, file: StoredFile) -> None:
        """Store a new file; `Taken` if its id is."""
        ...

    async def get(self, file_id: str) -> StoredFile | None: ...

    async def known(self, file_ids: Collection[str]) -> set[str]:
        """Which of these there are."""
        ...

    async def page(self, owner_id: str | None, limit: int, offset: int) -> list[StoredFile]:
        """Somebody's files, or everybody's, latest first."""
        ...

    async def delete(self, file_ids: Collection[str]) -> None:
        """Delete files with what was granted on them; those that do not exist are ignored."""
        ...

    async def expired(self, now_ms: int, created_before: int, limit: int) -> list[StoredFile]:
        """Files that expired by now, or were made before that time, in no order."""
        ...

    async def stats(self) -> FileStats: ...


class Grants(Protocol):
    """By which messages a file was sent where: the members may read it, as long as they are members.

    What is granted to `model.files.EVERYBODY` instead of a conversation, everybody may read; what is granted to
    `model.files.kept_by` somebody, they may.
    """

    async def readable(self, claims: Collection[tuple[str, str]], now_ms: int) -> set[tuple[str, str]]:
        """Which of these (user_id, file_id) are one's own file, or one sent in a conversation that one is in by a
        message whose right has not ended at `now_ms`, or kept by oneself, or everybody's."""
        ...

    async def grant(self, grants: Collection[Grant]) -> None:
        """Remember these: the same message again changes nothing, and of a file that is gone nothing is kept."""
        ...

    async def withdraw(self, keys: Collection[SentKey]) -> None:
        """Take away what these messages gave, and nothing that another one gave, too. Twice is once."""
        ...

    async def withdraw_of(self, user_id: str) -> None:
        """Take away what all messages of somebody gave."""
        ...
