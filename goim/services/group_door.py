"""The way into groups: joining, asking to join, deciding on that, and the invitations one has."""

from __future__ import annotations

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import not_found
from goim.model.groups import JoinPolicy, Role
from goim.protocol.pushes import JoinAsked, JoinAskedData
from goim.services.group_gate import GroupGate
from goim.services.group_roster import GroupRoster
from goim.services.group_views import InvitationView, JoinRequestView
from goim.stores.base import Groups, Users
from goim.stores.base_admissions import Admissions


class GroupDoor:
    """Lets people in as a group's policy says: at once, with an admin's consent, or if they are invited."""

    def __init__(
        self,
        gate: GroupGate,
        groups: Groups,
        users: Users,
        admissions: Admissions,
        roster: GroupRoster,
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._groups = groups
        self._users = users
        self._admissions = admissions
        self._roster = roster
        self._delivery = delivery
        self._clock = clock

    async def join(self, user_id: str, group_id: str) -> bool:
        """Come in, or else ask to be let in and answer False. Who is in already stays what they are."""
        async with self._roster.turn(group_id):
            group, member = await self._gate.seen(user_id, group_id)
            if member is not None:
                return True
            if group.join_policy is not JoinPolicy.APPROVAL or await self._admissions.is_invited(group_id, user_id):
                await self._roster.let_in(group, [user_id], user_id)
                return True
            is_new = await self._admissions.ask(group_id, user_id, self._clock.now_ms())
        if is_new:
            asked = JoinAsked(JoinAskedData(group_id, user_id))
            self._delivery.to_users(await self._admissions.deciders(group_id), asked)
        return False

    async def requests(self, user_id: str, group_id: str, limit: int, offset: int) -> list[JoinRequestView]:
        """Who asks to be let in, earliest first: for owner and admins."""
        await self._gate.inside(user_id, group_id, Role.ADMIN)
        requests = await self._admissions.requests(group_id, limit, offset)
        users = await self._users.by_ids([request.user_id for request in requests])
        return [
            JoinRequestView(
                user_id=user.user_id,
                username=user.username,
                nickname=user.nickname,
                avatar_url=user.avatar_url,
                created_at=request.created_at,
            )
            for request in requests
            if (user := users.get(request.user_id)) is not None  # else erased a moment ago
        ]

    async def decide(self, user_id: str, group_id: str, other_id: str, *, accept: bool) -> None:
        """Let somebody in who asked, or turn them away: owner and admins. They may ask again."""
        async with self._roster.turn(group_id):
            group, _ = await self._gate.inside(user_id, group_id, Role.ADMIN)
            if not await self._admissions.asking(group_id, [other_id]):
                raise not_found("request")
            if accept:
                await self._roster.let_in(group, [other_id], user_id)
            else:
                await self._admissions.settle(group_id, [other_id])

    async def invitations(self, user_id: str, limit: int, offset: int) -> list[InvitationView]:
        """Where I am invited, earliest first."""
        invitations = await self._admissions.invitations(user_id, limit, offset)
        groups = await self._groups.by_ids([invitation.group_id for invitation in invitations])
        return [
            InvitationView(
                group_id=group.group_id,
                name=group.name,
                avatar_url=group.avatar_url,
                member_count=group.member_count,
                by=invitation.invited_by,
                created_at=invitation.created_at,
            )
            for invitation in invitations
            if (group := groups.get(invitation.group_id)) is not None  # else disbanded a moment ago
        ]

    async def decline(self, user_id: str, group_id: str) -> None:
        """Do without an invitation of mine."""
        async with self._roster.turn(group_id):
            if not await self._admissions.is_invited(group_id, user_id):
                raise not_found("invitation")
            await self._admissions.settle(group_id, [user_id])
