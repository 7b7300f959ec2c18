"""The structured stores on every database they must behave the same on."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from goim.stores.base import Blocks, Conversations, Files, Friends, Grants, Groups, Members, Receipts, Sessions, Users
from goim.stores.base_admissions import Admissions, NoticeBoard
from goim.stores.base_favourites import Favourites
from goim.stores.base_overview import Overview
from goim.stores.base_push import PushDevices
from goim.stores.engine import SqlEngine
from goim.stores.memory_accounts import MemorySessions, MemoryUsers
from goim.stores.memory_admissions import MemoryAdmissions, MemoryNoticeBoard
from goim.stores.memory_conversations import MemoryConversations, MemoryReceipts
from goim.stores.memory_data import MemoryData
from goim.stores.memory_favourites import MemoryFavourites
from goim.stores.memory_files import MemoryFiles, MemoryGrants
from goim.stores.memory_friends import MemoryBlocks, MemoryFriends
from goim.stores.memory_groups import MemoryGroups, MemoryMembers
from goim.stores.memory_overview import MemoryOverview
from goim.stores.memory_push import MemoryPushDevices
from goim.stores.mysql import MysqlEngine
from goim.stores.sql_accounts import SqlSessions, SqlUsers
from goim.stores.sql_admissions import SqlAdmissions, SqlNoticeBoard
from goim.stores.sql_conversations import SqlConversations, SqlReceipts
from goim.stores.sql_favourites import SqlFavourites
from goim.stores.sql_files import SqlFiles, SqlGrants
from goim.stores.sql_friends import SqlBlocks, SqlFriends
from goim.stores.sql_groups import SqlGroups, SqlMembers
from goim.stores.sql_overview import SqlOverview
from goim.stores.sql_push import SqlPushDevices
from goim.stores.sqlite import SqliteEngine

SQLITE_SCHEMA = Path(__file__).parents[2] / "schemas/sqlite"


@dataclass(frozen=True)
class Stores:
    """What one node works with."""

    users: Users
    sessions: Sessions
    friends: Friends
    blocks: Blocks
    groups: Groups
    members: Members
    conversations: Conversations
    receipts: Receipts
    files: Files
    grants: Grants
    admissions: Admissions
    notice_board: NoticeBoard
    favourites: Favourites
    push_devices: PushDevices
    overview: Overview


def memory_stores(data: MemoryData) -> Stores:
    return Stores(
        users=MemoryUsers(data),
        sessions=MemorySessions(data),
        friends=MemoryFriends(data),
        blocks=MemoryBlocks(data),
        groups=MemoryGroups(data),
        members=MemoryMembers(data),
        conversations=MemoryConversations(data),
        receipts=MemoryReceipts(data),
        files=MemoryFiles(data),
        grants=MemoryGrants(data),
        admissions=MemoryAdmissions(data),
        notice_board=MemoryNoticeBoard(data),
        favourites=MemoryFavourites(data),
        push_devices=MemoryPushDevices(data),
        overview=MemoryOverview(data),
    )


def sql_stores(engine: SqlEngine) -> Stores:
    return Stores(
        users=SqlUsers(engine),
        sessions=SqlSessions(engine),
        friends=SqlFriends(engine),
        blocks=SqlBlocks(engine),
        groups=SqlGroups(engine),
        members=SqlMembers(engine),
        conversations=SqlConversations(engine),
        receipts=SqlReceipts(engine),
        files=SqlFiles(engine),
        grants=SqlGrants(engine),
        admissions=SqlAdmissions(engine),
        notice_board=SqlNoticeBoard(engine),
        favourites=SqlFavourites(engine),
        push_devices=SqlPushDevices(engine),
        overview=SqlOverview(engine),
    )


def create_sqlite(path: Path) -> Path:
    """A file with the structured schema in it."""
    with closing(sqlite3.connect(path)) as connection:
        for script in sorted(SQLITE_SCHEMA.glob("*.sql")):
            text = script.read_text()
            if text.startswith("-- store: structured\n"):
                connection.executescript(text)
    return path


@pytest.fixture(name="nodes", params=["memory", "sqlite", "mysql"])
async def structured_nodes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Stores, Stores]]:
    """Two nodes on one database: what both do at once must end right."""
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            data = MemoryData()
            yield memory_stores(data), memory_stores(data)
        elif request.param == "mysql":
            dsn = await request.getfixturevalue("mysql_server").migrated("structured")
            nodes = [await stack.enter_async_context(MysqlEngine(dsn)) for _ in range(2)]
            yield sql_stores(nodes[0]), sql_stores(nodes[1])
        else:
            path = create_sqlite(tmp_path / "structured.db")
            one = await stack.enter_async_context(SqliteEngine(path))
            other = await stack.enter_async_context(SqliteEngine(path))
            yield sql_stores(one), sql_stores(other)


@pytest.fixture(name="stores")
def structured_stores(nodes: tuple[Stores, Stores]) -> Stores:
    """One node alone."""
    return nodes[0]
