"""Opens what survives: the only place that knows which adapter stands behind which port of the stores."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from goim.app.databases import Database
from goim.app.mysql_storage import data_dsn, log_dsn, open_mysql
from goim.blobs.base import Blobs
from goim.blobs.local import LocalBlobs
from goim.blobs.s3 import Bucket, S3Blobs
from goim.config import Settings
from goim.resources import bundled
from goim.stores import base, base_log
from goim.stores.base_admissions import Admissions, NoticeBoard
from goim.stores.base_favourites import Favourites
from goim.stores.base_mailbox import Mailbox
from goim.stores.base_outbox import FeedMarks, LogScan, Outbox
from goim.stores.base_overview import Overview
from goim.stores.base_push import PushDevices
from goim.stores.base_search import NumberedIndex, SearchIndex
from goim.stores.base_words import WordIndex
from goim.stores.engine import SqlEngine
from goim.stores.migrate import Migrator
from goim.stores.rows import RowStore, SqlRows
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
from goim.stores.sql_turns import SqlTurns
from goim.stores.sql_words import SqlWordIndex
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
    numbered: NumberedIndex | None
    words: WordIndex | None
    turns: base_log.Turns | None
    outbox: Outbox
    feed_marks: FeedMarks
    log_scan: LogScan
    push_devices: PushDevices

    @property
    def index(self) -> SearchIndex | WordIndex:
        """The index of words: every log has one of the two."""
        if self.words is not None:
            return self.words
        assert self.numbered is not None
        return self.numbered.words

    async def data_answers(self) -> None:
        """Ask the structured store for a sign of life."""
        await self.users.by_ids(["nobody"])

    async def messages_answer(self) -> None:
        """Ask the log for one."""
        await self.messages.last_seqs(["nothing"])


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPorts:
    """What the message log's database stands behind."""

    messages: base_log.MessageTable
    changes: base_log.Changes
    deletes: base_log.ConvDeletes
    pending: base_log.Pending
    log_scan: LogScan
    rows: RowStore
    turns: base_log.Turns | None = None
    numbered: NumberedIndex | None = None
    words: WordIndex | None = None
    """The index of words, where the log's rows have no numbers to go on from."""


@contextlib.asynccontextmanager
async def open_databases(settings: Settings) -> AsyncIterator[tuple[Database, ...]]:
    """Every database that the settings name, nothing migrated."""
    async with _open_data(settings) as (_, data), _open_log(settings) as (_, others):
        yield (data, *others)


@contextlib.asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """The stores in the databases that the settings name, each with the schema of this version."""
    async with _open_data(settings) as (data, database), _open_log(settings) as (log, others):
        for each in (database, *others):
            await each.bring_up()
        yield Stores(
            users=SqlUsers(data),
            sessions=SqlSessions(data),
            friends=SqlFriends(data),
            blocks=SqlBlocks(data),
            groups=SqlGroups(data),
            members=SqlMembers(data),
            conversations=SqlConversations(data),
            receipts=SqlReceipts(data),
            messages=log.messages,
            changes=log.changes,
            deletes=log.deletes,
            pending=log.pending,
            mailbox=SqlMailbox(data),
            files=SqlFiles(data),
            grants=SqlGrants(data),
            blobs=blobs_of(settings),
            admissions=SqlAdmissions(data),
            notice_board=SqlNoticeBoard(data),
            favourites=SqlFavourites(data),
            overview=SqlOverview(data),
            numbered=log.numbered,
            words=log.words,
            turns=log.turns,
            outbox=SqlOutbox(data),
            feed_marks=SqlFeedMarks(data),
            log_scan=log.log_scan,
            push_devices=SqlPushDevices(data),
        )


@contextlib.asynccontextmanager
async def open_rows(settings: Settings) -> AsyncIterator[tuple[RowStore, RowStore]]:
    """The tables of structured data and of the log, with the schema of this version: to be copied from or to."""
    async with _open_data(settings) as (data, database), _open_log(settings) as (log, others):
        for each in (database, *others):
            await each.bring_up()
        yield SqlRows(data), log.rows


@contextlib.asynccontextmanager
async def _open_data(settings: Settings) -> AsyncIterator[tuple[SqlEngine, Database]]:
    """Structured data."""
    dsn = data_dsn(settings)
    if dsn is not None:
        async with open_mysql(settings, "data", dsn, "structured") as (server, database):
            yield server, database
        return
    async with SqliteEngine(_data_folder(settings) / "goim.db") as engine:
        yield engine, _sqlite_database("data", engine, "structured")


@contextlib.asynccontextmanager
async def _open_log(settings: Settings) -> AsyncIterator[tuple[LogPorts, tuple[Database, ...]]]:
    """The message log, and what is made of it."""
    opened = {
        "mongodb": _open_mongo_log,
        "mysql": _open_mysql_log,
        "tidb": _open_mysql_log,
        "sqlite": _open_sqlite_log,
    }
    async with opened[settings.message_db](settings) as log:
        yield log


@contextlib.asynccontextmanager
async def _open_mysql_log(settings: Settings) -> AsyncIterator[tuple[LogPorts, tuple[Database, ...]]]:
    dsn = log_dsn(settings)
    assert dsn is not None, "only what is of this family is opened here"
    # Connections of its own: no message waits for one that looks up something else.
    async with open_mysql(settings, "messages", dsn, "messages", "words") as (log, database):
        ports = LogPorts(
            messages=SqlMessages(log),
            changes=SqlChanges(log),
            deletes=SqlConvDeletes(log),
            pending=SqlPending(log),
            log_scan=SqlLogScan(log),
            rows=SqlRows(log),
            words=SqlWordIndex(log),
            turns=SqlTurns(log),
        )
        yield ports, (database,)


@contextlib.asynccontextmanager
async def _open_sqlite_log(settings: Settings) -> AsyncIterator[tuple[LogPorts, tuple[Database, ...]]]:
    folder = _data_folder(settings)
    async with (
        SqliteProcessEngine(folder / "messages.db", page_size=_LOG_PAGE_SIZE) as log,
        SqliteEngine(folder / "search.db", readers=1) as search,
    ):
        ports = LogPorts(
            messages=SqlMessages(log),
            changes=SqlChanges(log),
            deletes=SqlConvDeletes(log),
            pending=SqlPending(log),
            numbered=NumberedIndex(SqliteLogTail(log), SqliteSearchIndex(search)),
            log_scan=SqlLogScan(log),
            rows=SqlRows(log),
        )
        yield (
            ports,
            (_sqlite_database("messages", log, "messages"), _sqlite_database("search", search, "search")),
        )


@contextlib.asynccontextmanager
async def _open_mongo_log(settings: Settings) -> AsyncIterator[tuple[LogPorts, tuple[Database, ...]]]:
    from goim.stores import (  # its driver takes 0.2 s that others need not spend
        mongo,
        mongo_changes,
        mongo_migrate,
        mongo_rows,
    )

    async with (
        mongo.mongo_database(settings.mongo.uri.get_secret_value()) as log,
        _open_words(settings) as (words, words_database),
    ):
        ports = LogPorts(
            messages=mongo.MongoMessages(log),
            changes=mongo_changes.MongoChanges(log),
            deletes=mongo.MongoConvDeletes(log),
            pending=mongo.MongoPending(log),
            log_scan=mongo.MongoLogScan(log),
            rows=mongo_rows.MongoRows(log),
            words=SqlWordIndex(words),
        )
        database = Database(
            name="messages",
            migrator=mongo_migrate.MongoMigrator(log, bundled("schemas") / "mongodb"),
            version=partial(mongo.server_version, log),
            is_embedded=False,
        )
        yield ports, (database, words_database)


@contextlib.asynccontextmanager
async def _open_words(settings: Settings) -> AsyncIterator[tuple[SqlEngine, Database]]:
    """The index of words of a log that cannot hold it: where structured data is, on connections or in a file of its
    own, so that nothing waits for it."""
    dsn = data_dsn(settings)
    if dsn is not None:
        async with open_mysql(settings, "words", dsn, "words") as (server, database):
            yield server, database
        return
    async with SqliteEngine(_data_folder(settings) / "words.db", readers=1) as engine:
        yield engine, _sqlite_database("words", engine, "words")


def _data_folder(settings: Settings) -> Path:
    folder = settings.server.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sqlite_database(name: str, engine: SqlEngine, part: str) -> Database:
    async def version() -> str:
        return str((await engine.fetch_rows("SELECT 'SQLite ' || sqlite_version()"))[0][0])

    return Database(name=name, migrator=Migrator(engine, bundled("schemas") / "sqlite", {part}), version=version)


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
