"""Opens what survives: the only place that knows which adapter stands behind which port of the stores."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from goim.blobs.base import Blobs
from goim.blobs.local import LocalBlobs
from goim.blobs.s3 import Bucket, S3Blobs
from goim.config import Settings
from goim.resources import bundled
from goim.stores import base, base_log
from goim.stores.admissions import Admissions, NoticeBoard
from goim.stores.engine import SqlEngine
from goim.stores.favourites import Favourites
from goim.stores.mailbox import Mailbox
from goim.stores.migrate import Migrator
from goim.stores.outbox import FeedMarks, LogScan, Outbox
from goim.stores.overview import Overview
from goim.stores.push import PushDevices
from goim.stores.search import LogTail, SearchIndex
from goim.stores.sql import SqlChanges, SqlConvDeletes, SqlMessages, SqlPending
from goim.stores.sql_accounts import SqlSessions, SqlUsers
from goim.stores.sql_admissions import SqlAdmissions, SqlNoticeBoard
from goim.stores.sql_conversations import SqlConversations, SqlReceipts
from goim.stores.sql_favourites import SqlFavourites
from goim.stores.sql_files import SqlFiles, SqlGrants
from goim.stores.sql_friends import SqlBlocks, SqlFriends
from goim.stores.sql_groups import SqlGroups, SqlMembers
from goim.stores.sql_mailbox import SqlMailbox
from goim.stores.sql_outbox import SqlFeedMarks, SqlLogScan, SqlOutbox
from goim.stores.sql_overview import SqlOverview
from goim.stores.sql_push import SqlPushDevices
from goim.stores.sqlite import SqliteEngine
from goim.stores.sqlite_process import SqliteProcessEngine
from goim.stores.sqlite_search import SqliteLogTail, SqliteSearchIndex

_LOG_PAGE_SIZE = 2048  # measured: a batch touches many pages of the two indexes, small ones make less to write


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """Everything that survives, behind its ports."""

    users: base.Users
    sessions: base.Sessions
    friends: base.Friends
    blocks: base.Blocks
    groups: base.Groups
    members: base.Members
    conversations: base.Conversations
    receipts: base.Receipts
    messages: base_log.MessageTable
    changes: base_log.Changes
    deletes: base_log.ConvDeletes
    pending: base_log.Pending
    mailbox: Mailbox
    files: base.Files
    grants: base.Grants
    blobs: Blobs
    admissions: Admissions
    notice_board: NoticeBoard
    favourites: Favourites
    overview: Overview
    tail: LogTail
    search: SearchIndex
    outbox: Outbox
    feed_marks: FeedMarks
    log_scan: LogScan
    push_devices: PushDevices

    async def data_answers(self) -> None:
        """Ask the structured store for a sign of life."""
        await self.users.by_ids(["nobody"])

    async def messages_answer(self) -> None:
        """Ask the log for one."""
        await self.messages.last_seqs(["nothing"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """An open database and the schema it should have; `version` is the query that asks for its product and version."""

    name: str
    engine: SqlEngine
    migrator: Migrator
    version: str = "SELECT 'SQLite ' || sqlite_version()"


@contextlib.asynccontextmanager
async def open_databases(settings: Settings) -> AsyncIterator[tuple[Database, Database, Database]]:
    """Structured data, the message log and the index of its words: files under the data folder, nothing migrated."""
    folder = settings.server.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    async with (
        SqliteEngine(folder / "goim.db") as data,
        SqliteProcessEngine(folder / "messages.db", page_size=_LOG_PAGE_SIZE) as log,
        SqliteEngine(folder / "search.db", readers=1) as search,
    ):
        schema = bundled("schemas") / "sqlite"
        yield (
            Database(name="data", engine=data, migrator=Migrator(data, schema, {"structured"})),
            Database(name="messages", engine=log, migrator=Migrator(log, schema, {"messages"})),
            Database(name="search", engine=search, migrator=Migrator(search, schema, {"search"})),
        )


@contextlib.asynccontextmanager
async def sqlite_stores(settings: Settings) -> AsyncIterator[Stores]:
    """The stores of the embedded default, their schema brought up to date."""
    async with open_databases(settings) as databases:
        for database in databases:
            await database.migrator.up()
        data, log, search = (database.engine for database in databases)
        assert isinstance(search, SqliteEngine), "the index is one of FTS5"
        yield Stores(
            users=SqlUsers(data),
            sessions=SqlSessions(data),
            friends=SqlFriends(data),
            blocks=SqlBlocks(data),
            groups=SqlGroups(data),
            members=SqlMembers(data),
            conversations=SqlConversations(data),
            receipts=SqlReceipts(data),
            messages=SqlMessages(log),
            changes=SqlChanges(log),
            deletes=SqlConvDeletes(log),
            pending=SqlPending(log),
            mailbox=SqlMailbox(data),
            files=SqlFiles(data),
            grants=SqlGrants(data),
            blobs=blobs_of(settings),
            admissions=SqlAdmissions(data),
            notice_board=SqlNoticeBoard(data),
            favourites=SqlFavourites(data),
            overview=SqlOverview(data),
            tail=SqliteLogTail(log),
            search=SqliteSearchIndex(search),
            outbox=SqlOutbox(data),
            feed_marks=SqlFeedMarks(data),
            log_scan=SqlLogScan(log),
            push_devices=SqlPushDevices(data),
        )


def blobs_of(settings: Settings) -> Blobs:
    """Where the bytes of files are: a bucket if one is configured, else a folder."""
    files = settings.files
    if not files.s3_bucket:
        return LocalBlobs(settings.server.data_dir / "files")
    return S3Blobs(
        Bucket(
            name=files.s3_bucket,
            endpoint=files.s3_endpoint,
            region=files.s3_region,
            key=files.s3_key,
            secret=files.s3_secret.get_secret_value(),
            prefix=files.s3_prefix,
        )
    )
