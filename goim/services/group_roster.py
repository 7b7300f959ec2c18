"""Changes groups and who is in them: stored, then known to every node, then told to the members. Asks no one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError
from goim.model.conversations import of_group
from goim.model.groups import Group, Member, Role
from goim.model.hooks import EVENT_OF_PUSH
from goim.notices import GroupGone, GroupJoined, GroupLeft, Notices
from goim.protocol.pushes import (
    GroupCreated,
    GroupData,
    GroupDisbanded,
    GroupUpdated,
    MemberData,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
)
from goim.services.access import AccessBook
from goim.services.event_feed import EventFeed
from goim.services.second_look import SecondLook, Told, differences
from goim.stores.base import Groups, Members
from goim.stores.base_log import ConvDeletes
from goim.stores.log import Log
from goim.turns import Turns

OPERATOR = ""
"""Who acts when it is not a member but somebody who runs the server: `by` in the pushes."""
_ATTEMPTS = 5
Step = Callable[[], Awaitable[bool]]
"""Looks who may and does it; False if another node was faster with something that made it impossible."""
_GroupPush = GroupCreated | GroupUpdated | GroupDisbanded | MemberJoined | MemberLeft | MemberUpdated


class GroupRoster:
    """The rights of a group and its live connections follow the store, in the order of the changes.

    Every change of an existing group is made within its `turn`: two of them could else be stored in one order and
    made known in the other, and somebody who is out would go on receiving.
    """

    def __init__(
        self,
        groups: Groups,
        members: Members,
        log: Log,
        access: AccessBook,
        notices: Notices,
        delivery: Delivery,
        clock: Clock,
        deletes: ConvDeletes,
        second_look: SecondLook,
        *,
        history_for_new_members: bool,
    ) -> None:
        self._groups = groups
        self._members = members
        self._log = log
        self._access = access
        self._notices = notices
        self._delivery = delivery
        self._clock = clock
        self._deletes = deletes
        self._second_look = second_look
        self._history_for_new_members = history_for_new_members
        self._turns = Turns()
        self.feed: EventFeed | None = None

    def turn(self, group_id: str) -> asyncio.Lock:
        """Held while a group is looked at and changed; those who wait for it keep it alive."""
        return self._turns.of(group_id)

    async def do(self, group_id: str, step: Step) -> None:
        """Take a step within the group's turn. Where another node was faster it is looked anew who may."""
        async with self.turn(group_id):
            for _ in range(_ATTEMPTS):
                if await step():
                    return
        raise GoimError(ErrorCode.UNAVAILABLE, "others change this group at the same time; try again")

    async def create(self, group: Group, user_ids: Sequence[str]) -> None:
        """Make a group of its owner and these people."""
        people = [Member(group_id=group.group_id, user_id=user_id, joined_at=group.created_at) for user_id in user_ids]
        owner = Member(group_id=group.group_id, user_id=group.owner_id, role=Role.OWNER, joined_at=group.created_at)
        await self._groups.create(group, [owner, *people])
        for member in (owner, *people):
            self._notices.emit(GroupJoined(member.user_id, group.group_id))
        told = GroupData(
            group.group_id,
            conv_id=group.conv_id,
            name=group.name,
            avatar_url=group.avatar_url,
            owner_id=group.owner_id,
            join_policy=group.join_policy,
            muted=group.muted,
            by=group.owner_id,
        )
        self._tell(GroupCreated(told))
        await self._noted()

    async def update(self, group: Group, by: str, changes: Mapping[str, Any]) -> Group | None:
        """Set `name`, `avatar_url`, `join_policy` or `muted`; None if the group is gone."""
        changed = await self._groups.update(group.group_id, changes)
        if changed is not None:
            self._access.group_changed(group.group_id)
            self._tell(GroupUpdated(GroupData(group.group_id, by=by, **changes)))
            self._look_again_at_group(group.group_id, changes)
            await self._noted()
        return changed

    async def disband(self, group: Group, by: str, *, if_alone: bool = False) -> bool:
        """End a group: its members are told while they still receive it. False if it is gone by now, or (`if_alone`)
        has more than one."""
        if not await self._groups.disband(group.group_id, if_alone=if_alone):
            return False
        self._access.group_changed(group.group_id)
        self._tell(GroupDisbanded(GroupData(group.group_id, by=by)), is_last=True)
        self._notices.emit(GroupGone(group.group_id))
        await self._noted()
        return True

    async def let_in(self, group: Group, user_ids: Sequence[str], by: str) -> list[str]:
        """Let people in and return who is new. They miss nothing that is sent after this returns."""
        now = self._clock.now_ms()
        last_seq = (await self._log.last_seqs([group.conv_id]))[group.conv_id]
        people = [Member(group_id=group.group_id, user_id=user_id, joined_at=now) for user_id in user_ids]
        if not self._history_for_new_members:
            await self._hide_history(group, user_ids, last_seq, now)
        added = await self._members.add(group.group_id, people, last_seq)
        if added:
            self._access.group_changed(group.group_id)
        for user_id in added:
            self._notices.emit(GroupJoined(user_id, group.group_id, 0 if self._history_for_new_members else last_seq))
        for user_id in added:
            self._tell(MemberJoined(MemberData(group.group_id, user_id, Role.MEMBER, by)))
            self._look_again_at_member(group.group_id, user_id, is_in=True)
        await self._noted()
        return added

    async def _hide_history(self, group: Group, user_ids: Sequence[str], last_seq: int, now: int) -> None:
        """Who comes in, or back in, reads on from here: before they are in, and for nobody who is."""
        inside = await self._members.among(group.group_id, user_ids)
        new = [user_id for user_id in user_ids if user_id not in inside]
        await asyncio.gather(*(self._deletes.put(user_id, group.conv_id, last_seq, now) for user_id in new))

    async def _floor(self, user_id: str, group_id: str) -> int:
        """Up to where a member may not read."""
        conv_id = of_group(group_id).conv_id
        return 0 if self._history_for_new_members else (await self._deletes.of_user(user_id, [conv_id])).get(conv_id, 0)

    async def take_out(self, group: Group, member: Member, by: str) -> bool:
        """Take somebody out; the last they receive of the group is that they are out. False if they are not in by
        now, or its owner."""
        if not await self._members.remove(group.group_id, member.user_id):
            return False
        self._access.group_changed(group.group_id)
        self._notices.emit(GroupLeft(member.user_id, group.group_id))
        told = MemberLeft(MemberData(group.group_id, member.user_id, member.role, by))
        self._tell(told)
        self._delivery.to_user(member.user_id, told)
        self._look_again_at_member(group.group_id, member.user_id, is_in=False)
        await self._noted()
        return True

    async def set(self, group: Group, user_id: str, by: str, changes: Mapping[str, Any]) -> Member | None:
        """Set `role` (not owner) or `mute_until` of a member; None if they are not in by now, or its owner."""
        changed = await self._members.set(group.group_id, user_id, changes)
        if changed is not None:
            self._access.group_changed(group.group_id)
            self._tell_changed(changed, by)
            await self._noted()
        return changed

    async def hand_over(self, group: Group, heir: Member, by: str) -> bool:
        """Make another member the owner and the owner an admin; False if either is out or no owner by now."""
        if not await self._members.hand_over(group.group_id, group.owner_id, heir.user_id):
            return False
        self._access.group_changed(group.group_id)
        for user_id in (group.owner_id, heir.user_id):
            member = await self._members.get(group.group_id, user_id)
            if member is not None:
                self._tell_changed(member, by)
        self._tell(GroupUpdated(GroupData(group.group_id, owner_id=heir.user_id, by=by)))
        self._look_again_at_group(group.group_id, {"owner_id": heir.user_id})
        await self._noted()
        return True

    def _tell_changed(self, member: Member, by: str) -> None:
        told = MemberData(member.group_id, member.user_id, member.role, by, mute_until=member.mute_until)
        self._tell(MemberUpdated(told))
        self._look_again_at_member(member.group_id, member.user_id, role=member.role, mute_until=member.mute_until)

    # what another node may have changed at the same time

    def _look_again_at_group(self, group_id: str, told: Mapping[str, Any]) -> None:
        async def look(told: Told) -> None:
            async with self.turn(group_id):
                group = await self._groups.get(group_id)
                if group is not None and (stored := differences(told, group)):
                    self._delivery.to_group(group_id, GroupUpdated(GroupData(group_id, **stored)))
                    self._look_again_at_group(group_id, stored)

        self._second_look.note(("group", group_id), told, look)

    def _look_again_at_member(self, group_id: str, user_id: str, **told: Any) -> None:
        async def look(told: Told) -> None:
            async with self.turn(group_id):
                await self._correct(group_id, user_id, told)

        self._second_look.note(("member", group_id, user_id), told, look)

    async def _correct(self, group_id: str, user_id: str, told: Told) -> None:
        """Say anew whether somebody is in, and as what. Who did that is not known here."""
        member = await self._members.get(group_id, user_id)
        if member is None:
            if told.get("is_in", True):
                self._notices.emit(GroupLeft(user_id, group_id))
                left = MemberLeft(MemberData(group_id, user_id, Role.MEMBER, OPERATOR))
                self._delivery.to_group(group_id, left)
                self._delivery.to_user(user_id, left)
                self._look_again_at_member(group_id, user_id, is_in=False)
            return
        is_in = {"is_in": True} if told.get("is_in") is False else {}
        if is_in:
            self._notices.emit(GroupJoined(user_id, group_id, await self._floor(user_id, group_id)))
            self._delivery.to_group(group_id, MemberJoined(MemberData(group_id, user_id, member.role, OPERATOR)))
        stored = differences({name: value for name, value in told.items() if name != "is_in"}, member)
        if stored:
            now = MemberData(group_id, user_id, member.role, OPERATOR, mute_until=member.mute_until)
            self._delivery.to_group(group_id, MemberUpdated(now))
        if is_in or stored:
            self._look_again_at_member(group_id, user_id, **is_in, **stored)

    def _tell(self, push: _GroupPush, *, is_last: bool = False) -> None:
        """Tell the members, and the outbox where there is one."""
        self._delivery.to_group(push.data.group_id, push, is_last=is_last)
        if self.feed is not None:
            self.feed.note(EVENT_OF_PUSH[str(push.__struct_config__.tag)], push.data)

    async def _noted(self) -> None:
        """What was told is in the outbox, too."""
        if self.feed is not None:
            await self.feed.noted()
