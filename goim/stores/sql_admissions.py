"""Invitations into groups, requests to join them and their notices in an SQL database."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import convert
from msgspec.structs import asdict

from goim.model.groups import GroupNotice, Invitation, JoinRequest
from goim.stores.engine import SqlEngine, atomic, run
from goim.stores.tables import InvitationTable, JoinRequestTable, KeptMuteTable, NoticeTable

# The key decides: who is invited already, or asks already, stays where they are in the line.
INVITE = """
INSERT INTO group_invitations (group_id, user_id, invited_by, created_at) VALUES (?, ?, ?, ?)
ON CONFLICT (group_id, user_id) DO NOTHING"""
INVITED = "SELECT user_id FROM group_invitations WHERE group_id = ? AND user_id = ?"

INVITATIONS = """
SELECT group_id, user_id, invited_by, created_at FROM group_invitations
WHERE user_id = ? ORDER BY created_at, group_id LIMIT ? OFFSET ?"""

ASK = """
INSERT INTO group_requests (group_id, user_id, created_at) VALUES (?, ?, ?)
ON CONFLICT (group_id, user_id) DO NOTHING"""
ASKING = "SELECT user_id FROM group_requests WHERE group_id = ? AND user_id = ?"

JOIN_REQUESTS = """
SELECT group_id, user_id, created_at FROM group_requests
WHERE group_id = ? ORDER BY created_at, user_id LIMIT ? OFFSET ?"""

UNINVITE = "DELETE FROM group_invitations WHERE group_id = ? AND user_id = ?"
UNASK = "DELETE FROM group_requests WHERE group_id = ? AND user_id = ?"

DECIDERS = """
SELECT user_id FROM im_group_members WHERE group_id = ? AND role IN ('owner', 'admin') ORDER BY user_id"""

NOTICES = """
SELECT notice_id, group_id, title, content, created_by, created_at FROM group_notices
WHERE group_id = ? ORDER BY created_at DESC, notice_id DESC LIMIT ? OFFSET ?"""


class SqlAdmissions:
    """`Admissions` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    @atomic
    async def invite(self, group_id: str, user_ids: Collection[str], by: str, at: int) -> list[str]:
        each = sorted(set(user_ids))
        return [user_id for user_id in each if await self._engine.execute(INVITE, (group_id, user_id, by, at))]

    async def is_invited(self, group_id: str, user_id: str) -> bool:
        return bool(await self._engine.fetch_rows(INVITED, (group_id, user_id)))

    async def invitations(self, user_id: str, limit: int, offset: int) -> list[Invitation]:
        return convert(await self._engine.fetch(INVITATIONS, (user_id, limit, offset)), list[Invitation])

    async def ask(self, group_id: str, user_id: str, at: int) -> bool:
        return await self._engine.execute(ASK, (group_id, user_id, at)) > 0

    async def asking(self, group_id: str, user_ids: Collection[str]) -> set[str]:
        rows = await self._engine.fetch_each(ASKING, [(group_id, user_id) for user_id in user_ids])
        return {user_id for (user_id,) in rows}

    async def requests(self, group_id: str, limit: int, offset: int) -> list[JoinRequest]:
        return convert(await self._engine.fetch(JOIN_REQUESTS, (group_id, limit, offset)), list[JoinRequest])

    @atomic
    async def settle(self, group_id: str, user_ids: Collection[str]) -> None:
        await settle(self._engine, group_id, user_ids)

    async def deciders(self, group_id: str) -> list[str]:
        return [user_id for (user_id,) in await self._engine.fetch_rows(DECIDERS, (group_id,))]


class SqlNoticeBoard:
    """`NoticeBoard` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def add(self, notice: GroupNotice) -> None:
        await run(self._engine, NoticeTable.insert(NoticeTable(**asdict(notice))))

    async def page(self, group_id: str, limit: int, offset: int) -> list[GroupNotice]:
        return convert(await self._engine.fetch(NOTICES, (group_id, limit, offset)), list[GroupNotice])


async def settle(engine: SqlEngine, group_id: str, user_ids: Collection[str]) -> None:
    """Forget that these were invited or asked, within the transaction that lets them in or puts them out."""
    each = [(group_id, user_id) for user_id in sorted(user_ids)]
    await engine.execute_many(UNINVITE, each)
    await engine.execute_many(UNASK, each)


async def forget_group(engine: SqlEngine, group_id: str) -> None:
    """Forget everything of a group, within the transaction that ends it."""
    for query in (
        InvitationTable.delete().where(InvitationTable.group_id == group_id),
        JoinRequestTable.delete().where(JoinRequestTable.group_id == group_id),
        NoticeTable.delete().where(NoticeTable.group_id == group_id),
        KeptMuteTable.delete().where(KeptMuteTable.group_id == group_id),
    ):
        await run(engine, query)


async def forget_user(engine: SqlEngine, user_id: str) -> None:
    """Forget where somebody was invited or wanted to be, within the transaction that erases the account."""
    for query in (
        InvitationTable.delete().where(InvitationTable.user_id == user_id),
        JoinRequestTable.delete().where(JoinRequestTable.user_id == user_id),
        KeptMuteTable.delete().where(KeptMuteTable.user_id == user_id),
    ):
        await run(engine, query)
