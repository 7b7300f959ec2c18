"""What takes several statements stands as a whole or not at all: each table in turn refuses its part."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from goim.model.conversations import Receipt, c2c
from goim.model.favourites import Favourite, FavouriteType
from goim.model.groups import Group, GroupNotice, Member, Role
from goim.model.users import Device, Session, User
from goim.stores.sqlite import SqliteEngine
from goim.stores.tables import STRUCTURED_TABLES
from tests.contract.structured_stores import Stores, create_sqlite, sql_stores

Dump = dict[str, list[tuple[object, ...]]]
Act = Callable[[Stores], Awaitable[object]]

REFUSE = "BEGIN SELECT RAISE(ABORT, 'refused'); END"
REFUSED_UPDATES = {
    "im_groups": "WHEN NEW.member_count <> OLD.member_count OR NEW.owner_id <> OLD.owner_id",  # not the one that locks
    "user_conversations": "WHEN NEW.conv_id = 'group:g1'",  # the second statement of a bump
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(create_sqlite(tmp_path / "structured.db")) as opened:
        yield opened


@pytest.fixture
async def stores(engine: SqliteEngine) -> Stores:
    """A node whose tables all have something in them."""
    stores = sql_stores(engine)
    await stores.users.add(User(user_id="ann", username="ann", nickname="", password_hash="", created_at=1))
    await stores.sessions.add(
        Session(session_id="s1", user_id="ann", device_id=None, refresh_hash="", created_at=1, expires_at=2)
    )
    await stores.sessions.seen(
        [Device(user_id="ann", device_id="d", session_id="s1", transport="ws", connected_at=1, last_seen=1)]
    )
    await stores.friends.add_half("ann", "bob", None, 1)
    await stores.blocks.add("cleo", "ann", 1)
    await stores.groups.create(_group("g1"), [_member("g1", "ann", Role.OWNER), _member("g1", "bob")])
    await stores.conversations.create(c2c("ann", "bob", created_at=1))
    await stores.receipts.advance([Receipt(conv_id="group:g1", user_id="bob", seq=1, read_at=1)])
    await stores.admissions.invite("g1", ["ann", "bob", "cleo"], "ann", 1)
    for user_id in ("ann", "bob", "cleo"):
        await stores.admissions.ask("g1", user_id, 1)
    await stores.notice_board.add(
        GroupNotice(notice_id="n1", group_id="g1", title="", content="", created_by="ann", created_at=1)
    )
    await stores.favourites.add(_favourite("f1"), 9)
    return stores


def _favourite(favourite_id: str) -> Favourite:
    return Favourite(
        favourite_id=favourite_id,
        user_id="ann",
        type=FavouriteType.CUSTOM,
        title="",
        content="",
        tags=("x",),
        created_at=1,
    )


def _group(group_id: str) -> Group:
    return Group(group_id=group_id, name="", owner_id="ann", created_at=1)


def _member(group_id: str, user_id: str, role: Role = Role.MEMBER) -> Member:
    return Member(group_id=group_id, user_id=user_id, role=role, joined_at=1)


ACTS: dict[str, tuple[Act, tuple[str, ...]]] = {
    "create a group": (
        lambda stores: stores.groups.create(_group("g2"), [_member("g2", "ann", Role.OWNER)]),
        ("im_groups", "im_conversations", "im_group_members", "user_conversations"),
    ),
    "disband a group": (
        lambda stores: stores.groups.disband("g1"),
        (
            "im_groups",
            "im_group_members",
            "user_conversations",
            "read_receipts",
            "group_invitations",
            "group_requests",
            "group_notices",
        ),
    ),
    "let somebody in": (
        lambda stores: stores.members.add("g1", [_member("g1", "cleo")], 5),
        (
            "im_group_members",
            "user_conversations",
            "read_receipts",
            "im_groups",
            "group_invitations",
            "group_requests",
        ),
    ),
    "take somebody out": (
        lambda stores: stores.members.remove("g1", "bob"),
        (
            "im_group_members",
            "im_groups",
            "user_conversations",
            "read_receipts",
            "group_invitations",
            "group_requests",
        ),
    ),
    "hand a group over": (
        lambda stores: stores.members.hand_over("g1", "ann", "bob"),
        ("im_group_members", "im_groups"),
    ),
    "start a conversation": (
        lambda stores: stores.conversations.create(c2c("ann", "cleo", created_at=1)),
        ("im_conversations", "user_conversations"),
    ),
    "keep a favourite": (
        lambda stores: stores.favourites.add(_favourite("f2"), 9),
        ("favourites", "favourite_tags"),
    ),
    "delete a favourite": (
        lambda stores: stores.favourites.delete("ann", "f1"),
        ("favourites", "favourite_tags"),
    ),
    "erase favourites": (
        lambda stores: stores.favourites.erase("ann"),
        ("favourites", "favourite_tags"),
    ),
    "erase an account": (
        lambda stores: stores.users.erase("ann"),
        ("im_users", "im_sessions", "im_devices", "im_friends", "im_blocks", "group_invitations", "group_requests"),
    ),
}


@pytest.mark.parametrize(("act", "tablename"), [(act, name) for act, (_, names) in ACTS.items() for name in names])
async def test_nothing_is_left_of_what_one_table_refused(
    engine: SqliteEngine, stores: Stores, act: str, tablename: str
) -> None:
    before = await _dump(engine)
    await _refuse(engine, tablename)
    with pytest.raises(sqlite3.IntegrityError, match="refused"):
        await ACTS[act][0](stores)
    assert await _dump(engine) == before


async def _refuse(engine: SqliteEngine, tablename: str) -> None:
    for verb in ("INSERT", "DELETE"):
        await engine.run_ddl(f"CREATE TRIGGER refuse_{verb} AFTER {verb} ON {tablename} {REFUSE}")
    when = REFUSED_UPDATES.get(tablename, "")
    await engine.run_ddl(f"CREATE TRIGGER refuse_update AFTER UPDATE ON {tablename} {when} {REFUSE}")


async def _dump(engine: SqliteEngine) -> Dump:
    names = [table._meta.tablename for table in STRUCTURED_TABLES]
    return {name: sorted(await engine.fetch_rows(f"SELECT * FROM {name}"), key=repr) for name in names}
