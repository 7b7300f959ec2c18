"""Makes the services of groups: who is in them, who may come in, and what stands on their board."""

from __future__ import annotations

from dataclasses import dataclass

from goim.app.ground import Ground
from goim.services.group_door import GroupDoor
from goim.services.group_gate import GroupGate
from goim.services.group_notices import GroupNotices
from goim.services.group_operator import GroupOperator
from goim.services.group_roster import GroupRoster
from goim.services.groups import GroupDesk
from goim.services.latecomers import Latecomers


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """The services of groups by name."""

    roster: GroupRoster
    operator: GroupOperator
    desk: GroupDesk
    door: GroupDoor
    notices: GroupNotices


def groups_of(ground: Ground) -> Groups:
    """One gate and one roster for all of them."""
    stores, delivery, clock = ground.stores, ground.delivery, ground.clock
    gate = GroupGate(stores.groups, stores.members, stores.admissions)
    roster = _roster(ground)
    if not ground.settings.groups.history_for_new_members:
        ground.access.learn = Latecomers(stores.deletes, delivery, ground.notices).learn
    return Groups(
        roster=roster,
        operator=GroupOperator(stores.groups, stores.members, stores.users, roster, clock),
        desk=_desk(ground, gate, roster),
        door=GroupDoor(gate, stores.groups, stores.users, stores.admissions, roster, delivery, clock),
        notices=GroupNotices(gate, stores.notice_board, delivery, clock),
    )


def _roster(ground: Ground) -> GroupRoster:
    stores = ground.stores
    return GroupRoster(
        stores.groups,
        stores.members,
        ground.log,
        ground.access,
        ground.notices,
        ground.delivery,
        ground.clock,
        stores.deletes,
        ground.second_look,
        history_for_new_members=ground.settings.groups.history_for_new_members,
    )


def _desk(ground: Ground, gate: GroupGate, roster: GroupRoster) -> GroupDesk:
    stores = ground.stores
    return GroupDesk(
        gate,
        stores.groups,
        stores.members,
        stores.users,
        stores.friends,
        stores.blocks,
        stores.admissions,
        roster,
        ground.delivery,
        ground.clock,
        ground.grants,
    )
