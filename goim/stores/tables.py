"""The structured tables as Piccolo sees them; the files in `schemas/` create them, and a test compares the two.

Piccolo knows no keys of several columns: such a table names one column of it as its primary key and the whole key as
the constraint `whole_key`. So nothing here may be saved or removed as an object, only by queries with a full `where`.
"""

from __future__ import annotations

from piccolo.columns import BigInt, Boolean, Bytea, Integer, Text, Varchar
from piccolo.constraints import Unique
from piccolo.table import Table

from goim.stores.engine import ROUTED


class UserTable(Table, tablename="im_users", db=ROUTED):
    """Accounts. The `_key` columns are lower-cased twins, to find and compare by whatever the case."""

    user_id = Varchar(length=64, primary_key=True)
    username = Varchar(length=64)
    username_key = Varchar(length=64, unique=True)
    nickname = Varchar(length=255)
    nickname_key = Varchar(length=255)
    avatar_url = Varchar(length=1024)
    password_hash = Varchar(length=255, secret=True)
    is_admin = Boolean()
    is_disabled = Boolean()
    created_at = BigInt()


class SessionTable(Table, tablename="im_sessions", db=ROUTED):
    """Logins."""

    session_id = Varchar(length=64, primary_key=True)
    user_id = Varchar(length=64)
    device_id = Varchar(length=128, null=True, default=None)
    refresh_hash = Varchar(length=128, secret=True)
    created_at = BigInt()
    expires_at = BigInt()


class DeviceTable(Table, tablename="im_devices", db=ROUTED):
    """What is remembered of devices."""

    user_id = Varchar(length=64, primary_key=True)
    device_id = Varchar(length=128)
    session_id = Varchar(length=64)
    transport = Varchar(length=16)
    connected_at = BigInt()
    last_seen = BigInt()

    whole_key = Unique([user_id, device_id])


class FriendTable(Table, tablename="im_friends", db=ROUTED):
    """Halves of friendships."""

    user_id = Varchar(length=64, primary_key=True)
    friend_id = Varchar(length=64)
    remark = Varchar(length=255)
    created_at = BigInt()

    whole_key = Unique([user_id, friend_id])


class BlockTable(Table, tablename="im_blocks", db=ROUTED):
    """Who blocks whom."""

    user_id = Varchar(length=64, primary_key=True)
    blocked_id = Varchar(length=64)
    created_at = BigInt()

    whole_key = Unique([user_id, blocked_id])


class GroupTable(Table, tablename="im_groups", db=ROUTED):
    """Groups."""

    group_id = Varchar(length=64, primary_key=True)
    name = Varchar(length=255)
    avatar_url = Varchar(length=1024)
    owner_id = Varchar(length=64)
    join_policy = Varchar(length=16)
    muted = Boolean()
    member_count = Integer()
    created_at = BigInt()


class MemberTable(Table, tablename="im_group_members", db=ROUTED):
    """Who is in which group."""

    group_id = Varchar(length=64, primary_key=True)
    user_id = Varchar(length=64)
    role = Varchar(length=16)
    mute_until = BigInt()
    joined_at = BigInt()

    whole_key = Unique([group_id, user_id])


class KeptMuteTable(Table, tablename="group_mutes", db=ROUTED):
    """Until when somebody who has left a group is muted there."""

    group_id = Varchar(length=64, primary_key=True)
    user_id = Varchar(length=64)
    mute_until = BigInt()

    whole_key = Unique([group_id, user_id])


class ConversationTable(Table, tablename="im_conversations", db=ROUTED):
    """Conversations; `subject` is the pair or the group."""

    conv_id = Varchar(length=140, primary_key=True)
    subject = Varchar(length=140, unique=True)
    conv_type = Varchar(length=16)
    user_a = Varchar(length=64)
    user_b = Varchar(length=64)
    group_id = Varchar(length=64)
    conv_key = Varchar(length=32)
    created_at = BigInt()


class EntryTable(Table, tablename="user_conversations", db=ROUTED):
    """The lines of everybody's conversation list."""

    user_id = Varchar(length=64, primary_key=True)
    conv_id = Varchar(length=140)
    pinned = Boolean()
    muted = Boolean()
    draft = Text()
    updated_at = BigInt()

    whole_key = Unique([user_id, conv_id])


class ReceiptTable(Table, tablename="read_receipts", db=ROUTED):
    """How far everybody has read."""

    conv_id = Varchar(length=140, primary_key=True)
    user_id = Varchar(length=64)
    seq = BigInt()
    read_at = BigInt()

    whole_key = Unique([conv_id, user_id])


class FileTable(Table, tablename="im_files", db=ROUTED):
    """Uploaded files."""

    file_id = Varchar(length=64, primary_key=True)
    owner_id = Varchar(length=64)
    path = Varchar(length=255)
    name = Varchar(length=255)
    size = BigInt()
    mime_type = Varchar(length=128)
    width = Integer(null=True, default=None)
    height = Integer(null=True, default=None)
    thumbnail = Varchar(length=255)
    created_at = BigInt()
    expires_at = BigInt(null=True, default=None)


class FileGrantTable(Table, tablename="file_grants", db=ROUTED):
    """In which conversations a file was sent, by which messages ("": nobody knows), and until when they give it."""

    file_id = Varchar(length=64, primary_key=True)
    conv_id = Varchar(length=140)
    from_user_id = Varchar(length=64)
    client_msg_id = Varchar(length=128)
    ends_at = BigInt(null=True, default=None)

    whole_key = Unique([file_id, conv_id, from_user_id, client_msg_id])


class LetterTable(Table, tablename="im_letters", db=ROUTED):
    """What processes without a bus between them tell each other."""

    letter_id = BigInt(primary_key=True)
    topic = Varchar(length=140)
    body = Bytea()
    posted_at = BigInt()


class InvitationTable(Table, tablename="group_invitations", db=ROUTED):
    """Who is wanted in which group."""

    group_id = Varchar(length=64, primary_key=True)
    user_id = Varchar(length=64)
    invited_by = Varchar(length=64)
    created_at = BigInt()

    whole_key = Unique([group_id, user_id])


class JoinRequestTable(Table, tablename="group_requests", db=ROUTED):
    """Who wants into which group."""

    group_id = Varchar(length=64, primary_key=True)
    user_id = Varchar(length=64)
    created_at = BigInt()

    whole_key = Unique([group_id, user_id])


class NoticeTable(Table, tablename="group_notices", db=ROUTED):
    """What the members of groups should know."""

    notice_id = Varchar(length=64, primary_key=True)
    group_id = Varchar(length=64)
    title = Varchar(length=255)
    content = Text()
    created_by = Varchar(length=64)
    created_at = BigInt()


class FavouriteTable(Table, tablename="favourites", db=ROUTED):
    """What people keep for themselves."""

    user_id = Varchar(length=64, primary_key=True)
    favourite_id = Varchar(length=64)
    type = Varchar(length=16)
    conv_id = Varchar(length=140)
    title = Varchar(length=255)
    content = Text()
    message = Text(null=True, default=None)
    search_key = Text()
    created_at = BigInt()

    whole_key = Unique([user_id, favourite_id])


class FavouriteTagTable(Table, tablename="favourite_tags", db=ROUTED):
    """The tags of favourites, each in its place."""

    user_id = Varchar(length=64, primary_key=True)
    tag = Varchar(length=64)
    favourite_id = Varchar(length=64)
    place = Integer()

    whole_key = Unique([user_id, tag, favourite_id])


class OutboxTable(Table, tablename="outbox", db=ROUTED):
    """What is to be sent to other servers."""

    event_id = Varchar(length=160, primary_key=True)
    lane = Varchar(length=64)
    target = Varchar(length=200)
    type = Varchar(length=64)
    body = Text()
    made_at = BigInt()
    due_at = BigInt()
    attempts = Integer()
    state = Integer()
    claim = Varchar(length=64)
    problem = Varchar(length=255)

    whole_key = Unique([event_id, lane, target])


class FeedMarkTable(Table, tablename="outbox_feeds", db=ROUTED):
    """How far each node is with putting its messages into the outbox."""

    node_id = Varchar(length=64, primary_key=True)
    safe_at = BigInt()
    seen_at = BigInt()


class PushDeviceTable(Table, tablename="push_devices", db=ROUTED):
    """Devices that want to hear of messages while they are not connected."""

    user_id = Varchar(length=64, primary_key=True)
    device_id = Varchar(length=128)
    session_id = Varchar(length=64)
    kind = Varchar(length=16)
    address = Text(secret=True)
    address_key = Varchar(length=64, unique=True)
    p256dh = Varchar(length=128)
    auth = Varchar(length=64, secret=True)
    provider = Varchar(length=64)
    created_at = BigInt()

    whole_key = Unique([user_id, device_id])


STRUCTURED_TABLES: tuple[type[Table], ...] = (
    UserTable,
    SessionTable,
    DeviceTable,
    FriendTable,
    BlockTable,
    GroupTable,
    MemberTable,
    KeptMuteTable,
    ConversationTable,
    EntryTable,
    ReceiptTable,
    FileTable,
    FileGrantTable,
    LetterTable,
    InvitationTable,
    JoinRequestTable,
    NoticeTable,
    FavouriteTable,
    FavouriteTagTable,
    OutboxTable,
    FeedMarkTable,
    PushDeviceTable,
)
