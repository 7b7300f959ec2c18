"""Brings a push to every live connection of its recipients, on whichever node they are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from goim.bus.base import NOTICES, Bus
from goim.ids import new_id
from goim.metrics import Metrics
from goim.model.conversations import Conversation, ConvType
from goim.notices import (
    DeviceConnected,
    DeviceKicked,
    GroupGone,
    GroupJoined,
    GroupLeft,
    GroupTold,
    Notices,
    SessionsEnded,
)
from goim.ordering import Lanes, Placed, decode_placed, encode_placed
from goim.protocol.close_codes import CloseCode
from goim.protocol.frames import Frame, body_of, frame_of, framed
from goim.protocol.pushes import Push
from goim.topics import ADDRESSED, ENVELOPE, GROUP, USER, address_of, addressed, group_topic, user_topic


class Sink(Protocol):
    """A live connection as delivery sees it."""

    @property
    def user_id(self) -> str: ...

    @property
    def device_id(self) -> str: ...

    @property
    def session_id(self) -> str: ...

    @property
    def token_ends(self) -> int | None: ...

    @property
    def transport_name(self) -> str: ...

    @property
    def connected_at(self) -> int:
        """In unix milliseconds, by the clock that nodes have in common."""
        ...

    @property
    def queued_bytes(self) -> int: ...

    def send(self, frame: Frame) -> None:
        """Queue a frame; never waits. A reader that does not drain its queue is closed, not waited for."""
        ...

    def close(self, code: CloseCode) -> None: ...


JOIN_SECONDS = 2.0
"""So long after somebody joined a group its pushes take a way that every node hears."""
_Table = dict[str, dict[Sink, None]]
"""Connections by user or by group."""
Veil = Callable[[str, int, dict[Sink, None], Frame], Iterator[tuple[dict[Sink, None], Frame]]]
"""Which of a group's connections are told what of a frame that is about the message of a seq."""


class Delivery:
    """Knows who is connected here, and asks the bus for their topics while they are."""

    def __init__(self, bus: Bus, notices: Notices, metrics: Metrics) -> None:
        self._bus = bus
        self._notices = notices
        self._metrics = metrics
        self._name = new_id()
        self._users: _Table = {}
        self._members: _Table = {}
        self._groups: dict[str, set[str]] = {}
        self._joined: Counter[str] = Counter()
        self._arriving: dict[Sink, set[str]] = {}
        self.lanes = Lanes(self._to_those_here)
        self.watchers: list[Callable[[Sink, bool], None]] = []
        self.veil: Veil | None = None
        metrics.send_queue_bytes = self.queued_bytes
        bus.listen(self.arrive)
        notices.on(GroupJoined, self._joined_by)
        notices.on(GroupTold, lambda n: self.arrive(group_topic(n.group_id), n.body))
        notices.on(GroupLeft, lambda n: self._leave(n.user_id, n.group_id))
        notices.on(GroupGone, lambda n: self._forget_group(n.group_id))
        notices.on(SessionsEnded, lambda n: self._end(n.session_ids, CloseCode(n.code)))
        notices.on(DeviceKicked, lambda n: self._close_device(n.user_id, n.device_id, CloseCode.KICKED, n.at))
        notices.on(DeviceConnected, self._connected_elsewhere)

    # who is here

    def attach(self, sink: Sink) -> None:
        """A connection is live: it receives what its user is sent. The same device's older one is closed."""
        self._close_device(sink.user_id, sink.device_id, CloseCode.REPLACED)
        self._tell_of(sink)
        self._add(self._users, sink.user_id, user_topic, sink)
        self._arriving[sink] = set()
        self._metrics.connections[sink.transport_name] += 1
        for watch in self.watchers:
            watch(sink, True)

    def enter_groups(self, sink: Sink, group_ids: Iterable[str]) -> None:
        """The connection receives its groups too: those it was in when asked after `attach`, less those it left
        since."""
        left = self._arriving.pop(sink, None)
        if left is None:
            return  # gone meanwhile
        groups = self._groups.setdefault(sink.user_id, set())
        groups.update(group_id for group_id in group_ids if group_id not in left)
        for group_id in groups:
            self._add(self._members, group_id, group_topic, sink)

    @property
    def ahead_ms(self) -> int:
        """How far the clock that nodes have in common is ahead of this node's own."""
        return self._bus.ahead_ms

    async def settled(self) -> None:
        """Return when a connection that was attached before would receive what other nodes send it."""
        await self._bus.settled()

    def set_groups(self, user_id: str, group_ids: Collection[str]) -> None:
        """The groups of a user's connections are these and no others."""
        mine = self._groups.get(user_id, set())
        for group_id in mine - set(group_ids):
            self._leave(user_id, group_id)
        for group_id in set(group_ids) - mine:
            self._join(user_id, group_id)

    def tell_of_devices(self, since: int) -> None:
        """Tell the other nodes again of the devices that have connected here since a time (by the clock in common)."""
        for sink in self.everybody():
            if sink.connected_at >= since:
                self._tell_of(sink)

    def _tell_of(self, sink: Sink) -> None:
        self._notices.tell_others(DeviceConnected(sink.user_id, sink.device_id, sink.connected_at, self._name))

    def detach(self, sink: Sink) -> None:
        """A connection is gone. Twice is once."""
        if sink not in self._users.get(sink.user_id, ()):
            return
        self._arriving.pop(sink, None)
        self._remove(self._users, sink.user_id, user_topic, sink)
        for group_id in self._groups.get(sink.user_id, ()):
            self._remove(self._members, group_id, group_topic, sink)
        if sink.user_id not in self._users:
            self._groups.pop(sink.user_id, None)
            self.lanes.user_left(sink.user_id, self._users.__contains__)
        self._metrics.connections[sink.transport_name] -= 1
        for watch in self.watchers:
            watch(sink, False)

    def connections_of(self, user_id: str) -> list[Sink]:
        """The user's connections on this node."""
        return list(self._users.get(user_id, ()))

    def users(self) -> list[str]:
        """Everybody who has connections on this node."""
        return list(self._users)

    def groups(self) -> list[str]:
        """Every group that has members with connections on this node."""
        return list(self._members)

    def everybody(self) -> Iterator[Sink]:
        """All connections of this node."""
        for sinks in list(self._users.values()):
            yield from list(sinks)

    def queued_bytes(self) -> int:
        """What waits in this process for readers that are slower than their senders."""
        return sum(sink.queued_bytes for sink in self.everybody())

    # telling them

    def to_conversation(
        self, conv: Conversation, frame: Frame, but: object = None, *, seq: int = 0, change: int = 0
    ) -> None:
        """Send to every connection of every member, except the connection `but`.

        With `seq` in its order: message `seq`, change number `change` of it, or what only follows it (`FOLLOWS`).
        """
        if not self._bus.has_company:
            return self._to_those_here(conv, frame, but, seq)
        if not seq:
            self._to_those_here(conv, frame, but)
        elif self._is_anybody_here(conv):
            self.lanes.offer(conv, seq, change, frame, but)
        return self._publish(conv, encode_placed(conv, seq, change, body_of(frame)) if seq else body_of(frame))

    def remind(self, conv: Conversation, seq: int) -> None:
        """Message `seq` is in the log, and it may be that nobody was told: a node that has it takes no notice."""
        if self._bus.has_company:
            if self._is_anybody_here(conv):
                self.lanes.remind(conv, seq)
            self._publish(conv, encode_placed(conv, seq, 0, b""))

    def to_user(self, user_id: str, push: Push, but: object = None, *, device_id: str | None = None) -> None:
        """Send to every connection of one user, or only to that of one device; never to the connection `but`."""
        frame = frame_of(push)
        if device_id is None:
            self._to_user(user_id, frame, but)
        elif not self._send_to_device(user_id, device_id, frame, but):
            self._bus.publish(user_topic(user_id), addressed(device_id, body_of(frame)))

    def to_users(self, user_ids: Iterable[str], push: Push) -> None:
        """Send the same to several users."""
        frame = frame_of(push)
        for user_id in user_ids:
            self._to_user(user_id, frame, None)

    def to_group(self, group_id: str, push: Push, *, is_last: bool = False) -> None:
        """Send to every connection of every member of a group; `is_last`: before a notice that the group is gone."""
        frame = frame_of(push)
        if is_last:  # of two topics either may be first in a Cluster
            self._send(self._members.get(group_id), frame)
            return self._notices.tell_others(GroupTold(group_id, body_of(frame)))
        return self._to_group(group_id, frame, None)

    def _publish(self, conv: Conversation, body: bytes) -> None:
        if conv.conv_type is ConvType.C2C:
            self._bus.publish(user_topic(conv.user_a), body)
            self._bus.publish(user_topic(conv.user_b), body)
        else:
            self._publish_to_group(conv.group_id, body)

    def _publish_to_group(self, group_id: str, body: bytes) -> None:
        if group_id in self._joined:
            self._notices.tell_others(GroupTold(group_id, body))  # what every node hears
        else:
            self._bus.publish(group_topic(group_id), body)

    def _to_user(self, user_id: str, frame: Frame, but: object) -> None:
        self._send(self._users.get(user_id), frame, but)
        if self._bus.has_company:
            self._bus.publish(user_topic(user_id), body_of(frame))

    def _to_group(self, group_id: str, frame: Frame, but: object) -> None:
        self._send(self._members.get(group_id), frame, but)
        if self._bus.has_company:
            self._publish_to_group(group_id, body_of(frame))

    def _to_those_here(self, conv: Conversation, frame: Frame, but: object, seq: int = 0) -> None:
        if conv.group_id:
            sinks = self._members.get(conv.group_id)
            if self.veil is None or not sinks:
                return self._send(sinks, frame, but)
            for some, told in self.veil(conv.group_id, seq, sinks, frame):
                self._send(some, told, but)
            return None
        users = self._users
        for sinks in (users.get(conv.user_a), users.get(conv.user_b)):
            if sinks:
                for sink in sinks:
                    if sink is not but:
                        sink.send(frame)
                        self._metrics.deliveries += 1
        return None

    def _is_anybody_here(self, place: Conversation | Placed) -> bool:
        if place.group_id:
            return place.group_id in self._members
        return place.user_a in self._users or place.user_b in self._users

    def _send(self, sinks: dict[Sink, None] | None, frame: Frame, but: object = None) -> None:
        if not sinks:
            return
        for sink in sinks:
            if sink is not but:
                sink.send(frame)
        self._metrics.deliveries += len(sinks) - (but in sinks)

    def _send_to_device(self, user_id: str, device_id: str, frame: Frame, but: object = None) -> bool:
        """Whether the device is connected here; then it is nowhere else."""
        for sink in self.connections_of(user_id):
            if sink.device_id == device_id:
                if sink is not but:
                    sink.send(frame)
                    self._metrics.deliveries += 1
                return True
        return False

    def arrive(self, topic: str, body: bytes) -> None:
        """Take what another process published, whichever way it came."""
        if topic == NOTICES:
            return self._notices.arrive(body)
        if body[:1] == ADDRESSED:
            return self._arrive_at_device(topic.removeprefix(USER), *address_of(body))
        if body[:1] != ENVELOPE:
            return self._arrive_in_order(body)
        is_user = topic.startswith(USER)
        sinks = self._users.get(topic[len(USER) :]) if is_user else self._members.get(topic[len(GROUP) :])
        return self._send(sinks, framed(body))

    def _arrive_in_order(self, body: bytes) -> None:
        placed = decode_placed(body)
        if not self._bus.has_company:
            if placed.body:  # a command's: nothing else comes from elsewhere
                self._to_those_here(placed.conv, framed(placed.body), None, placed.seq)
        elif self._is_anybody_here(placed):
            self.lanes.take(placed)

    def _arrive_at_device(self, user_id: str, device_id: str, body: bytes) -> None:
        self._send_to_device(user_id, device_id, framed(body))

    # topics: a node asks the bus for those of the users and groups that it has connections of

    def _add(self, table: _Table, key: str, topic: Callable[[str], str], sink: Sink) -> None:
        sinks = table.get(key)
        if sinks is None:
            sinks = table[key] = {}
            self._bus.subscribe(topic(key))
        sinks[sink] = None

    def _remove(self, table: _Table, key: str, topic: Callable[[str], str], sink: Sink) -> None:
        sinks = table.get(key)
        if sinks is not None and sinks.pop(sink, self) is None and not sinks:
            del table[key]
            self._bus.unsubscribe(topic(key))
            if table is self._members:
                self.lanes.group_left(key)

    def _joined_by(self, notice: GroupJoined) -> None:
        """Another node may have to subscribe to the group first, which takes it a moment."""
        if self._bus.has_company:
            self._joined[notice.group_id] += 1
            asyncio.get_running_loop().call_later(JOIN_SECONDS, self._settled_in, notice.group_id)
        self._join(notice.user_id, notice.group_id)

    def _settled_in(self, group_id: str) -> None:
        self._joined[group_id] -= 1
        if not self._joined[group_id]:
            del self._joined[group_id]

    def _join(self, user_id: str, group_id: str) -> None:
        for sink in self.connections_of(user_id):
            self._groups.setdefault(user_id, set()).add(group_id)
            self._add(self._members, group_id, group_topic, sink)

    def _leave(self, user_id: str, group_id: str) -> None:
        self._groups.get(user_id, set()).discard(group_id)
        for sink in self.connections_of(user_id):
            self._remove(self._members, group_id, group_topic, sink)
            if sink in self._arriving:
                self._arriving[sink].add(group_id)

    def _forget_group(self, group_id: str) -> None:
        for left in self._arriving.values():
            left.add(group_id)
        for sink in list(self._members.get(group_id, ())):
            self._groups[sink.user_id].discard(group_id)
            self._remove(self._members, group_id, group_topic, sink)

    # ending connections

    def _close_device(self, user_id: str, device_id: str, code: CloseCode, since: int | None = None) -> None:
        for sink in self.connections_of(user_id):
            if sink.device_id == device_id and (since is None or sink.connected_at <= since):
                self.detach(sink)
                sink.close(code)

    def _connected_elsewhere(self, notice: DeviceConnected) -> None:
        """The newer connection stays, however late it is told of the other; of two in one millisecond both nodes keep
        the same."""
        since = notice.since if notice.node > self._name else notice.since - 1
        self._close_device(notice.user_id, notice.device_id, CloseCode.REPLACED, since)

    def _end(self, session_ids: list[str], code: CloseCode) -> None:
        for sink in [s for s in self.everybody() if s.session_id in session_ids]:
            self.detach(sink)
            sink.close(code)
