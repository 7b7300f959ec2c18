"""Groups as their members run them: who may make, join, leave and change them, and act on whom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from goim.clock import LATEST_MS, Clock
from goim.delivery import Delivery
from goim.errors import ErrorCode, GoimError, invalid, not_found
from goim.ids import new_id
from goim.model.groups import Group, JoinPolicy, Member, Role
from goim.model.profiles import checked_avatar_url, checked_name
from goim.protocol.pushes import GroupData, GroupInvite
from goim.services.file_grants import FileGrants
from goim.services.group_gate import GroupGate
from goim.services.group_roster import GroupRoster
from goim.services.group_views import Added, Created, GroupView, MemberPage, member_view, view_of
from goim.stores.base import Blocks, Friends, Groups, Members, Users
from goim.stores.base_admissions import Admissions

MAX_ADDED = 500
_PAGE = 500


class GroupDesk:
    """Checks who may, then has the roster do it."""

    def __init__(
        self,
        gate: GroupGate,
        groups: Groups,
        members: Members,
        users: Users,
        friends: Friends,
        blocks: Blocks,
        admissions: Admissions,
        roster: GroupRoster,
        delivery: Delivery,
        clock: Clock,
        grants: FileGrants,
    ) -> None:
        self._gate = gate
        self._groups = groups
        self._members = members
        self._users = users
        self._friends = friends
        self._blocks = blocks
        self._admissions = admissions
        self._roster = roster
        self._delivery = delivery
        self._clock = clock
        self._grants = grants

    # the group

    async def create(
        self, user_id: str, name: str, member_ids: Sequence[str] = (), join_policy: JoinPolicy = JoinPolicy.OPEN
    ) -> Created:
        """Make a group and own it: friends named are in at once, others are invited."""
        friends, others = await self._sort_out(user_id, member_ids)
        group = Group(
            group_id=new_id(),
            name=checked_name("a group's name", name),
            owner_id=user_id,
            join_policy=join_policy,
            created_at=self._clock.now_ms(),
        )
        await self._roster.create(group, friends)
        await self._invite(group, others, user_id)
        return Created(group.group_id, group.conv_id, friends, others)

    async def get(self, user_id: str, group_id: str) -> GroupView:
        """A group of mine, or one that anybody may join."""
        group, member = await self._gate.seen(user_id, group_id)
        return view_of(group, member)

    async def mine(self, user_id: str, limit: int, offset: int) -> list[GroupView]:
        """The groups I am in."""
        return [view_of(group, member) for group, member in await self._groups.of_user(user_id, limit, offset)]

    async def update(
        self,
        user_id: str,
        group_id: str,
        *,
        name: str | None = None,
        avatar_url: str | None = None,
        join_policy: JoinPolicy | None = None,
    ) -> GroupView:
        """Change what is given, leave the rest: owner and admins."""
        changes: dict[str, str | JoinPolicy] = {}
        if name is not None:
            changes["name"] = checked_name("a group's name", name)
        if avatar_url is not None:
            changes["avatar_url"] = checked_avatar_url(avatar_url)
        if join_policy is not None:
            changes["join_policy"] = join_policy
        async with self._roster.turn(group_id):
            group, me = await self._gate.inside(user_id, group_id, Role.ADMIN)
            if not changes:
                return view_of(group, me)
            if avatar_url:
                await self._grants.show(user_id, avatar_url)
            changed = await self._roster.update(group, user_id, changes)
        if changed is None:
            raise not_found("group")
        return view_of(changed, me)

    async def mute(self, user_id: str, group_id: str, *, muted: bool) -> None:
        """Silence everybody but owner and admins, or let them speak again."""
        async with self._roster.turn(group_id):
            group, _ = await self._gate.inside(user_id, group_id, Role.ADMIN)
            if group.muted != muted:
                await self._roster.update(group, user_id, {"muted": muted})

    async def disband(self, user_id: str, group_id: str) -> None:
        """End the group for everybody: its owner."""

        async def end() -> bool:
            group, _ = await self._gate.inside(user_id, group_id, Role.OWNER)
            return await self._roster.disband(group, user_id)

        await self._roster.do(group_id, end)

    # coming and going

    async def leave(self, user_id: str, group_id: str) -> None:
        """Go. An owner hands over first; with the last one the group ends."""

        async def go() -> bool:
            group, me = await self._gate.inside(user_id, group_id)
            if me.role is Role.OWNER and group.member_count > 1:
                raise GoimError(ErrorCode.FORBIDDEN, "hand the group over before you leave it")
            return await self._leave(group, me)

        await self._roster.do(group_id, go)

    async def leave_all(self, user_id: str) -> None:
        """An account ends: its groups go to an admin, else to who was there first."""
        for group_id in (await self._groups.ids_of_users([user_id])).get(user_id, ()):
            await self._roster.do(group_id, partial(self._leave_to_an_heir, user_id, group_id))

    async def _leave_to_an_heir(self, user_id: str, group_id: str) -> bool:
        """By another node the heir may have left meanwhile, and then there is another one, or nobody; or somebody has
        come."""
        group, me = await self._groups.get(group_id), await self._members.get(group_id, user_id)
        if group is None or me is None:
            return True
        heir = await self._heir(group) if me.role is Role.OWNER else None
        if heir is None:
            return await self._leave(group, me)
        is_handed_over = await self._roster.hand_over(group, heir, user_id)
        return is_handed_over and await self._leave(group, replace(me, role=Role.ADMIN))

    async def add(self, user_id: str, group_id: str, user_ids: Sequence[str]) -> Added:
        """Let friends in, and those who ask for it; invite others.

        Any member, but where an admin's consent is needed.
        """
        friends, others = await self._sort_out(user_id, user_ids)
        async with self._roster.turn(group_id):
            group, me = await self._gate.inside(user_id, group_id)
            if group.join_policy is JoinPolicy.APPROVAL and me.role is Role.MEMBER:
                raise GoimError(ErrorCode.FORBIDDEN, "only owner and admins decide who gets into this group")
            asking = await self._admissions.asking(group_id, others)
            inside = await self._members.among(group_id, others)
            welcome = [*friends, *(other for other in others if other in asking)]
            added = await self._roster.let_in(group, welcome, user_id) if welcome else []
            invited = [other for other in others if other not in inside and other not in asking]
            await self._invite(group, invited, user_id)
        return Added(added, invited)

    async def kick(self, user_id: str, group_id: str, other_id: str) -> None:
        """Put somebody of a lower rank out."""

        async def put_out() -> bool:
            group, other = await self._gate.below(user_id, group_id, other_id)
            return await self._roster.take_out(group, other, user_id)

        await self._roster.do(group_id, put_out)

    # the people in it

    async def members(self, user_id: str, group_id: str, after: str, limit: int) -> MemberPage:
        """A page of the members, for members."""
        await self._gate.inside(user_id, group_id)
        found = await self._members.page(group_id, after, limit + 1)
        page = found[:limit]
        users = await self._users.by_ids([member.user_id for member in page])
        now = self._clock.now_ms()
        views = [
            member_view(member, users[member.user_id].nickname if member.user_id in users else "", now)
            for member in page
        ]
        return MemberPage(views, page[-1].user_id if len(found) > limit else None)

    async def set_member(
        self, user_id: str, group_id: str, other_id: str, *, role: Role | None = None, mute_until: int | None = None
    ) -> None:
        """Give a member another role (the owner; `owner` hands over) or mute them until then (0: no longer)."""
        if role is None and mute_until is None:
            raise invalid("say role or muteUntil")
        if mute_until is not None and not 0 <= mute_until <= LATEST_MS:
            raise invalid("muteUntil is a time in unix milliseconds, or 0")
        if mute_until and role is Role.OWNER:
            raise invalid("an owner is not muted")

        async def change() -> bool:
            group, other = await self._gate.below(user_id, group_id, other_id)
            if role is not None and user_id != group.owner_id:
                raise GoimError(ErrorCode.FORBIDDEN, "only the owner gives roles")
            changes: dict[str, Role | int] = {}
            if mute_until is not None:
                changes["mute_until"] = mute_until
            if role not in (None, Role.OWNER, other.role):
                changes["role"] = role
            if changes and await self._roster.set(group, other_id, user_id, changes) is None:
                return False
            return role is not Role.OWNER or await self._roster.hand_over(group, other, user_id)

        await self._roster.do(group_id, change)

    # helpers

    async def _leave(self, group: Group, me: Member) -> bool:
        if me.role is Role.OWNER:  # there is nobody else, or it would have been handed over
            return await self._roster.disband(group, me.user_id, if_alone=True)
        return await self._roster.take_out(group, me, me.user_id)

    async def _heir(self, group: Group) -> Member | None:
        """An admin before everybody else, and then who has been in longest."""
        best: Member | None = None
        after = ""
        while page := await self._members.page(group.group_id, after, _PAGE):
            after = page[-1].user_id
            others = [member for member in page if member.user_id != group.owner_id]
            best = min([*others, *([best] if best else [])], key=_line_of_succession, default=None)
        return best

    async def _sort_out(self, user_id: str, user_ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """My friends, and the others there are; me, unknown and blocked people are neither."""
        if len(user_ids) > MAX_ADDED:
            raise invalid(f"at most {MAX_ADDED} people at once")
        wanted = [other for other in dict.fromkeys(user_ids) if other != user_id]
        if not wanted:
            return [], []
        known = await self._users.by_ids(wanted)
        blocked = await self._blocks.ids_around(user_id)
        friends = set(await self._friends.friend_ids(user_id))
        reachable = [other for other in wanted if other in known and other not in blocked]
        return [one for one in reachable if one in friends], [one for one in reachable if one not in friends]

    async def _invite(self, group: Group, user_ids: Sequence[str], by: str) -> None:
        """Who was invited before is not told again."""
        if not user_ids:
            return
        new = await self._admissions.invite(group.group_id, user_ids, by, self._clock.now_ms())
        self._delivery.to_users(new, GroupInvite(GroupData(group.group_id, name=group.name, by=by)))


def _line_of_succession(member: Member) -> tuple[bool, int, str]:
    return member.role is not Role.ADMIN, member.joined_at, member.user_id
