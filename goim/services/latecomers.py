"""Who came into a group later than something was said there, and is not to read it, is not pushed it either.

Only on nodes where `groups.history_for_new_members` is off. What a group says after they came is pushed as everywhere;
but a message from before may still be edited, grow as a stream, or come late from another node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from goim.delivery import Delivery, Sink
from goim.model.conversations import of_group
from goim.notices import GroupGone, GroupJoined, GroupLeft, Notices
from goim.protocol.frames import Frame
from goim.protocol.veil import veiled
from goim.stores.base_log import ConvDeletes


class Latecomers:
    """Up to which seq the messages of their groups are hidden from those who are connected here. It only rises."""

    def __init__(self, deletes: ConvDeletes, delivery: Delivery, notices: Notices) -> None:
        self._deletes = deletes
        self._delivery = delivery
        self._floors: dict[str, dict[str, int]] = {}
        self._tops: dict[str, int] = {}  # what is above it is hidden from nobody of the group
        self._groups_of: dict[str, set[str]] = {}
        delivery.veil = self._veil
        delivery.watchers.append(self._watch)
        notices.on(GroupJoined, lambda n: self._raise(n.user_id, n.group_id, n.floor))
        notices.on(GroupLeft, lambda n: self._forget(n.user_id, n.group_id))
        notices.on(GroupGone, self._forget_group)

    async def learn(self, groups_of: Mapping[str, Sequence[str]]) -> None:
        """Before these people's connections receive what is sent to these groups."""
        await asyncio.gather(*(self._learn(user_id, group_ids) for user_id, group_ids in groups_of.items()))

    async def _learn(self, user_id: str, group_ids: Sequence[str]) -> None:
        groups = {of_group(group_id).conv_id: group_id for group_id in group_ids}
        for conv_id, floor in (await self._deletes.of_user(user_id, list(groups))).items() if groups else ():
            self._raise(user_id, groups[conv_id], floor)

    def _raise(self, user_id: str, group_id: str, floor: int) -> None:
        if floor and self._delivery.connections_of(user_id):
            floors = self._floors.setdefault(group_id, {})
            floors[user_id] = max(floor, floors.get(user_id, 0))
            self._tops[group_id] = max(floor, self._tops.get(group_id, 0))
            self._groups_of.setdefault(user_id, set()).add(group_id)

    def _forget(self, user_id: str, group_id: str) -> None:
        floors = self._floors.get(group_id)
        if floors is not None and floors.pop(user_id, None) is not None and not floors:
            del self._floors[group_id], self._tops[group_id]

    def _forget_group(self, notice: GroupGone) -> None:
        self._floors.pop(notice.group_id, None)
        self._tops.pop(notice.group_id, None)

    def _watch(self, sink: Sink, came: bool) -> None:  # noqa: FBT001 - the shape of a watcher
        if not came and not self._delivery.connections_of(sink.user_id):
            for group_id in self._groups_of.pop(sink.user_id, ()):
                self._forget(sink.user_id, group_id)

    def _veil(
        self, group_id: str, seq: int, sinks: dict[Sink, None], frame: Frame
    ) -> Iterator[tuple[dict[Sink, None], Frame]]:
        floors = self._floors[group_id] if 0 < seq <= self._tops.get(group_id, 0) else {}
        late = {user_id for user_id, floor in floors.items() if floor >= seq}
        if not late:
            yield sinks, frame
            return
        yield {sink: None for sink in sinks if sink.user_id not in late}, frame
        told = veiled(frame)
        if told is not None:
            yield {sink: None for sink in sinks if sink.user_id in late}, told
