"""Groups and their members in an SQL database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import convert
from msgspec.structs import asdict, replace

from goim.model.conversations import Receipt, of_group
from goim.model.groups import Group, Member, Role
from goim.stores.base import UserIds
from goim.stores.engine import SqlEngine, atomic, run
from goim.stores.sql_admissions import forget_group, settle
from goim.stores.sql_conversations import add_entries, advance_receipts, insert_conversation
from goim.stores.tables import EntryTable, GroupTable, MemberTable, ReceiptTable

# Changes nothing, but holds the group's row until the transaction ends: who comes, goes and hands over queue up here.
# (SQLite has one writer anyway and knows no FOR UPDATE; this is for the databases that have many.)
LOCK_GROUP = "UPDATE im_groups SET member_count = member_count WHERE group_id = ?"

GROUP = """
SELECT group_id, name, avatar_url, owner_id, join_policy, muted, member_count, created_at
FROM im_groups WHERE group_id = ?"""

GROUPS_OF_USER = """
SELECT g.group_id, g.name, g.avatar_url, g.owner_id, g.join_policy, g.muted, g.member_count, g.created_at,
m.user_id, m.role, m.mute_until, m.joined_at
FROM im_group_members m JOIN im_groups g ON g.group_id = m.group_id
WHERE m.user_id = ? ORDER BY m.group_id LIMIT ? OFFSET ?"""

GROUP_IDS_OF_USER = "SELECT user_id, group_id FROM im_group_members WHERE user_id = ? ORDER BY group_id"

COUNT_MEMBERS = "UPDATE im_groups SET member_count = member_count + ? WHERE group_id = ?"
SET_OWNER = "UPDATE im_groups SET owner_id = ? WHERE group_id = ?"

MEMBER = """
SELECT group_id, user_id, role, mute_until, joined_at FROM im_group_members WHERE group_id = ? AND user_id = ?"""

MEMBERS_AFTER = """
SELECT group_id, user_id, role, mute_until, joined_at FROM im_group_members
WHERE group_id = ? AND user_id > ? ORDER BY user_id LIMIT ?"""

MEMBER_ID = "SELECT user_id FROM im_group_members WHERE group_id = ? AND user_id = ?"

ADD_MEMBER = "INSERT INTO im_group_members (group_id, user_id, role, mute_until, joined_at) VALUES (?, ?, ?, ?, ?)"

# Who became the owner a moment ago is not removed over the heads of the others: a group always has its owner.
REMOVE_MEMBER = "DELETE FROM im_group_members WHERE group_id = ? AND user_id = ? AND role <> 'owner'"

KEEP_MUTE = """
INSERT INTO group_mutes (group_id, user_id, mute_until) VALUES (?, ?, ?)
ON CONFLICT (group_id, user_id) DO UPDATE SET mute_until = EXCLUDED.mute_until"""
KEPT_MUTE = "SELECT user_id, mute_until FROM group_mutes WHERE group_id = ? AND user_id = ?"
DROP_MUTE = "DELETE FROM group_mutes WHERE group_id = ? AND user_id = ?"

MAKE_ADMIN = "UPDATE im_group_members SET role = 'admin' WHERE group_id = ? AND user_id = ?"
MAKE_OWNER = "UPDATE im_group_members SET role = 'owner', mute_until = 0 WHERE group_id = ? AND user_id = ?"

TOGETHER = """
SELECT theirs.user_id FROM im_group_members theirs
JOIN im_group_members mine ON mine.group_id = theirs.group_id AND mine.user_id = ?
WHERE theirs.user_id = ? LIMIT 1"""


class SqlGroups:
    """`Groups` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    @atomic
    async def create(self, group: Group, members: Sequence[Member]) -> None:
        people = {member.user_id: member for member in reversed(members)}
        row = GroupTable(**{**asdict(group), "member_count": len(people)})
        await run(self._engine, GroupTable.insert(row))
        await insert_conversation(self._engine, of_group(group.group_id, created_at=group.created_at))
        await _add_members(self._engine, people)
        await add_entries(self._engine, group.conv_id, dict.fromkeys(people, group.created_at))

    async def get(self, group_id: str) -> Group | None:
        rows = await self._engine.fetch(GROUP, (group_id,))
        return _group(rows[0]) if rows else None

    async def by_ids(self, group_ids: Collection[str]) -> dict[str, Group]:
        rows = await self._engine.fetch_each(GROUP, [(group_id,) for group_id in group_ids])
        groups = [_group(dict(zip(Group.__struct_fields__, row, strict=True))) for row in rows]  # columns as fields
        return {group.group_id: group for group in groups}

    async def update(self, group_id: str, changes: Mapping[str, Any]) -> Group | None:
        if changes:
            await run(self._engine, GroupTable.update(**changes).where(GroupTable.group_id == group_id))
        return await self.get(group_id)

    @atomic
    async def disband(self, group_id: str, *, if_alone: bool = False) -> bool:
        conv_id = of_group(group_id).conv_id
        await self._engine.execute(LOCK_GROUP, (group_id,))  # first: it stops who wants in
        group = await self.get(group_id)
        if group is None or (if_alone and group.member_count > 1):
            return False
        for query in (
            GroupTable.delete().where(GroupTable.group_id == group_id),
            MemberTable.delete().where(MemberTable.group_id == group_id),
            EntryTable.delete().where(EntryTable.conv_id == conv_id),
            ReceiptTable.delete().where(ReceiptTable.conv_id == conv_id),
        ):
            await run(self._engine, query)
        await forget_group(self._engine, group_id)
        return True

    async def of_user(self, user_id: str, limit: int, offset: int) -> list[tuple[Group, Member]]:
        rows = await self._engine.fetch(GROUPS_OF_USER, (user_id, limit, offset))
        return [(_group(row), convert(row, Member)) for row in rows]

    async def ids_of_users(self, user_ids: Collection[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for user_id, group_id in await self._engine.fetch_each(GROUP_IDS_OF_USER, [(each,) for each in user_ids]):
            found.setdefault(user_id, []).append(group_id)
        return found


class SqlMembers:
    """`Members` in an SQL database."""

    def __init__(self, engine: SqlEngine) -> None:
        self._engine = engine

    async def get(self, group_id: str, user_id: str) -> Member | None:
        rows = await self._engine.fetch(MEMBER, (group_id, user_id))
        return convert(rows[0], Member) if rows else None

    async def page(self, group_id: str, after: str, limit: int) -> list[Member]:
        return convert(await self._engine.fetch(MEMBERS_AFTER, (group_id, after, limit)), list[Member])

    @atomic
    async def add(self, group_id: str, members: Sequence[Member], read_seq: int) -> list[str]:
        conv_id = of_group(group_id).conv_id
        await self._engine.execute(LOCK_GROUP, (group_id,))
        if not await self._engine.fetch_rows(GROUP, (group_id,)):
            return []  # disbanded meanwhile
        inside = await self.among(group_id, [member.user_id for member in members])
        new = {member.user_id: member for member in reversed(members) if member.user_id not in inside}
        await _add_members(self._engine, await self._still_muted(group_id, new))
        await add_entries(self._engine, conv_id, {user_id: member.joined_at for user_id, member in new.items()})
        await advance_receipts(
            self._engine,
            [
                Receipt(conv_id=conv_id, user_id=user_id, seq=read_seq, read_at=member.joined_at)
                for user_id, member in new.items()
            ],
        )
        await self._engine.execute(COUNT_MEMBERS, (len(new), group_id))
        await settle(self._engine, group_id, {member.user_id for member in members})
        return sorted(new)

    async def _still_muted(self, group_id: str, new: Mapping[str, Member]) -> Mapping[str, Member]:
        """Who left with a mute comes back with it."""
        keys = [(group_id, user_id) for user_id in sorted(new)]
        kept: dict[str, int] = dict(await self._engine.fetch_each(KEPT_MUTE, keys))
        if kept:
            await self._engine.execute_many(DROP_MUTE, [(group_id, user_id) for user_id in sorted(kept)])
        return {
            user_id: replace(member, mute_until=kept.get(user_id, member.mute_until)) for user_id, member in new.items()
        }

    @atomic
    async def remove(self, group_id: str, user_id: str) -> bool:
        conv_id = of_group(group_id).conv_id
        await self._engine.execute(LOCK_GROUP, (group_id,))
        member = await self.get(group_id, user_id)
        if member is None or not await self._engine.execute(REMOVE_MEMBER, (group_id, user_id)):
            return False
        if member.mute_until:
            await self._engine.execute(KEEP_MUTE, (group_id, user_id, member.mute_until))
        await self._engine.execute(COUNT_MEMBERS, (-1, group_id))
        await settle(self._engine, group_id, [user_id])
        for query in (
            EntryTable.delete().where((EntryTable.user_id == user_id) & (EntryTable.conv_id == conv_id)),
            ReceiptTable.delete().where((ReceiptTable.conv_id == conv_id) & (ReceiptTable.user_id == user_id)),
        ):
            await run(self._engine, query)
        return True

    @atomic
    async def set(self, group_id: str, user_id: str, changes: Mapping[str, Any]) -> Member | None:
        if changes.get("role") is Role.OWNER:
            raise ValueError("only hand_over makes an owner")
        await self._engine.execute(LOCK_GROUP, (group_id,))  # who leaves at this moment takes the mute along, or not
        member = await self.get(group_id, user_id)
        if member is None or member.role is Role.OWNER:
            return None
        if changes:
            who = (MemberTable.group_id == group_id) & (MemberTable.user_id == user_id)
            await run(self._engine, MemberTable.update(**changes).where(who))
        return replace(member, **changes)

    @atomic
    async def hand_over(self, group_id: str, owner_id: str, new_owner_id: str) -> bool:
        await self._engine.execute(LOCK_GROUP, (group_id,))
        owner, heir = await self.get(group_id, owner_id), await self.get(group_id, new_owner_id)
        if owner is None or heir is None or owner.role is not Role.OWNER or owner_id == new_owner_id:
            return False
        await self._engine.execute(MAKE_ADMIN, (group_id, owner_id))
        await self._engine.execute(MAKE_OWNER, (group_id, new_owner_id))
        await self._engine.execute(SET_OWNER, (new_owner_id, group_id))
        return True

    async def among(self, group_id: str, user_ids: Collection[str]) -> UserIds:
        rows = await self._engine.fetch_each(MEMBER_ID, [(group_id, user_id) for user_id in user_ids])
        return {user_id for (user_id,) in rows}

    async def share_a_group(self, user_id: str, user_ids: Collection[str]) -> UserIds:
        rows = await self._engine.fetch_each(TOGETHER, [(user_id, other) for other in user_ids])
        return {other for (other,) in rows}


async def _add_members(engine: SqlEngine, members: Mapping[str, Member]) -> None:
    rows = [
        (member.group_id, user_id, member.role.value, member.mute_until, member.joined_at)
        for user_id, member in sorted(members.items())
    ]
    await engine.execute_many(ADD_MEMBER, rows)


def _group(row: Mapping[str, Any]) -> Group:
    """Not strict: databases without booleans answer 0 and 1."""
    return convert(row, Group, strict=False)
